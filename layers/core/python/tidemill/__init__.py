"""Tidemill: serverless MLOps for AWS. The library that every function of the platform shares.

Stage packages (`data`, `training`, `release`, `serving`, `monitoring`, `governance`) hold pure logic and use
cases; `ports` says what they need from the outside; `adapters` provides it. Imports point inward: a stage
package never imports an adapter, a handler, or boto3.

For notebooks and other programs: `from tidemill import Client`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.client import Client as Client

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The client, at first use: a function that never asks for it does not wait for its import."""
    if name == "Client":
        from tidemill.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

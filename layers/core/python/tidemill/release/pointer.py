"""The moving pointer of a project: who is champion, who is challenger, with which share of the requests; and where
entities are assigned, which function version has both (`experiment`).

The row `POINTER#live` is the truth; the alias `live` follows it. A change is a transaction that holds the
pointer's epoch; acting on the alias carries that epoch, and the alias refuses a lower one. So whoever was
killed between the two can be run again, and whoever comes late changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from tidemill import names
from tidemill.ports import Endpoints, Index, Put, Row

_NOTHING: Row = {
    "epoch": 0,
    "champion": None,
    "challenger": None,
    "weight": 0.0,
    "previous": None,
    "release_id": None,
    "experiment": None,
}


def read(index: Index, project: str) -> Row:
    """The pointer; epoch 0 and nobody live before the first release."""
    return {**_NOTHING, **(index.get(names.pk(project), names.POINTER_LIVE) or {})}


def moved(project: str, pointer: Mapping[str, Any], **changes: Any) -> Put:
    """The change to put into a transaction, which fails if the pointer has moved since it was read. There is an
    `experiment` only as long as whoever moves the pointer names one."""
    attributes = {name: pointer[name] for name in _NOTHING} | {"experiment": None}
    row = {**attributes, **changes, "epoch": pointer["epoch"] + 1}
    return Put(names.pk(project), names.POINTER_LIVE, row, if_epoch=pointer["epoch"])


def after(change: Put) -> dict[str, Any]:
    """What an audit entry tells of a change that `moved` made: who answers which share from then on."""
    return {name: change.row[name] for name in ("epoch", "champion", "challenger", "weight")}


def shown(pointer: Mapping[str, Any]) -> Row:
    """The pointer without its keys in the table."""
    return {name: pointer[name] for name in _NOTHING}


def told(pointer: Mapping[str, Any]) -> str:
    """Who answers which share, in words."""
    champion, challenger, weight = pointer["champion"], pointer["challenger"], pointer["weight"]
    if champion is None:
        return "no model answers yet"
    if challenger is None:
        return f"model {champion['model']} answers all requests"
    return f"model {champion['model']} answers {1 - weight:.0%} and model {challenger['model']} {weight:.0%}"


def apply(index: Index, endpoints: Endpoints, project: str) -> Row:
    """Make the alias follow the pointer as it is now, and give it. Raises StaleEpoch if a newer one was applied
    already.

    Before the first promotion there is no champion to point to, and the alias stays as it was deployed.
    """
    pointer = read(index, project)
    champion, challenger = pointer["champion"], pointer["challenger"]
    if champion:
        shared = challenger is not None and pointer["weight"] > 0
        version, weights = champion["function_version"], {}
        if shared and pointer["experiment"]:
            version = pointer["experiment"]
        elif shared and pointer["weight"] >= 1:
            version = challenger["function_version"]
        elif shared:
            weights = {challenger["function_version"]: pointer["weight"]}
        endpoints.move_alias(project, version=version, weights=weights, epoch=pointer["epoch"])
    return pointer

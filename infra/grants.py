"""What a function may do, as values that read like the table in docs/architecture.md.

A grant is actions on ARNs. ARNs are written over names in braces (`{bucket}/runs/*`), which `infra/function.py`
fills in
from the constructs. A `*` needs a reason, which `infra/nag.py` hands to cdk-nag.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidemill import token_names


@dataclass(frozen=True)
class Grant:
    """One IAM statement. `why`: the reason for each `*` in `resources`."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str = ""
    conditions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any("*" in action for action in self.actions):
            raise ValueError(f"actions {self.actions}: name each action instead of a `*`")
        if any("*" in resource for resource in self.resources) and not self.why:
            raise ValueError(f"resources {self.resources}: give the reason for the `*` in `why`")


_FACTS = "the keys below this prefix are made at run time; no other prefix of the bucket is reachable"


def reads(*prefixes: str, versions: bool = False) -> tuple[Grant, ...]:
    """Get and list objects below these prefixes; with `versions`, also older versions of them.

    S3 answers 404 for a key that does not exist only to who may list the bucket (else 403), and it asks that
    without a prefix in the request; hence `IfExists`: a list that names a prefix must name one of these."""
    actions = ("s3:GetObject", "s3:GetObjectVersion") if versions else ("s3:GetObject",)
    below = [f"{prefix}/*" for prefix in prefixes]
    return (
        Grant(actions, tuple(f"{{bucket}}/{each}" for each in below), _FACTS),
        Grant(("s3:ListBucket",), ("{bucket}",), conditions={"StringLikeIfExists": {"s3:prefix": below}}),
    )


def reads_models_of(project: str) -> tuple[Grant, ...]:
    """Get versions of the model files of one project."""
    return (Grant(("s3:GetObjectVersion",), (f"{{bucket}}/models/{project}/*",), _FACTS),)


def lists_versions(*prefixes: str) -> tuple[Grant, ...]:
    """List the versions of objects below these prefixes."""
    below = [f"{prefix}/*" for prefix in prefixes]
    return (Grant(("s3:ListBucketVersions",), ("{bucket}",), conditions={"StringLike": {"s3:prefix": below}}),)


def writes(*prefixes: str) -> tuple[Grant, ...]:
    """Put objects below these prefixes, in one piece or in parts."""
    return (Grant(("s3:PutObject", "s3:AbortMultipartUpload"), _below(prefixes), _FACTS),)


def removes(*prefixes: str) -> tuple[Grant, ...]:
    """Delete versions of objects below these prefixes, for good. Only what has a copy elsewhere, or must not be
    anywhere, is ever deleted; no fact is."""
    return (Grant(("s3:DeleteObjectVersion",), _below(prefixes), _FACTS),)


def _below(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{{bucket}}/{prefix}/*" for prefix in prefixes)


def table_reads() -> tuple[Grant, ...]:
    """Get and query rows."""
    return (Grant(("dynamodb:GetItem", "dynamodb:Query"), ("{table}",)),)


def table() -> tuple[Grant, ...]:
    """Get and query rows, and transactions of puts and updates (authorized as these two). Nothing may delete."""
    return (
        Grant(("dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"), ("{table}",)),
    )


def tokens() -> tuple[Grant, ...]:
    """Get the rows of API tokens and note their use; no other partition of the table."""
    rows = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [token_names.PK_TOKENS]}}
    return (Grant(("dynamodb:GetItem", "dynamodb:UpdateItem"), ("{table}",), conditions=rows),)


def starts(machine: str) -> tuple[Grant, ...]:
    """Start executions of that state machine, and see the ones that run."""
    return (Grant(("states:StartExecution",), (f"{{machine-{machine}}}",)),)


def guards() -> tuple[Grant, ...]:
    """Make and remove the alarms on challengers."""
    actions = ("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm")
    return (Grant(actions, ("{guards}",), "the guards of this stage's projects, which alone are named so"),)


def answers(machine: str) -> tuple[Grant, ...]:
    """Answer executions of that state machine that wait under a task token."""
    return (Grant(("states:SendTaskSuccess",), (f"{{waiting-{machine}}}",)),)


def tells_people() -> tuple[Grant, ...]:
    """Send messages to the stage's topic."""
    return (Grant(("sns:Publish",), ("{topic}",)),)


_ENDPOINTS = "the endpoints of this stage's projects, which alone are named so"
_NUMBERS = "the endpoints of this stage's projects; their versions' numbers are given when they are published"


def publishes_models() -> tuple[Grant, ...]:
    """Publish model layers, and versions of the endpoint functions that carry them."""
    return (
        Grant(("lambda:PublishLayerVersion",), ("{model-layers}",), "the model layers of this stage's projects"),
        Grant(("lambda:GetLayerVersion",), ("{layers}:*",), "the stage's layers; their versions have numbers"),
        Grant(("lambda:ListLayerVersions",), ("*",), "the action knows no resources"),
        Grant(
            (
                "lambda:GetFunctionConfiguration",
                "lambda:ListVersionsByFunction",
                "lambda:PublishVersion",
                "lambda:UpdateFunctionConfiguration",
            ),
            ("{endpoints}", "{endpoints}:*"),
            _NUMBERS,
        ),
    )


def reads_alias() -> tuple[Grant, ...]:
    """Read the alias `live` of the endpoints."""
    return (Grant(("lambda:GetAlias",), ("{endpoints}", "{endpoints}:live"), _ENDPOINTS),)


def moves_alias() -> tuple[Grant, ...]:
    """Read and move the alias `live` of the endpoints."""
    return (Grant(("lambda:GetAlias", "lambda:UpdateAlias"), ("{endpoints}", "{endpoints}:live"), _ENDPOINTS),)


def asks_endpoints() -> tuple[Grant, ...]:
    """Invoke versions of the endpoint functions."""
    return (Grant(("lambda:InvokeFunction",), ("{endpoints}:*",), _NUMBERS),)

"""cdk-nag's packs AwsSolutions and Serverless over the app, and every finding that we answer instead of mend,
with why.

Only `-c nag=true` and the tests load this: the packs cost seconds. A finding about a `*` is answered by the
reason that its grant carries (`Grant.why`), resource by resource, so that a new `*` is a new finding.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from aws_cdk import Acknowledgment, App, Stack, Validations
from aws_cdk import aws_apigatewayv2 as apigateway
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

from infra.function import Function
from infra.grants import Grant
from infra.platform_stack import PlatformStack
from infra.sagemaker import TrainingJobs
from infra.stages import Stage
from infra.state_machine import StateMachine
from infra.state_stack import StateStack

_RUNTIME = "python3.13 is what the layers' locks are resolved for and what the checkout runs; it moves with both"
_STARS = "each * is answered by itself under AwsSolutions-IAM5"
_TO_QUEUE = "its errors go to the failures queue as an on-failure destination, which says more than a dead letter"
_WAITED_FOR = "it is never invoked as an event: the machine or API that calls it sees the error and handles it"
_IS_THE_QUEUE = "this is the dead-letter queue of the others; an alarm watches it"
_HEALTH = "health tells nothing but that the API answers; load balancers and people ask it without credentials"
_NO_RECOVERY = "this stage's table can be rebuilt from S3, and its data is for trying out; prod has recovery on"
_LOOPBACK = "the embedded cloud speaks plain HTTP, on the loopback interface of one machine"
_TLS = ("AwsSolutions-S10", "AwsSolutions-SNS3", "AwsSolutions-SQS4")


def check(app: App) -> None:
    """Make both packs part of the app's synth, with our answers."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    for construct in app.node.find_all():
        rules = [Acknowledgment(id=rule, reason=reason) for rule, reason in _answers(construct)]
        if rules:
            Validations.of(construct).acknowledge(*rules)


def _answers(construct: IConstruct) -> Iterator[tuple[str, str]]:
    """The rules that we answer for on this construct, and how."""
    if isinstance(construct, Function):
        yield from _of_function(construct)
    elif isinstance(construct, StateMachine | TrainingJobs):
        yield from _of_grants(construct, construct.grants)
    elif isinstance(construct, StateStack | PlatformStack):
        yield from _of_stage(construct.stage)
    elif isinstance(construct, apigateway.CfnRoute) and construct.route_key == "GET /health":
        yield "AwsSolutions::AwsSolutions-APIG4", _HEALTH
    elif construct.node.id == "Failures":
        yield "AwsSolutions::AwsSolutions-SQS3", _IS_THE_QUEUE
        yield "Serverless::Serverless-SQSRedrivePolicy", _IS_THE_QUEUE


def _of_stage(stage: Stage) -> Iterator[tuple[str, str]]:
    if not stage.point_in_time_recovery:
        yield "AwsSolutions::AwsSolutions-DDB3", _NO_RECOVERY
    if not stage.require_tls:
        yield from ((f"AwsSolutions::{rule}", _LOOPBACK) for rule in _TLS)


def _of_function(function: Function) -> Iterator[tuple[str, str]]:
    yield "AwsSolutions::AwsSolutions-L1", _RUNTIME
    yield "Serverless::Serverless-LambdaLatestVersion", _RUNTIME
    yield "Serverless::Serverless-LambdaDLQ", _TO_QUEUE if function.work.asynchronous else _WAITED_FOR
    yield "Serverless::Serverless-LambdaStarPermissions", _STARS
    yield from _of_grants(function, function.grants)


def _of_grants(construct: IConstruct, grants: Iterable[Grant]) -> Iterator[tuple[str, str]]:
    arns = construct.arns if isinstance(construct, Function) else None
    for grant in grants:
        for resource in grant.resources:
            arn = _flat(Stack.of(construct).resolve(resource if arns is None else resource.format_map(arns)))
            if "*" in arn:
                yield f"AwsSolutions::AwsSolutions-IAM5[Resource::{arn}]", grant.why


def _flat(value: Any) -> str:
    """A resolved ARN as cdk-nag writes it: references in angle brackets, imports by their names."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
        case {"Fn::ImportValue": name}:
            return _flat(name)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case _:
            return str(value)

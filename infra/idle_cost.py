"""What a deployment costs in a month in which nothing happens, and the guard on it.

Runs at the end of synth over the finished templates. Every resource type must be known here: billed by use
alone, or billed while idle at a price. Charges by stored bytes (S3, DynamoDB, logs, function code) are counted
as use.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

PRICED_ON = "2026-11"
# US dollars a month, us-east-1, before the free tier. https://aws.amazon.com/cloudwatch/pricing/
USD_A_MONTH = {"AWS::CloudWatch::Alarm": 0.10, "AWS::CloudWatch::Dashboard": 3.00}

BY_USE = frozenset(
    (
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CDK::Metadata",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::LogGroup",
        "AWS::Logs::SubscriptionFilter",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::Scheduler::Schedule",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SSM::Parameter",
        "AWS::StepFunctions::StateMachine",
    )
)

_HERE = "infra/idle_cost.py"


@dataclass(frozen=True)
class Fault:
    """A resource that costs money while nothing happens, or may do so."""

    rule: str
    resource: str
    problem: str
    remedy: str


def faults(resources: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """What in a template's resources is billed while idle without being priced here."""
    for name, resource in resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind not in BY_USE and kind not in USD_A_MONTH:
            yield Fault(
                "UnknownPrice",
                name,
                f"{kind} is not known to be free while idle",
                f"look its price up; add it to BY_USE or, with its price, to USD_A_MONTH in {_HERE}",
            )
        for rule, billed, remedy in _settings(kind, properties):
            if billed:
                yield Fault("BilledWhileIdle", name, f"{kind}: {rule} is billed by the hour", remedy)


def _settings(kind: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, bool, str]]:
    """Settings that make a free resource billed by the hour: what is billed, whether it is so, the remedy."""
    if kind == "AWS::DynamoDB::Table":
        billed = properties.get("BillingMode") != "PAY_PER_REQUEST"
        yield "provisioned capacity", billed, "set BillingMode to PAY_PER_REQUEST"
    if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        yield "provisioned concurrency", "ProvisionedConcurrencyConfig" in properties, "remove it"
    if kind == "AWS::Lambda::Function":
        snap = properties.get("SnapStart", {}).get("ApplyOn", "None") != "None"
        yield "SnapStart's cache (for Python)", snap, "remove SnapStart"
    if kind == "AWS::SSM::Parameter":
        yield "an advanced parameter", properties.get("Tier", "Standard") != "Standard", "use the standard tier"
    if kind == "AWS::CloudWatch::Alarm":
        several = "Metrics" in properties or int(properties.get("Period", 60)) < 60
        yield (
            "a high-resolution or several-metric alarm",
            several,
            "watch one metric, by the minute",
        )


def usd_a_month(types: Iterable[str]) -> float:
    """US dollars a month for resources of these types."""
    return round(sum(USD_A_MONTH.get(kind, 0.0) * count for kind, count in Counter(types).items()), 2)


def summary(types: Iterable[str]) -> str:
    """The cost in one line, with what makes it."""
    counted = {kind: n for kind, n in sorted(Counter(types).items()) if kind in USD_A_MONTH}
    parts = ", ".join(f"{n} {kind} at {USD_A_MONTH[kind]:.2f}" for kind, n in counted.items())
    return f"{usd_a_month(counted_types(counted)):.2f} USD a month while idle ({parts or 'nothing'}; {PRICED_ON})"


def counted_types(counts: Mapping[str, int]) -> Iterator[str]:
    """A count of types as the types themselves."""
    return (kind for kind, count in counts.items() for _ in range(count))


@jsii.implements(IPolicyValidationPlugin)
class IdleCostGuard:
    """Fails synth on what is billed while idle and not priced, and on a sum above `limit` US dollars a month."""

    def __init__(self, *, limit: float) -> None:
        self._limit = limit

    @property
    def name(self) -> str:
        return "tidemill-idle-cost"

    @property
    def rule_ids(self) -> list[str]:
        return ["UnknownPrice", "BilledWhileIdle", "OverLimit"]

    @property
    def version(self) -> str:
        return "1.0.0"

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Called by CDK with the paths of the templates."""
        found: list[tuple[str, Fault]] = []
        types: list[str] = []
        for path in context.template_paths:
            resources = json.loads(Path(path).read_text()).get("Resources", {})
            types += [resource["Type"] for resource in resources.values()]
            found += [(path, fault) for fault in faults(resources)]
        if usd_a_month(types) > self._limit:
            remedy = "raise idle_usd_limit of the stage in infra/stages.py, or deploy less"
            found.append(
                (path, Fault("OverLimit", "(all)", f"{summary(types)}; the limit is {self._limit:.2f}", remedy))
            )
        return PolicyValidationPluginReport(
            success=not found, violations=[_violation(path, fault) for path, fault in found]
        )


def _violation(template: str, fault: Fault) -> PolicyViolation:
    resource = PolicyViolatingResource(resource_logical_id=fault.resource, template_path=template, locations=[])
    return PolicyViolation(
        rule_name=fault.rule, description=fault.problem, fix=fault.remedy, violating_resources=[resource]
    )

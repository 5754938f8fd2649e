"""The guard on what is billed while nothing happens."""

import pytest

from infra import idle_cost


def rules(kind: str, **properties) -> list[str]:
    return [fault.rule for fault in idle_cost.faults({"It": {"Type": kind, "Properties": properties}})]


def test_a_resource_of_unknown_price_is_a_fault_with_a_remedy() -> None:
    (fault,) = idle_cost.faults({"Gateway": {"Type": "AWS::EC2::NatGateway"}})
    assert (fault.rule, fault.resource) == ("UnknownPrice", "Gateway")
    assert "AWS::EC2::NatGateway" in fault.problem
    assert "infra/idle_cost.py" in fault.remedy


@pytest.mark.parametrize(
    ("kind", "billed", "free"),
    [
        ("AWS::DynamoDB::Table", {"BillingMode": "PROVISIONED"}, {"BillingMode": "PAY_PER_REQUEST"}),
        ("AWS::DynamoDB::Table", {}, {"BillingMode": "PAY_PER_REQUEST"}),
        ("AWS::Lambda::Alias", {"ProvisionedConcurrencyConfig": {}}, {"Name": "live"}),
        ("AWS::Lambda::Function", {"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"Runtime": "python3.13"}),
        ("AWS::SSM::Parameter", {"Tier": "Advanced"}, {"Tier": "Standard"}),
        ("AWS::CloudWatch::Alarm", {"Period": 10}, {"Period": 60}),
        ("AWS::CloudWatch::Alarm", {"Metrics": []}, {"MetricName": "Errors"}),
    ],
)
def test_a_setting_that_is_billed_by_the_hour_is_a_fault(kind: str, billed: dict, free: dict) -> None:
    assert rules(kind, **billed) == ["BilledWhileIdle"]
    assert rules(kind, **free) == []


def test_the_cost_is_the_sum_of_the_priced_resources() -> None:
    types = ["AWS::CloudWatch::Alarm"] * 12 + ["AWS::Lambda::Function"] * 30
    assert idle_cost.usd_a_month(types) == 1.2
    assert idle_cost.summary(types).startswith("1.20 USD a month while idle (12 AWS::CloudWatch::Alarm at 0.10;")


def test_the_output_says_what_the_template_costs(any_stage, of_kind) -> None:
    alarms = len(of_kind(any_stage.platform, "AWS::CloudWatch::Alarm"))
    assert any_stage.platform["Outputs"]["IdleCost"]["Value"].startswith(f"{alarms * 0.1:.2f} USD a month")


def test_synth_fails_above_the_stages_limit(synthesize) -> None:
    with pytest.raises(RuntimeError, match=r"1\.50 USD a month while idle .* the limit is 0\.50"):
        synthesize("dev", idle_usd_limit=0.5)

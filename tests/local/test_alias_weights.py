"""https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html"""

import json
import random
from collections import Counter
from types import SimpleNamespace

import pytest
from scipy.stats import binom

from local.extensions.alias_weights import draw


@pytest.fixture
def release(client, function):
    """A function with versions 1 and 2, told apart by a variable, and the alias `live` on version 1."""
    name = function(Environment={"Variables": {"MARKER": "champion"}})
    lambda_ = client("lambda")
    lambda_.publish_version(FunctionName=name)
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARKER": "challenger"}})
    lambda_.publish_version(FunctionName=name)
    alias = lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def weigh(weight: float) -> None:
        routing = {"AdditionalVersionWeights": {"2": weight} if weight else {}}
        lambda_.update_alias(FunctionName=name, Name="live", RoutingConfig=routing)

    return SimpleNamespace(name=name, arn=alias["AliasArn"], weigh=weigh)


def test_200_invocations_at_weight_0_3_hit_the_challenger_within_the_99_percent_interval(client, release):
    release.weigh(0.3)
    executed = Counter(
        client("lambda").invoke(FunctionName=release.name, Qualifier="live")["ExecutedVersion"] for _ in range(200)
    )
    lowest, highest = binom.interval(0.99, 200, 0.3)
    assert set(executed) == {"1", "2"}
    assert lowest <= executed["2"] <= highest


def test_the_reported_version_is_the_one_that_ran(client, release):
    release.weigh(0.5)
    for _ in range(20):
        answer = client("lambda").invoke(FunctionName=release.arn)
        ran = json.loads(answer["Payload"].read())
        assert ran["version"] == ran["env"] == answer["ExecutedVersion"]
        assert ran["marker"] == {"1": "champion", "2": "challenger"}[ran["version"]]
        assert ran["arn"] == release.arn


def test_without_weights_the_alias_runs_its_own_version(client, release):
    answers = [client("lambda").invoke(FunctionName=release.name, Qualifier="live") for _ in range(10)]
    assert {answer["ExecutedVersion"] for answer in answers} == {"1"}


def test_reading_the_configuration_draws_nothing(client, release):
    release.weigh(0.5)
    for _ in range(20):
        reference = {"FunctionName": release.name, "Qualifier": "live"}
        assert client("lambda").get_function_configuration(**reference)["Version"] == "1"
        assert client("lambda").get_function(**reference)["Configuration"]["Version"] == "1"
        assert client("lambda").get_alias(FunctionName=release.name, Name="live")["FunctionVersion"] == "1"


def test_an_asynchronous_invocation_draws_too(client, release, eventually, messages):
    release.weigh(1.0)
    client("lambda").invoke(FunctionName=release.arn, InvocationType="Event")
    starts = eventually(lambda: [m for m in messages(f"/aws/lambda/{release.name}") if m.startswith("START")])
    assert starts[0].endswith("Version: 2")


def test_an_http_api_draws_too(release, http_api, signed_request):
    release.weigh(1.0)
    status, body = signed_request("GET", f"{http_api(release.arn)}/answer")
    assert (status, body["version"], body["arn"]) == (200, "2", release.arn)


def test_step_functions_draw_too(client, release, eventually):
    release.weigh(1.0)
    task = {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
        "Arguments": {"FunctionName": release.arn}, "Output": "{% $states.result.Payload %}",
    }  # fmt: skip
    definition = {"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": task}}
    states = client("stepfunctions")
    machine = states.create_state_machine(
        name=release.name, definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/machine"
    )
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    done = eventually(lambda: output_of(states.describe_execution(executionArn=execution)))
    assert (done["version"], done["marker"]) == ("2", "challenger")


def output_of(execution):
    return json.loads(execution["output"]) if execution["status"] == "SUCCEEDED" else None


def test_event_rules_draw_too(client, release, eventually, messages):
    release.weigh(1.0)
    events = client("events")
    events.put_rule(Name=release.name, EventPattern=json.dumps({"source": [release.name]}))
    events.put_targets(Rule=release.name, Targets=[{"Id": "1", "Arn": release.arn}])
    events.put_events(Entries=[{"Source": release.name, "DetailType": "test", "Detail": "{}"}])
    starts = eventually(lambda: [m for m in messages(f"/aws/lambda/{release.name}") if m.startswith("START")])
    assert starts[0].endswith("Version: 2")


def test_a_seed_gives_the_same_draws_again():
    alias = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.3}}}
    first, second = ([draw(alias, rng) for _ in range(50)] for rng in (random.Random(7), random.Random(7)))
    assert first == second
    assert set(first) == {"1", "2"}


def test_weight_zero_and_one_leave_no_doubt():
    never = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.0}}}
    always = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}}
    rng = random.Random(1)
    assert {draw(never, rng) for _ in range(100)} == {"1"}
    assert {draw(always, rng) for _ in range(100)} == {"2"}


def test_of_10000_calls_at_weight_0_1_the_challenger_answers_its_share():
    alias = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}
    rng = random.Random(20130101)
    drawn = Counter(draw(alias, rng) for _ in range(10_000))
    assert set(drawn) == {"1", "2"}
    assert abs(drawn["2"] / 10_000 - 0.10) <= 0.0078  # the 99 % interval

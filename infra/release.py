"""The release stage: from a candidate to the model that answers. Its functions, its machine, and the rule by which
the alarms on a challenger end its release."""

import json

from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import (
    answers,
    asks_endpoints,
    guards,
    moves_alias,
    publishes_models,
    reads,
    reads_alias,
    table,
    table_reads,
    tells_people,
    writes,
)
from infra.http_api import HttpApi
from infra.serving import BY_SKOPS, PREDICT
from infra.state_machine import StateMachine
from tidemill import env_names
from tidemill.release import guard_names
from tidemill.serving.forms import ONNX, SKOPS

FUNCTIONS = (
    Work(
        "register_model", ("core",), memory=1024, seconds=120,
        may=(*reads("runs", "models"), *writes("models"), *table()),
    ),
    Work(
        "request_approval", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *tells_people(), *answers("release")),
    ),
    Work(
        "decide_release", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *answers("release")),
    ),
    Work(
        "publish_version", ("core",), memory=1024, seconds=300,
        may=(
            *reads("models", versions=True), *reads("releases"), *writes("releases"), *table(),
            *publishes_models(), *reads_alias(), *guards(),
        ),
    ),
    Work(
        "shift_traffic", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *table(), *moves_alias(), *guards()),
    ),
    Work(
        "answer_in_shadow", ("core",), memory=1024, seconds=300,
        may=(*reads("releases", "captured", "shadowed"), *writes("shadowed"), *table_reads(), *asks_endpoints()),
    ),
    Work(
        "judge_experiment", ("core", "numeric"), memory=1024, seconds=300,
        may=(*reads("releases", "captured", "outcomes", "shadowed"), *writes("releases"), *table()),
    ),
    Work(
        "settle_release", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *moves_alias(), *guards()),
    ),
    Work(
        "steer_release", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *moves_alias(), *guards()),
    ),
)  # fmt: skip
# No state of the machine: alarms call it, while the machine waits for its next look.
WITHDRAW_CHALLENGER = Work(
    "withdraw_challenger", ("core",), memory=512, seconds=60,
    may=(*reads("releases"), *writes("releases"), *table(), *moves_alias(), *guards()), asynchronous=True,
)  # fmt: skip


def _environment(work: Work, around: Surroundings) -> dict[str, str]:
    """What one of the functions is given beyond what all are."""
    if work.name != "publish_version":
        return {}
    forms, layers = {ONNX: PREDICT.layers, SKOPS: BY_SKOPS}, around.layers
    room = {form: layers.room(each) for form, each in forms.items()}
    shared = set(PREDICT.layers) & set(BY_SKOPS)
    own = {form: layers.arns(name for name in each if name not in shared) for form, each in forms.items()}
    return {
        env_names.ENV_MODEL_ROOM: json.dumps(room, sort_keys=True),
        env_names.ENV_ENDPOINT_LAYERS: json.dumps(own, sort_keys=True),
    }


class Release(Construct):
    """Registers and publishes models, and moves traffic to them."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings) -> None:
        super().__init__(scope, construct_id)
        states = [
            Function(
                self,
                work.construct_id,
                work=work,
                word="release",
                around=around,
                environment={**around.environment, **_environment(work, around)},
            )
            for work in FUNCTIONS
        ]
        self.machine = StateMachine(self, "ReleaseMachine", word="release", stage=around.stage, functions=states)
        withdraw = Function(
            self, WITHDRAW_CHALLENGER.construct_id, work=WITHDRAW_CHALLENGER, word="release", around=around
        )
        self._withdraw_on_alarm(withdraw, around)
        self.functions = [*states, withdraw]

    def _withdraw_on_alarm(self, withdraw: Function, around: Surroundings) -> None:
        """One rule for all projects: their guards' alarms are made by releases, and are known by how they are
        named."""
        stage = around.stage.name
        rule = events.CfnRule(
            self,
            "Guards",
            name=f"tidemill-{stage}-guards",
            description="An alarm on a challenger rolls its release back",
            event_pattern={
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {
                    "alarmName": [{"prefix": guard_names.alarm(stage, kind, "")} for kind in guard_names.KINDS],
                    "state": {"value": ["ALARM"]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="WithdrawChallenger",
                    arn=withdraw.arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=around.failures.queue_arn),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "GuardsPermission",
            action="lambda:InvokeFunction",
            function_name=withdraw.arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )

    def answer(self, api: HttpApi) -> None:
        """Take the routes on which people decide."""
        routes = {
            "decide_release": "POST /projects/{project}/releases/{release}/decision",
            "steer_release": "POST /projects/{project}/release",
        }
        for function in self.functions:
            if function.work.name in routes:
                api.route(routes[function.work.name], scope=function, function_arn=function.arn)

"""The release stage: from a candidate to the model that answers. Its functions and its machine."""

from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import (
    answers,
    moves_alias,
    publishes_models,
    reads,
    reads_alias,
    table,
    tells_people,
    writes,
)
from infra.http_api import HttpApi
from infra.state_machine import StateMachine

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
            *reads("models", "releases"), *writes("releases"), *table(),
            *publishes_models(), *reads_alias(),
        ),
    ),
    Work(
        "shift_traffic", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *table(), *moves_alias()),
    ),
    Work(
        "judge_experiment", ("core", "numeric"), memory=1024, seconds=300,
        may=(*reads("releases", "captured", "outcomes"), *writes("releases"), *table()),
    ),
    Work(
        "settle_release", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *moves_alias()),
    ),
    Work(
        "steer_release", ("core",), memory=512, seconds=60,
        may=(*reads("releases"), *writes("releases"), *table(), *moves_alias()),
    ),
)  # fmt: skip


class Release(Construct):
    """Registers and publishes models, and moves traffic to them."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings) -> None:
        super().__init__(scope, construct_id)
        self.functions = [
            Function(self, work.construct_id, work=work, word="release", around=around) for work in FUNCTIONS
        ]
        self.machine = StateMachine(
            self, "ReleaseMachine", word="release", stage=around.stage, functions=self.functions
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

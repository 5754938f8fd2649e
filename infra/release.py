"""The release stage: from a candidate to the model that answers. Its functions and its machine."""

import json

from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import moves_alias, publishes_models, reads, reads_alias, table, writes
from infra.serving import BY_SKOPS, PREDICT
from infra.state_machine import StateMachine
from tidemill import names
from tidemill.serving.forms import ONNX, SKOPS

FUNCTIONS = (
    Work(
        "register_model", ("core",), memory=1024, seconds=120,
        may=(*reads("runs", "models"), *writes("models"), *table()),
    ),
    Work(
        "publish_version", ("core",), memory=1024, seconds=300,
        may=(
            *reads("models", versions=True), *reads("releases"), *writes("releases"), *table(),
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
        names.ENV_MODEL_ROOM: json.dumps(room, sort_keys=True),
        names.ENV_ENDPOINT_LAYERS: json.dumps(own, sort_keys=True),
    }


class Release(Construct):
    """Registers and publishes models, and moves traffic to them."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings) -> None:
        super().__init__(scope, construct_id)
        self.functions = [
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
        self.machine = StateMachine(
            self, "ReleaseMachine", word="release", stage=around.stage, functions=self.functions
        )

"""The guards' alarms, as a release makes them, over functions that fail in each way that they are to hear of."""

import json
from pathlib import Path

import pytest

from tests.local.conftest import ROLE
from tidemill.adapters.guards import CloudWatchGuards
from tidemill.ports import Watch
from tidemill.release import guard_names

LIBRARY = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
FEWEST = 5
SOUND = """
def handler(event, context):
    return {"statusCode": 200, "version": context.function_version}
"""
BAD = {
    "it raises": ("errors", "def handler(event, context):\n    raise RuntimeError('as asked')\n"),
    "it ends": ("errors", "import os\ndef handler(event, context):\n    os._exit(1)\n"),
    "it does not start": ("errors", "raise ImportError('a module is missing')\n"),
    "it answers 503": (
        "errors",
        f"""
import os, sys
sys.path.insert(0, {str(LIBRARY)!r})
from datetime import UTC, datetime
from tidemill.errors import ArtifactCorrupt
from tidemill.serving.endpoint import respond
def model():
    raise ArtifactCorrupt("as asked")
STAGE = os.environ["AWS_LAMBDA_FUNCTION_NAME"].removeprefix("tidemill-").removesuffix("-tides-predict")
def handler(event, context):
    return respond({{"requestContext": {{}}}}, model=model, request_id=context.aws_request_id, write=print,
                   variant=os.environ["AWS_LAMBDA_FUNCTION_VERSION"], at=datetime.now(UTC), project="tides",
                   stage=STAGE)
""",
    ),
    "it is slow": ("latency", "import time\ndef handler(event, context):\n    time.sleep(0.3)\n"),
}


@pytest.fixture
def endpoint(client, archive, unique):
    """Make the endpoint of project `tides` in a stage of this test: version 1, and 2 with half of the traffic."""
    name, lambda_ = f"tidemill-{unique}-tides-predict", client("lambda")

    def make(champion: str, challenger: str) -> str:
        lambda_.create_function(
            FunctionName=name, Runtime="python3.13", Handler="index.handler", Role=ROLE, Timeout=20,
            Code={"ZipFile": archive({"index.py": champion})}, Publish=True,
        )  # fmt: skip
        lambda_.update_function_code(
            FunctionName=name, ZipFile=archive({"index.py": challenger}), Publish=True
        )  # fmt: skip
        routing = {"AdditionalVersionWeights": {"2": 0.5}}
        lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=routing)
        return name

    yield make
    lambda_.delete_function(FunctionName=name)


@pytest.fixture
def guards(client, unique):
    watching = CloudWatchGuards(client("cloudwatch"), stage=unique)
    yield watching
    watching.clear("tides")


@pytest.fixture
def ask(client):
    """Invoke the alias until version 2 has answered, or failed, so many times."""

    def until(name: str, times: int) -> None:
        executed = 0
        while executed < times:
            answer = client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=json.dumps({}))
            executed += answer["ExecutedVersion"] == "2"

    return until


@pytest.fixture
def states(client, unique):
    def read() -> dict[str, str]:
        found = client("cloudwatch").describe_alarms(AlarmNamePrefix=f"tidemill-{unique}-guard-")["MetricAlarms"]
        return {alarm["AlarmName"].split("-guard-")[1].split("-")[0]: alarm["StateValue"] for alarm in found}

    return read


WATCH = Watch("tides-v00002", "2", errors=0.05, p95_ms=100_000, min_requests=FEWEST)


@pytest.mark.parametrize("kind", BAD)
def test_an_alarm_goes_off_for_a_challenger_that_is_bad(kind, endpoint, guards, ask, states, eventually):
    hears, source = BAD[kind]
    name = endpoint(SOUND, source)
    limit = 100 if hears == "latency" else 100_000
    guards.set("tides", Watch("tides-v00002", "2", errors=0.05, p95_ms=limit, min_requests=FEWEST))
    ask(name, FEWEST)
    other = {"errors": "latency", "latency": "errors"}[hears]
    assert eventually(lambda: states()[hears] == "ALARM", 60), states()
    assert states()[other] != "ALARM"


def test_no_alarm_goes_off_for_the_champion_s_faults_or_for_few_requests(
    endpoint, guards, ask, states, eventually, client, unique
):
    name = endpoint(BAD["it raises"][1], SOUND)
    guards.set("tides", WATCH)
    ask(name, 2 * FEWEST)
    assert eventually(lambda: set(states().values()) == {"OK"}, 60), states()
    # The alarms were looked at since: another version's errors are heard of by the alarm that watches it.
    guards.set("tides", Watch("tides-v00002", "1", errors=0.05, p95_ms=None, min_requests=1))
    assert eventually(lambda: states() == {"errors": "ALARM"}, 60), states()
    guards.set("tides", Watch("tides-v00002", "1", errors=0.05, p95_ms=None, min_requests=10_000))
    assert eventually(lambda: states() == {"errors": "OK"}, 60), states()
    assert set(guard_names.KINDS) > set(states())

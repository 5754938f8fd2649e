"""The serving stage: the API's own function, the delivery of captured predictions, uploads of outcomes, the
endpoints' function, and batch scoring with its machine."""

from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import reads, table, table_reads, tokens, writes
from infra.http_api import HttpApi
from infra.outcomes import OutcomeUploads
from infra.state_machine import StateMachine
from tidemill.serving import routes

SERVE_API = Work(
    "serve_api",
    ("core",),
    memory=512,
    seconds=30,
    may=(*writes("outcomes"), *reads("models"), *table_reads()),
)
DELIVER_CAPTURE = Work(
    "deliver_capture", ("core",), memory=512, seconds=60, may=writes("captured", "quarantine"), asynchronous=True
)
# On stages whose API asks for tokens. API Gateway waits 10 s for it.
AUTHORIZE_REQUEST = Work("authorize_request", ("core",), memory=512, seconds=10, may=tokens())
# One per project, made by infra/endpoint.py. It answers from its model layer alone and may do nothing, unless the
# project file says otherwise (infra/endpoint_work.py).
PREDICT = Work("predict", ("core", "serve"), memory=1024, seconds=30)

# A version that serves a model in its training form has these instead. plan_trials has the same, so that they fit.
BY_SKOPS = ("core", "numeric", "ml")

_SCORED = reads("incoming", "unscored", versions=True)
"""Where the files lie that can be scored; each is read as the version that was asked for."""

# Batch scoring. `serve` brings its own numpy, so that `numeric` is left out: the three fit, with 9 MB to spare.
SCORING = (
    Work(
        "plan_scoring", ("core", "numeric", "arrow"), memory=2048, seconds=900,
        may=(*_SCORED, *reads("models", "scores"), *writes("scores")),
    ),
    Work(
        "score_part", ("core", "serve", "arrow"), memory=2048, seconds=900,
        may=(*_SCORED, *reads("models", "scores"), *writes("scores")),
    ),
    Work(
        "close_scoring", ("core",), memory=512, seconds=900,
        may=(*reads("scores"), *writes("scores"), *table()),
    ),
)  # fmt: skip


class Serving(Construct):
    """What all endpoints share, and batch scoring. Outcomes are uploaded to `bucket`."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings, bucket: str) -> None:
        super().__init__(scope, construct_id)
        self.serve_api = Function(self, "ServeApi", work=SERVE_API, word="serving", around=around)
        self.deliver_capture = Function(
            self, "DeliverCapture", work=DELIVER_CAPTURE, word="serving", around=around
        )
        self.authorize_request = self._authorize_request(around)
        scoring = [Function(self, work.construct_id, work=work, word="serving", around=around) for work in SCORING]
        outcomes = OutcomeUploads(self, "OutcomeUploads", around=around, bucket=bucket)
        self.functions = [self.serve_api, self.deliver_capture, outcomes.function, *scoring]
        if self.authorize_request is not None:
            self.functions.append(self.authorize_request)
        self.machine = StateMachine(self, "ServingMachine", word="serving", stage=around.stage, functions=scoring)

    def _authorize_request(self, around: Surroundings) -> Function | None:
        if around.stage.auth != "token":
            return None
        return Function(self, "AuthorizeRequest", work=AUTHORIZE_REQUEST, word="serving", around=around)

    def answer(self, api: HttpApi) -> None:
        """Take the routes that are not an endpoint's. API Gateway prefers an endpoint's own, more specific
        route."""
        api.route(
            "POST /projects/{project}/predict",
            "POST /projects/{project}/outcomes",
            "GET /projects/{project}",
            "GET /projects/{project}/openapi.json",
            routes.OPEN,
            scope=self.serve_api,
            function_arn=self.serve_api.arn,
        )

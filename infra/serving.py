"""The serving stage: the API's own function, the delivery of captured predictions, and the endpoints' function."""

from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import reads, table_reads, writes
from infra.http_api import HttpApi

SERVE_API = Work(
    "serve_api",
    ("core",),
    memory=512,
    seconds=30,
    may=(*writes("outcomes"), *reads("models"), *table_reads()),
)
DELIVER_CAPTURE = Work(
    "deliver_capture", ("core",), memory=512, seconds=60, may=writes("captured"), asynchronous=True
)
# One per project, made by infra/endpoint.py. It answers from its model layer alone and may do nothing.
PREDICT = Work("predict", ("core", "serve"), memory=1024, seconds=30)


class Serving(Construct):
    """What all endpoints share."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings) -> None:
        super().__init__(scope, construct_id)
        self.serve_api = Function(self, "ServeApi", work=SERVE_API, word="serving", around=around)
        self.deliver_capture = Function(
            self, "DeliverCapture", work=DELIVER_CAPTURE, word="serving", around=around
        )
        self.functions = [self.serve_api, self.deliver_capture]

    def answer(self, api: HttpApi) -> None:
        """Take the routes that are not an endpoint's. API Gateway prefers an endpoint's own, more specific
        route."""
        api.route(
            "POST /projects/{project}/predict",
            "POST /projects/{project}/outcomes",
            "GET /projects/{project}",
            "GET /projects/{project}/openapi.json",
            public=("GET /health",),
            scope=self.serve_api,
            function_arn=self.serve_api.arn,
        )

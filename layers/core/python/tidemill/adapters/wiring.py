"""The AWS adapters of this function, made once per process and at first use. Only handlers call this."""

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tidemill.adapters.callbacks import StepFunctionsCallbacks, TopicNotices
from tidemill.adapters.endpoints import LambdaEndpoints
from tidemill.adapters.guards import CloudWatchGuards
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.objects import S3Objects
from tidemill.adapters.workflows import StepFunctionsWorkflows
from tidemill.settings import settings

if TYPE_CHECKING:
    from tidemill.training.studies.storage import StudyStorage

_RETRIES = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=60)


@cache
def client(service: str) -> Any:
    """A boto3 client with bounded retries."""
    return boto3.client(service, config=_RETRIES)


def auth() -> str:
    """Who may call the API: `iam`, `jwt` or `token`."""
    return settings().auth


@lru_cache(maxsize=1)
def objects() -> S3Objects:
    return S3Objects(client("s3"), settings().bucket)


@lru_cache(maxsize=1)
def index() -> DynamoIndex:
    return DynamoIndex(client("dynamodb"), settings().table)


@lru_cache(maxsize=1)
def workflows() -> StepFunctionsWorkflows:
    return StepFunctionsWorkflows(client("stepfunctions"), settings().machines)


@lru_cache(maxsize=1)
def callbacks() -> StepFunctionsCallbacks:
    return StepFunctionsCallbacks(client("stepfunctions"))


@lru_cache(maxsize=1)
def notices() -> TopicNotices:
    return TopicNotices(client("sns"), settings().topic or "")


@lru_cache(maxsize=1)
def endpoints() -> LambdaEndpoints:
    found = settings()
    layers = found.endpoint_layers
    return LambdaEndpoints(client("lambda"), stage=found.stage, bucket=found.bucket, layers=layers)


@lru_cache(maxsize=1)
def guards() -> CloudWatchGuards:
    return CloudWatchGuards(client("cloudwatch"), stage=settings().stage, topic=settings().topic)


@cache
def studies(project: str) -> "StudyStorage":
    """The studies of a project; only functions with the layer `ml` can ask for them."""
    from tidemill.training.studies.storage import StudyStorage

    return StudyStorage(lambda: (index(), objects()), project)

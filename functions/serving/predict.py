"""The endpoint of one project: answers `POST /projects/<name>/predict` through its alias `live`.

Calls nothing and may call nothing: the model travels in a layer of its version. (A model that no layer holds is
read from the bucket, once, if the project says so.) Writes capture lines and metrics to its log. The imports are
the cold start, so there is no framework here.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from tidemill import env_names
from tidemill.errors import TidemillError
from tidemill.serving.endpoint import respond
from tidemill.serving.model import load_served

PROJECT = os.environ.get(env_names.ENV_PROJECT)


def _bucket() -> Any:
    """For a model that its layer only points to. No other endpoint imports boto3."""
    from tidemill.adapters.model_bucket import model_bucket

    return model_bucket()


_model = lru_cache(maxsize=1)(partial(load_served, project=PROJECT, bucket=_bucket))
with suppress(TidemillError):
    # While Lambda initializes it grants a whole processor; the first request finds the model loaded. What is wrong
    # with the model, if anything, each request is told.
    _model()


def handler(event: Any, context: Any) -> Any:
    return respond(
        event,
        model=_model,
        request_id=context.aws_request_id,
        variant=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        at=datetime.now(UTC),
        write=print,
        project=PROJECT,
        stage=os.environ.get(env_names.ENV_STAGE),
    )

"""The bucket as an endpoint sees it whose model is too large for a layer. Imported by those endpoints alone: boto3
is most of what it costs them to start.

Calls made, for the grants beside the wiring: GetObject of one object version below the project's models.
"""

import os
from collections.abc import Iterator

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tidemill import env_names
from tidemill.adapters.objects import S3Objects
from tidemill.errors import ModelUnreachable

_RETRIES = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=20)


class ModelBucket(S3Objects):
    """An ObjectStore whose streams tell what kept them from their end as ModelUnreachable."""

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        try:
            yield from super().chunks(key, version_id=version_id, start=start, end=end)
        except (ClientError, BotoCoreError, OSError) as error:
            raise ModelUnreachable(
                f"{key} cannot be read ({error}); ask again, and if it stays so, see that `serving.storage` of the"
                " deployed project file is `auto` or `bucket`"
            ) from error


def model_bucket() -> ModelBucket:
    """The bucket of this function's deployment. Raises ModelUnreachable if it was deployed without one."""
    bucket = os.environ.get(env_names.ENV_BUCKET)
    if not bucket:
        raise ModelUnreachable(
            "the model is in the bucket, and this endpoint was deployed to read none; set `serving.storage: auto`,"
            " deploy, and release the model again"
        )
    return ModelBucket(boto3.client("s3", config=_RETRIES), bucket)

"""Settings of the functions, parsed once from the environment at first use, never at import."""

import json
import os
from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from tidemill import env_names, token_names


class Settings(BaseModel):
    """What a function knows of its deployment."""

    model_config = ConfigDict(frozen=True)

    stage: str
    bucket: str
    table: str
    machines: Mapping[str, str] = {}
    look_seconds: float | None = None
    cool_down_seconds: float | None = None
    split_bytes: int | None = None
    model_room: Mapping[str, int] = {}
    endpoint_layers: Mapping[str, tuple[str, ...]] = {}
    rehearsal: bool = False
    self_approval: bool = False
    topic: str | None = None
    training_image: str | None = None
    training_role: str | None = None
    auth: str = "iam"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises KeyError naming the variable that is missing."""
    return Settings(
        stage=environment[env_names.ENV_STAGE],
        bucket=environment[env_names.ENV_BUCKET],
        table=environment[env_names.ENV_TABLE],
        machines=json.loads(environment.get(env_names.ENV_MACHINES) or "{}"),
        look_seconds=environment.get(env_names.ENV_LOOK_SECONDS) or None,
        cool_down_seconds=environment.get(env_names.ENV_COOL_DOWN_SECONDS) or None,
        split_bytes=environment.get(env_names.ENV_SPLIT_BYTES) or None,
        model_room=json.loads(environment.get(env_names.ENV_MODEL_ROOM) or "{}"),
        endpoint_layers=json.loads(environment.get(env_names.ENV_ENDPOINT_LAYERS) or "{}"),
        rehearsal=environment.get(env_names.ENV_REHEARSAL) == "true",
        self_approval=environment.get(env_names.ENV_SELF_APPROVAL) == "true",
        topic=environment.get(env_names.ENV_TOPIC) or None,
        training_image=environment.get(env_names.ENV_TRAINING_IMAGE) or None,
        training_role=environment.get(env_names.ENV_TRAINING_ROLE) or None,
        auth=environment.get(token_names.ENV_AUTH) or "iam",
    )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """This function's settings."""
    return from_environment(os.environ)

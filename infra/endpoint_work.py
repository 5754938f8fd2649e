"""What a project's inference function is given and may do, by `serving` of its project file.

By default it has its model in a layer and may do nothing. A project whose models may be in the bucket has a
function that reads the versions of its own model files, and has longer for its first answer: API Gateway gives up
after 30 seconds, the function goes on, and who asks again finds the model loaded.
"""

from dataclasses import replace

from infra.function import Surroundings, Work
from infra.grants import reads_models_of
from infra.serving import PREDICT
from tidemill import env_names
from tidemill.projects import Project

SECONDS_TO_FETCH = 120


def endpoint_work(project: Project) -> Work:
    """`PREDICT` for that project."""
    serving = project.serving
    given = replace(PREDICT, memory=serving.memory_mb, temporary_mb=serving.temporary_storage_mb)
    if not serving.reads_bucket:
        return given
    return replace(given, seconds=SECONDS_TO_FETCH, may=(*PREDICT.may, *reads_models_of(project.name)))


def endpoint_environment(project: Project, around: Surroundings) -> dict[str, str]:
    """What the function knows of its deployment."""
    # Less than one processor: threads for linear algebra would only cost their start, at each cold start.
    known = {"OPENBLAS_NUM_THREADS": "1", env_names.ENV_PROJECT: project.name}
    if project.serving.reads_bucket:
        known[env_names.ENV_BUCKET] = around.environment[env_names.ENV_BUCKET]
    return known

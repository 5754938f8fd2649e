"""The image of a training job on the embedded cloud, where there is no Docker: a module in Lambda layers.

`<module>@<layer version ARN>[,<layer version ARN>…]` stands for an image whose entry point is
`python -m <module>` and which holds what the layers hold. Pinned by the layers' versions, as an image is by its
digest.
"""

from dataclasses import dataclass
from typing import Any

from ministack.services import lambda_svc

from local.extensions.sagemaker.shapes import Refused
from local.runtime.bootstrap import search_path
from local.runtime.environment import unpack

PYTHON = ("python", "python3")


@dataclass(frozen=True)
class Program:
    """What is run: a module with its arguments, and the folders it imports from."""

    module: str
    arguments: tuple[str, ...]
    folders: tuple[str, ...]


def program(algorithm: dict[str, Any]) -> Program:
    """The program of an AlgorithmSpecification. Raises Refused when this cloud cannot run it."""
    image = algorithm.get("TrainingImage", "")
    module, _, listed = image.partition("@")
    layers = listed.split(",") if listed else []
    contents = [lambda_svc._resolve_layer_zip(layer) for layer in layers]
    if not module or not layers or not all(contents):
        raise Refused(
            "ValidationException",
            f"The embedded cloud has no image {image!r}: it runs `<module>@<layer version ARN>[,…]`, "
            "where every layer version exists",
        )
    arguments = tuple(algorithm.get("ContainerArguments") or ())
    if entry := algorithm.get("ContainerEntrypoint"):
        if entry[0].rpartition("/")[2] not in PYTHON or entry[1:2] != ["-m"] or len(entry) < 3:
            raise Refused(
                "ValidationException",
                f"The embedded cloud runs entry points of the form ['python', '-m', <module>, …], not {entry}",
            )
        module, arguments = entry[2], (*entry[3:], *arguments)
    else:
        arguments = ("train", *arguments)  # SageMaker runs `docker run <image> train`
    unpacked = [unpack(content) for content in contents if content]
    return Program(module, arguments, tuple(search_path(unpacked[-1], unpacked)))

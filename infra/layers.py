"""The Lambda layers of a deployment, and the guard on their size."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import layer_build
from infra.stages import Stage

FUNCTIONS = layer_build.ROOT / "functions"
HANDLERS = 1 << 20
"""Bytes that are kept free for a stage's handlers: more than they have, and the same on every machine."""
Build = Callable[..., Path]


class LayerTooLarge(Exception):
    """A function and its layers are over Lambda's limit."""


class Layers(Construct):
    """The layers, each built once. A stage without third-party layers has the core layer alone."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        projects: Mapping[str, Mapping[str, Any]],
        build: Build = layer_build.third_party,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        architecture = stage.architecture if stage.third_party_layers else None
        self._folders = {"core": layer_build.core(projects, architecture=architecture, build=build)}
        if architecture:
            for name in layer_build.BENEATH.keys() - {"core"}:
                self._folders[name] = build(name, architecture=architecture)
        self._bytes = {name: layer_build.size(folder) for name, folder in self._folders.items()}
        self._versions = {name: self._version(name) for name in self._folders}

    def _version(self, name: str) -> lambda_.LayerVersion:
        folder = self._folders[name]
        return lambda_.LayerVersion(
            self,
            name.capitalize(),
            layer_version_name=f"tidemill-{self._stage.name}-{name}",
            # The folder's name is the digest of all it was made from: no need to read hundreds of megabytes again.
            code=lambda_.Code.from_asset(
                str(folder), asset_hash=folder.name, asset_hash_type=AssetHashType.CUSTOM
            ),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            compatible_architectures=[architecture(self._stage)],
        )

    def arn(self, name: str) -> str:
        """The ARN of the version of that layer."""
        return self._versions[name].layer_version_arn

    def of(self, function: str, names: Iterable[str], *, code: Path) -> list[lambda_.LayerVersion]:
        """The layers of a function. Raises LayerTooLarge when they and its code exceed the limit."""
        present = [name for name in names if name in self._versions]
        check_size(function, {"code": layer_build.size(code), **{name: self._bytes[name] for name in present}})
        return [self._versions[name] for name in present]

    def arns(self, names: Iterable[str]) -> list[str]:
        """The ARNs of those of these layers that the stage has."""
        return [self.arn(name) for name in names if name in self._versions]

    def room(self, names: Iterable[str]) -> int:
        """The bytes that one layer more may have, beside these and the handlers."""
        return layer_build.LIMIT - HANDLERS - sum(self._bytes[name] for name in names if name in self._bytes)


def check_size(function: str, sizes: Mapping[str, int]) -> None:
    """Raises LayerTooLarge, with the numbers, when the parts of a function exceed Lambda's limit."""
    total = sum(sizes.values())
    if total > layer_build.LIMIT:
        parts = " + ".join(f"{part} {size:,}" for part, size in sizes.items())
        raise LayerTooLarge(
            f"{function}: {parts} = {total:,} bytes unzipped, {total - layer_build.LIMIT:,} over Lambda's limit of"
            f" {layer_build.LIMIT:,}; drop a package from layers/*/requirements.in or a layer from the function"
        )


def architecture(stage: Stage) -> lambda_.Architecture:
    """The processor that the functions run on."""
    return lambda_.Architecture.ARM_64 if stage.architecture == "arm64" else lambda_.Architecture.X86_64

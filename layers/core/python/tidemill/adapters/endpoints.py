"""The inference functions on Lambda: one per project, its model a layer, its traffic the alias `live`.

Calls made, for the grants beside the wiring: publish: ListVersionsByFunction, ListLayerVersions,
PublishLayerVersion, GetLayerVersion, GetFunctionConfiguration, UpdateFunctionConfiguration, PublishVersion (and
s3:GetObject on the bundle); ask: Invoke on a version; alias: GetAlias; move_alias: GetAlias, UpdateAlias.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from tidemill import names
from tidemill.errors import ConflictError, StaleEpoch
from tidemill.ports import Alias
from tidemill.serving.forms import ONNX

_LOST = {"PreconditionFailedException", "ResourceConflictException"}
_EPOCH = re.compile(r"^epoch (\d+)$")


class LambdaEndpoints:
    """An Endpoints. Bundles lie in `bucket`; the wait for an update asks every `poll_seconds`, for two minutes.
    `layers` are those in which the forms of models differ, by the form: ARNs of layer versions."""

    def __init__(
        self,
        client: Any,
        *,
        stage: str,
        bucket: str,
        poll_seconds: float = 1,
        layers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._client = client
        self._stage = stage
        self._bucket = bucket
        self._forms = {form: list(arns) for form, arns in (layers or {}).items()}
        self._wait = {"Delay": poll_seconds, "MaxAttempts": 120}

    def publish(self, project: str, *, bundle_key: str, model_version: int, identity: str, kind: str = "") -> str:
        # The description is how a later call finds what an earlier one, killed on the way, has already made.
        description = f"model v{model_version:05d} {identity} {kind}".rstrip()
        function = names.endpoint_function(self._stage, project)
        for version in self._versions(function):
            if version.get("Description") == description:
                return self._active(function, version["Version"])
        layer = self._layer(project, bundle_key, description)
        own = self._forms.get(next(iter(kind.split()), ""), self._forms.get(ONNX, []))
        revision = self._attach(project, function, [*own, layer])
        with _conflicts(function):
            published = self._client.publish_version(
                FunctionName=function, Description=description, RevisionId=revision
            )
        return self._active(function, published["Version"])

    def ask(self, project: str, *, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # The version within the name: so the embedded cloud, too, asks for the right to this version alone.
        qualified = f"{names.endpoint_function(self._stage, project)}:{version}"
        answer = self._client.invoke(FunctionName=qualified, Payload=json.dumps({names.SHADOW: body}))
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        return {"error": "FunctionError", **told} if "FunctionError" in answer else told

    def alias(self, project: str) -> Alias:
        answer = self._client.get_alias(
            FunctionName=names.endpoint_function(self._stage, project), Name=names.LIVE_ALIAS
        )
        epoch = _EPOCH.match(answer.get("Description", ""))
        return Alias(
            version=answer["FunctionVersion"],
            weights=answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}),
            revision=answer["RevisionId"],
            epoch=int(epoch[1]) if epoch else 0,
        )

    def move_alias(self, project: str, *, version: str, weights: Mapping[str, float], epoch: int) -> None:
        current = self.alias(project)
        if current.epoch > epoch:
            raise StaleEpoch(f"alias live of {project!r} is at epoch {current.epoch}, not {epoch}; read it again")
        if current.epoch == epoch:
            return
        function = names.endpoint_function(self._stage, project)
        with _conflicts(function):
            self._client.update_alias(
                FunctionName=function,
                Name=names.LIVE_ALIAS,
                FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": dict(weights)},
                Description=f"epoch {epoch}",
                RevisionId=current.revision,
            )

    def _versions(self, function: str) -> Iterator[Mapping[str, Any]]:
        for page in self._client.get_paginator("list_versions_by_function").paginate(FunctionName=function):
            yield from page["Versions"]

    def _layer(self, project: str, bundle_key: str, description: str) -> str:
        """The ARN of the layer version with that bundle, published now unless it was before."""
        layer = names.model_layer(self._stage, project)
        for page in self._client.get_paginator("list_layer_versions").paginate(LayerName=layer):
            for version in page["LayerVersions"]:
                if version.get("Description") == description:
                    return str(version["LayerVersionArn"])
        content = {"S3Bucket": self._bucket, "S3Key": bundle_key}
        answer = self._client.publish_layer_version(LayerName=layer, Description=description, Content=content)
        return str(answer["LayerVersionArn"])

    def _attach(self, project: str, function: str, layers: Sequence[str]) -> str:
        """Give the function these layers in the place of its model's and of those of any form, and tell the
        revision of the function that has them.

        A deployment may change the other layers, and another release may attach its own model in between: what is
        published is only ever the revision that was seen with these layers.
        """
        config = self._client.get_function_configuration(FunctionName=function)
        kept = [arn for arn in _layers(config) if not self._is_model(project, arn) and not self._is_of_form(arn)]
        wanted = [*kept, *layers]
        if _layers(config) != wanted:
            with _conflicts(function):
                self._client.update_function_configuration(
                    FunctionName=function, Layers=wanted, RevisionId=config["RevisionId"]
                )
        self._client.get_waiter("function_updated").wait(FunctionName=function, WaiterConfig=self._wait)
        config = self._client.get_function_configuration(FunctionName=function)
        if _layers(config) != wanted:
            raise ConflictError(f"the layers of {function} were changed by someone else; try again")
        return str(config["RevisionId"])

    def _is_model(self, project: str, arn: str) -> bool:
        return f":layer:{names.model_layer(self._stage, project)}:" in arn

    def _is_of_form(self, arn: str) -> bool:
        """Whether it is a version, any, of a layer that some forms need and others do not."""
        return _unversioned(arn) in {_unversioned(each) for arns in self._forms.values() for each in arns}

    def _active(self, function: str, version: str) -> str:
        """The version, once an alias may point to it."""
        self._client.get_waiter("published_version_active").wait(
            FunctionName=function, Qualifier=version, WaiterConfig=self._wait
        )
        return version


def _unversioned(arn: str) -> str:
    return arn.rpartition(":")[0]


def _layers(config: Mapping[str, Any]) -> Sequence[str]:
    return [layer["Arn"] for layer in config.get("Layers", ())]


@contextmanager
def _conflicts(function: str) -> Iterator[None]:
    """A lost race for the function or the alias is a ConflictError."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _LOST:
            raise ConflictError(f"{function} was changed by someone else meanwhile; try again") from error
        raise

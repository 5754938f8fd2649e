"""The CDK app. Chooses the arguments; `infra/` does the rest.

cdk deploy --all -c stage=local|dev|prod [-c alarm_email=…] [-c architecture=arm64] [-c training_image=…]
           [-c nag=true]

The projects are those of `projects/`, or of the folder that TIDEMILL_PROJECTS names.
"""

import dataclasses
import json
import os
import sys
from typing import Any

from infra.assembly import assemble
from infra.definitions import DefinitionInvalid
from infra.layer_build import PLATFORMS, LayerBuildFailed
from infra.layers import LayerTooLarge
from infra.project_files import folder, read
from infra.stages import STAGES, Stage
from tidemill.errors import ProjectInvalid

CHOOSABLE = ("alarm_email", "architecture", "training_image")


def chosen(context: dict[str, Any]) -> Stage:
    """The stage of the context, with the settings that a context may change."""
    name = context.get("stage", "dev")
    if name not in STAGES:
        sys.exit(f"-c stage={name}: there is no such stage; choose one of {', '.join(STAGES)}")
    changes = {key: context[key] for key in CHOOSABLE if key in context}
    if changes.get("architecture", "x86_64") not in PLATFORMS:
        sys.exit(f"-c architecture={changes['architecture']}: choose one of {', '.join(PLATFORMS)}")
    return dataclasses.replace(STAGES[name], **changes)


def main() -> None:
    context = json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))
    try:
        app = assemble(chosen(context), read(folder()), nag=context.get("nag") == "true")
    except (ProjectInvalid, DefinitionInvalid, LayerBuildFailed, LayerTooLarge) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    app.synth()


if __name__ == "__main__":
    main()

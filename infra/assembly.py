"""Puts the app together: both stacks, the guards, the idle cost as an output. `app.py` and the tests call it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, CfnResource, Stack, Validations

from infra import idle_cost, layer_build
from infra.platform_stack import PlatformStack
from infra.stages import Stage
from infra.state_stack import StateStack
from tidemill.projects import Project


def assemble(
    stage: Stage,
    projects: Mapping[str, Project],
    *,
    nag: bool = False,
    build_layer: Callable[..., Path] = layer_build.third_party,
    **app: Any,
) -> App:
    """The app of a stage; what is left in `app` goes to `aws_cdk.App`. Raises LayerTooLarge, LayerBuildFailed,
    DefinitionInvalid."""
    root = App(analytics_reporting=False, tree_metadata=False, **app)
    state = StateStack(root, f"Tidemill-{stage.name}-State", stage=stage)
    platform = PlatformStack(
        root, f"Tidemill-{stage.name}", stage=stage, state=state, projects=projects, build_layer=build_layer
    )
    _price(platform, state)
    Validations.of(root).add_plugins(idle_cost.IdleCostGuard(limit=stage.idle_usd_limit))
    if nag:
        from infra.nag import check  # its rule packs take seconds to load

        check(root)
    return root


def _price(platform: Stack, *others: Stack) -> None:
    types = [
        node.cfn_resource_type
        for stack in (platform, *others)
        for node in stack.node.find_all()
        if isinstance(node, CfnResource)
    ]
    CfnOutput(platform, "IdleCost", value=idle_cost.summary(types))
    sys.stderr.write(f"Tidemill: {idle_cost.summary(types)}\n")

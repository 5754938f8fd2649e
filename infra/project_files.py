"""Reads `projects/*.yaml` at synth. A file that is not valid fails synth with its name and every fault in it."""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from tidemill.errors import ProjectInvalid
from tidemill.projects import Project, parse

FOLDER = Path(__file__).resolve().parent.parent / "projects"
ENV_FOLDER = "TIDEMILL_PROJECTS"


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the project files are: `projects/` of the checkout, or the folder that TIDEMILL_PROJECTS names. Raises
    ProjectInvalid if there is no such folder."""
    found = Path(environment.get(ENV_FOLDER) or FOLDER)
    if not found.is_dir():
        raise ProjectInvalid(f"{ENV_FOLDER} is {found}, and there is no such folder; name one of project files")
    return found


def read(folder: Path) -> dict[str, Project]:
    """Name → project, in the order of the names. Raises ProjectInvalid."""
    return {path.stem: _read_one(path) for path in sorted(folder.glob("*.yaml"))}


def _read_one(path: Path) -> Project:
    try:
        project = parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ProjectInvalid) as error:
        raise ProjectInvalid(f"{path}: {error}") from error
    if project.name != path.stem:
        raise ProjectInvalid(f"{path}: its name is {project.name!r}; name the file {project.name}.yaml")
    return project

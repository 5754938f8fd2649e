"""Reads `projects/*.yaml`, and `projects/<name>/recipe.py` where a project has its own recipe. At synth, a file
that is not valid fails it with its name and every fault in it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return {path.stem: read_one(path) for path in sorted(folder.glob("*.yaml"))}


def read_one(path: Path) -> Project:
    """The project of that file, with its own recipe if there is a `<name>/recipe.py` beside it. Raises
    ProjectInvalid."""
    try:
        project = parse(_with_own_recipe(yaml.safe_load(path.read_text(encoding="utf-8")), path))
    except (yaml.YAMLError, UnicodeDecodeError, ProjectInvalid) as error:
        raise ProjectInvalid(f"{path}: {error}") from error
    if project.name != path.stem:
        raise ProjectInvalid(f"{path}: its name is {project.name!r}; name the file {project.name}.yaml")
    return project


def _with_own_recipe(document: Any, path: Path) -> Any:
    code = path.with_suffix("") / "recipe.py"
    recipe = document.get("recipe", {}) if isinstance(document, dict) else None
    if not isinstance(recipe, dict):
        return document  # whose faults are told when it is parsed
    if "own" in recipe:
        raise ProjectInvalid(f"recipe.own is read from a file; put it into {code}")
    if not code.is_file():
        return document
    text = code.read_text(encoding="utf-8")
    try:
        compile(text, str(code), "exec")
    except SyntaxError as error:
        raise ProjectInvalid(f"{code}, line {error.lineno}: {error.msg}") from error
    return {**document, "recipe": {**recipe, "own": text}}

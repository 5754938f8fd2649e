"""The checkout's project files: what the CLI needs of them to read a CSV as instances."""

from pathlib import Path

import yaml

from cli.errors import NotFound
from local.cloud import ROOT
from tidemill.projects import Project, parse

FOLDER = ROOT / "projects"


def read_project(name: str, folder: Path = FOLDER) -> Project:
    """The project of `projects/<name>.yaml`. Raises NotFound, ProjectInvalid."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise NotFound(
            f"there is no {path}; send JSON instead of CSV, or run this in the checkout that has the project"
        )
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))

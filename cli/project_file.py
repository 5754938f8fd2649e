"""The checkout's project files: what the CLI needs of them to read a CSV as instances."""

from pathlib import Path

from cli.errors import NotFound
from infra.project_files import folder, read_one
from tidemill.projects import Project


def read_project(name: str, within: Path | None = None) -> Project:
    """The project of `<name>.yaml` in that folder, `projects/` by default. Raises NotFound, ProjectInvalid."""
    path = (within or folder()) / f"{name}.yaml"
    if not path.is_file():
        raise NotFound(
            f"there is no {path}; send JSON instead of CSV, or run this in the checkout that has the project"
        )
    return read_one(path)

"""The features of a project as the documents of its models carry them."""

from typing import Any

from tidemill.projects.data import Kind
from tidemill.projects.project import Project


def described(project: Project) -> list[dict[str, Any]]:
    """The features in their order, each `{name, type, nullable, minimum?, maximum?, allowed?, parts?}`; `parts`
    has what the model is told of a time."""
    parts = {"parts": list(project.recipe.dates)}
    return [
        {
            "name": name,
            **column.model_dump(mode="json", exclude_none=True),
            **(parts if column.type is Kind.TIMESTAMP else {}),
        }
        for name, column in project.feature_columns().items()
    ]

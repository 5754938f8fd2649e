"""Whether a model of a project's own recipe can be saved as data and served. RunTrial asks at once.

Known only then: a converter may lack one parameter of an estimator. The final fit would find it after the whole
search.
"""

from typing import Any

from tidemill import canonical
from tidemill.errors import ProjectInvalid
from tidemill.projects import Project
from tidemill.training import artifacts, served_form
from tidemill.training.calibration import Model
from tidemill.training.prepare import Arrays

ROWS = 20


def check(model: Model, rows: Arrays, project: Project) -> None:
    """Raises ProjectInvalid if the model cannot be saved and loaded, or its served form cannot be made or asked
    about some of the `rows`. Whether it answers alike is for the gate `parity`."""
    some = {name: array[:ROWS] for name, array in rows.items()}
    try:
        saved = artifacts.save(model)
        artifacts.load(saved, canonical.sha256(saved), artifacts.extras(saved))
        answers: Any = served_form.predict(served_form.convert(model, project), some, project)
    except ProjectInvalid:
        raise
    except Exception as error:  # of estimators and converters that we do not know
        raise ProjectInvalid(
            f"a model of projects/{project.name}/recipe.py cannot be served ({type(error).__name__}: {error});"
            " build it of estimators and transformers that skl2onnx converts"
        ) from error
    rows_of = len(some[project.target])
    if answers.shape != ((rows_of, len(project.classes)) if project.classes else (rows_of,)):
        raise ProjectInvalid(
            f"projects/{project.name}/recipe.py: its served form gives {answers.shape} for {rows_of} rows; let the"
            f" last step be a {'classifier' if project.task == 'classification' else 'regressor'}"
        )

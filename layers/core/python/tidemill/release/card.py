"""The model card: a model version, for people (after Mitchell et al., "Model Cards for Model Reporting", 2019)."""

from collections.abc import Mapping
from typing import Any

from tidemill.projects import Project
from tidemill.release import card_evidence
from tidemill.release.markdown import number, table

GATES = ("gate", "verdict", "reason")
FEATURES = ("feature", "type", "may be missing", "values")
BOUNDS = {"minimum": "from", "maximum": "to"}


def write(document: Mapping[str, Any], evaluation: Mapping[str, Any], problem: Project) -> str:
    """Markdown from `model.json`, the run's `evaluation.json` and the project."""
    sections = [
        f"# {document['project']} v{document['version']:05d}",
        problem.description,
        _facts(document, problem),
        f"## Metrics\n\nOn {_held_out(problem)}, which no trial has seen.\n\n" + _metrics(evaluation),
        "## Gates\n\n" + table(GATES, [_gate(gate) for gate in evaluation["gates"]]),
        *card_evidence.sections(evaluation),
        "## Features\n\n" + table(FEATURES, [_feature(feature) for feature in document["features"]]),
        "## Lineage\n\n" + table(("what", "which"), _lineage(document)),
    ]
    return "\n\n".join(sections) + "\n"


def as_json(document: Mapping[str, Any], evaluation: Mapping[str, Any], problem: Project) -> dict[str, Any]:
    """The same for programs: what the model is (`model`, as in `model.json`), what it is for (`problem`), and what
    was found (`evaluation`, as in the run's `evaluation.json`: metrics, gates and evidence)."""
    about = ("name", "description", "task", "target", "time", "entity", "sensitive")
    facts = problem.model_dump(mode="json")
    return {
        "model": dict(document),
        "problem": {name: facts[name] for name in about},
        "evaluation": dict(evaluation),
    }


def _held_out(problem: Project) -> str:
    return f"the held-out rows, the latest by `{problem.time}`" if problem.time else "the held-out rows"


def _measured(side: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return side["metrics"] if side else {}


def _gate(gate: Mapping[str, Any]) -> tuple[str, str, str]:
    waived = f" (waived: {gate['waived']})" if gate.get("waived") else ""
    return gate["gate"], gate["verdict"], gate["reason"] + waived


def _facts(document: Mapping[str, Any], problem: Project) -> str:
    cut = _decision(document)
    sensitive = ", ".join(f"`{column}`" for column in problem.sensitive) or "none"
    return table(
        ("", ""),
        [
            ("task", document["task"]),
            ("predicts", f"`{problem.target}`{cut}"),
            ("trained on", f"dataset version {document['dataset_version']}"),
            ("sensitive columns", sensitive),
            *([("served in", "its training form, as ONNX answers otherwise")] if "form" in document else []),
            ("created", document["created"]),
        ],
    )


def _decision(document: Mapping[str, Any]) -> str:
    """How probabilities become an answer."""
    if classes := document.get("classes"):
        return f" (the most probable of {', '.join(classes)})"
    return "" if document["threshold"] is None else f" (1 from a probability of {document['threshold']:.4g})"


def _metrics(evaluation: Mapping[str, Any]) -> str:
    own, limits = evaluation["metrics"], evaluation.get("intervals") or {}
    others = [_measured(evaluation[side]) for side in ("baseline", "champion")]
    rows = [
        (name, number(own[name]), _interval(limits.get(name)), *(number(side.get(name)) for side in others))
        for name in sorted(own)
    ]
    return table(("metric", "this model", "95 %", "baseline", "champion"), rows)


def _interval(limits: Mapping[str, Any] | None) -> str:
    if not limits or limits["low"] is None:
        return ""
    return f"{number(limits['low'])} to {number(limits['high'])}"


def _feature(feature: Mapping[str, Any]) -> tuple[str, str, str, str]:
    bounds = [f"{word} {feature[key]}" for key, word in BOUNDS.items() if feature.get(key) is not None]
    values = ", ".join(str(value) for value in feature.get("allowed") or bounds)
    return feature["name"], feature["type"], "yes" if feature["nullable"] else "no", values


def _lineage(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    digests = [(name, f"sha256 `{digest}`") for name, digest in sorted(document["sha256"].items())]
    return [("run", document["run_id"]), ("identity", f"`{document['identity']}`"), *digests]

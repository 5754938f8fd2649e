"""What a batch as a whole is held to: enough rows, a target that can be learnt, no collapse, no double rows.

ValidateVersion calls it. Everything is read from sketches, so that it costs the same for any number of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tidemill.data.quality.faults import Fault, sort_key
from tidemill.data.sketches.categories import CategorySketch
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.data.sketches.numeric import NumericSketch
from tidemill.projects import Project


@dataclass
class Verdict:
    """`faults` refuse the batch, `warnings` only tell."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault, policy: str) -> None:
        """Take a finding by the project's policy for it: allow, warn or refuse."""
        if policy == "refuse":
            self.faults.append(fault)
        elif policy == "warn":
            self.warnings.append(fault)

    def sorted(self) -> "Verdict":
        return Verdict(sorted(self.faults, key=sort_key), sorted(self.warnings, key=sort_key))


def judge(project: Project, sketch: DatasetSketch, parent: DatasetSketch | None) -> Verdict:
    """The findings about a batch with these rows, that would follow a version with those of `parent`."""
    verdict = Verdict()
    if sketch.rows < project.min_rows:
        message = f"{sketch.rows} rows are fewer than min_rows, {project.min_rows}"
        verdict.faults.append(Fault("too_few_rows", None, message))
    target = sketch.columns.get(project.target)
    if isinstance(target, CategorySketch):
        verdict.faults.extend(_named_target(project, target))
        if parent is not None and not verdict.faults:
            verdict.faults.extend(_named_collapse(project, target, parent.columns.get(project.target)))
    if isinstance(target, NumericSketch):
        verdict.faults.extend(_target(project, target))
        if parent is not None and project.task == "classification" and not verdict.faults:
            verdict.faults.extend(_collapse(project, target, parent.columns.get(project.target)))
    double = sketch.distinct.duplicates
    if double:
        about = "" if sketch.distinct.exact else "about "
        message = f"{about}{double} of {sketch.rows} rows are there more than once"
        verdict.add(Fault("duplicate_rows", None, message, double), project.quality.duplicates)
    return verdict


def _target(project: Project, target: NumericSketch) -> Iterator[Fault]:
    low, high = (target.quantile(0), target.quantile(1)) if target.count else (None, None)
    if low != high:
        return
    value = "missing" if low is None else f"{low:g}"
    every = f"column {project.target!r}, the target, is {value} in every row"
    if project.task == "classification":
        yield Fault("target_one_class", project.target, f"{every}; both classes are needed")
    else:
        yield Fault("target_constant", project.target, f"{every}; there is nothing to learn")


def _named_target(project: Project, target: CategorySketch) -> Iterator[Fault]:
    if target.distinct < 2:
        value = next(iter(target.values), "missing")
        every = f"column {project.target!r}, the target, is {value} in every row"
        yield Fault("target_one_class", project.target, f"{every}; at least two classes are needed")


def _named_collapse(project: Project, target: CategorySketch, before: object) -> Iterator[Fault]:
    """The classes of the parent that have all but gone, as `_collapse`; any of them, not only the rarest."""
    if not isinstance(before, CategorySketch) or not before.count:
        return
    for name in project.classes:
        was, now = (side.values.get(name, 0) / side.count for side in (before, target))
        if was and now < project.quality.collapse * was:
            yield _collapsed(project, name, was, now)


def _collapse(project: Project, target: NumericSketch, before: object) -> Iterator[Fault]:
    """Whether the rarer class of the parent has all but gone: its share fell below `quality.collapse` of what it
    was."""
    if not isinstance(before, NumericSketch) or before.mean is None or target.mean is None:
        return
    rare = 1.0 if before.mean <= 0.5 else 0.0
    was, now = (before.mean, target.mean) if rare else (1 - before.mean, 1 - target.mean)
    if now < project.quality.collapse * was:
        yield _collapsed(project, f"{rare:g}", was, now)


def _collapsed(project: Project, name: str, was: float, now: float) -> Fault:
    message = (
        f"class {name} of {project.target!r} fell from {was:.2%} of the rows to {now:.2%}; see whether its"
        " labels are complete"
    )
    return Fault("class_collapse", project.target, message)

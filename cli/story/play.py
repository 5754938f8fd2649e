"""Tell the story: the steps in their order, each measured, shown and checked; then the summary.

Called by `tidemill demo`. Steps that wait for training are pushed early and checked late, so that waits overlap.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from cli.errors import Refused
from cli.story import data_steps, diamond_steps, monitoring_steps, observe, release_steps
from cli.story.scene import Scene

Step = tuple[str, Callable[[Scene], str]]

STEPS: Sequence[Step] = (
    ("January and February become dataset version 1", data_steps.first_data),
    ("The same file again changes nothing", data_steps.same_file),
    ("Five damaged files are quarantined", data_steps.damaged),
    ("Model 1 beats the baseline and goes live", data_steps.first_model),
    ("A file of diamonds is uploaded", diamond_steps.push_diamonds),
    ("March and April: model 2 beats model 1, gets 10 %", release_steps.second_data),
    ("May is replayed, and the machine decides", release_steps.experiment),
    ("A spoiled challenger is rolled back by itself", release_steps.spoiled_challenger),
    ("Spring is no drift", monitoring_steps.spring_is_no_drift),
    ("July's storms are drift: one retraining", monitoring_steps.storms),
    ("A second request is held back", monitoring_steps.second_request),
    ("Diamonds have a model too", diamond_steps.diamonds_are_priced),
    ("The retraining comes to its end", monitoring_steps.retraining),
)


def play(scene: Scene, console: Console, steps: Sequence[Step] = STEPS) -> dict[str, Any]:
    """Tell all steps and give the facts. Raises StoryFailed at the first thing that did not really happen."""
    for number, (title, step) in enumerate(steps, start=1):
        told = _tell(scene, console, f"{number:2}/{len(steps)} {title}", title, step)
        console.print(f"[green]✓[/green] {number:2}/{len(steps)} {title} [dim]{scene.seconds[title]:.1f} s[/dim]")
        console.print(f"        [dim]{escape(told)}[/dim]", soft_wrap=True)
    return scene.facts | {"seconds": dict(scene.seconds)}


def require_empty(scene: Scene) -> None:
    """Raises Refused if a project of the story has data already: its versions would not be 1 and 2."""
    for project in (observe.PROJECT, diamond_steps.PROJECT):
        scene.deployment.require_project(project)
        if found := observe.versions(scene, project):
            raise Refused(
                f"project {project!r} has dataset versions {found} already, and the story begins with none; "
                f"`tidemill demo` without --keep starts from an empty embedded cloud"
            )


def _tell(scene: Scene, console: Console, label: str, title: str, step: Callable[[Scene], str]) -> str:
    with console.status(label) as status:
        scene.say = lambda text: status.update(f"{label} [dim]{escape(text)}[/dim]")
        with scene.telling(title):
            return step(scene)

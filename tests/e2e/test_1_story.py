"""The whole story of `make demo` on the embedded cloud, a test for each step; each step verifies what it did."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.deployment import Deployment
from cli.main import app
from cli.story import diamonds, play
from cli.story.diamond_steps import PROJECT as DIAMONDS
from cli.story.diamond_steps import diamonds_are_priced, push_diamonds
from cli.story.replay import instances
from cli.story.scene import Scene

# The diamonds have a test of their own below, with a smaller file and through the command line.
STEPS = [step for step in play.STEPS if step[1] not in (push_diamonds, diamonds_are_priced)]


def test_a_file_of_100_rows_leads_to_a_served_model(scene: Scene, deployment: Deployment) -> None:
    rows = diamonds.diamonds(150, seed=7)
    file = scene.file("hundred.csv", diamonds.to_csv(rows.head(100)))
    pushed = CliRunner().invoke(app, ["data", "push", DIAMONDS, str(file), "--wait"])
    assert pushed.exit_code == 0, pushed.output
    unseen = rows.tail(50)
    answer = deployment.api.predict(DIAMONDS, instances(unseen, scene.project(DIAMONDS)))
    assert answer["model_version"] == 1
    prices = [item["prediction"] for item in answer["predictions"]]
    trivial = (unseen["price"] - unseen["price"].mean()).abs().mean()
    assert (unseen["price"] - prices).abs().mean() < trivial


@pytest.mark.parametrize(("title", "step"), STEPS, ids=[step.__name__ for _, step in STEPS])
def test_story(scene: Scene, title: str, step: Callable[[Scene], str], told: dict[str, Any]) -> None:
    if told.get("broken"):
        pytest.fail(f"an earlier step of the story failed: {told['broken']}")
    told["broken"] = title
    with scene.telling(title):
        step(scene)
    del told["broken"]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Which step broke the story, if one did: what comes after it would fail for no reason of its own."""
    return {}

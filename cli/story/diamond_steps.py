"""The second project: a file of another kind leads to a served model, with no code of its own."""

from cli.story import diamonds, observe
from cli.story.replay import instances
from cli.story.scene import Scene

PROJECT = "diamonds"
TRAINING_ROWS = 4000
UNSEEN_ROWS = 200


def push_diamonds(scene: Scene) -> str:
    """A file is uploaded; nobody waits for what it starts."""
    sample = diamonds.diamonds(TRAINING_ROWS + UNSEEN_ROWS, seed=scene.seed)
    sent = observe.upload(scene, PROJECT, "diamonds.csv", diamonds.to_csv(sample.head(TRAINING_ROWS)))
    scene.facts["diamonds"] = {"upload_id": sent.upload_id, "rows": TRAINING_ROWS}
    return f"{TRAINING_ROWS:,} diamonds uploaded; their training goes on beside the story"


def diamonds_are_priced(scene: Scene) -> str:
    """The model that the file led to prices diamonds it has never seen better than their mean price would."""
    run_id = f"{PROJECT}-v00001"
    view = observe.ended_run(scene, PROJECT, run_id)
    facts = observe.run_facts(view, observe.evaluation(scene, PROJECT, run_id))
    release = observe.serving_release(scene, PROJECT, run_id)
    look = f"`tidemill release status {PROJECT}`"
    scene.check(release["state"] == "promoted", "diamonds' model 1 released", release, look)
    unseen = diamonds.diamonds(TRAINING_ROWS + UNSEEN_ROWS, seed=scene.seed).tail(UNSEEN_ROWS)
    answer = scene.deployment.api.predict(PROJECT, instances(unseen, scene.project(PROJECT)))
    prices = [float(item["prediction"]) for item in answer["predictions"]]
    error = float((unseen["price"] - prices).abs().mean())
    trivial = float((unseen["price"] - unseen["price"].mean()).abs().mean())
    scene.check(error < trivial / 2, f"a mean error well below ${trivial:.0f}", error, look)
    scene.facts["diamonds"] |= facts | {"model": answer["model_version"], "mean_error_dollars": round(error)}
    return f"model 1 is off by ${error:.0f} on average, the mean price by ${trivial:.0f}"

"""How the alarms on challengers are named: releases make and remove them, and the deployment, which never sees
them, says by their names who may do so and who hears of them."""

KINDS = ("errors", "latency")


def alarm(stage: str, kind: str, project: str) -> str:
    """The alarm of that kind (one of KINDS) on the challenger of a project."""
    return f"tidemill-{stage}-guard-{kind}-{project}"


def all_alarms(stage: str) -> str:
    """All of them, as a pattern for a grant."""
    return alarm(stage, "*", "").removesuffix("-")


def subject(release_id: str) -> str:
    """How an alarm's description begins: it says of which release it is."""
    return f"Release {release_id}: "

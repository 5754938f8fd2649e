"""`tidemill release plan`: how many requests and days a release will take, before it begins."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import reading, show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.options import STAGE, Json, ProjectName, Stage
from cli.project_file import read_project
from tidemill.projects import Project

Facts = dict[str, Any]
EXPERIMENTS = 2000
USUAL_TAILS = 16.0
"""Where only the scatter is told: the worst loss of a release lies four standard deviations from the mean."""
QUANTILES: list[show.Column] = [
    ("share of challengers promoted", lambda row: show.percent(row["share"])),
    ("requests", lambda row: _whole(row["requests"])),
    ("units", lambda row: _whole(row["units"])),
    ("days", lambda row: row["days"] if row["days"] is not None else "never"),
]
STEPS: list[show.Column] = [
    ("step", lambda row: row["step"]),
    ("weight", lambda row: show.percent(row["weight"])),
    ("units, about", lambda row: _whole(row["units"])),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill release`."""
    app.command(
        epilog="Examples:  tidemill release plan flights   ·   tidemill release plan flights --difference -0.02"
        "   ·   tidemill release plan flights --sd 0.6 --requests-per-day 4000 --outcomes 0.8"
    )(plan)


def plan(
    project: ProjectName,
    difference: Annotated[
        float | None,
        typer.Option(
            "--difference",
            "-d",
            help="The true difference to plan for, challenger - champion, in units of the loss; less is better. "
            "Default: one that lies a margin away from the limit.",
        ),
    ] = None,
    power: Annotated[
        float,
        typer.Option(min=0.01, max=0.99, help="The share of such challengers that shall be promoted by then."),
    ] = 0.8,
    sd: Annotated[
        float | None, typer.Option(min=0, help="Standard deviation of a unit's loss; default: the champion's.")
    ] = None,
    requests_per_day: Annotated[
        float | None, typer.Option(min=0, help="Requests a day; default: those of the days looked back at.")
    ] = None,
    outcomes: Annotated[
        float, typer.Option(min=0.001, max=1, help="With --requests-per-day: the share that gets an outcome.")
    ] = 1.0,
    days: Annotated[float, typer.Option(min=0.01, help="How many days of captured traffic to look back at.")] = 7,
    seed: Annotated[int, typer.Option(help="Of the simulation; the same seed gives the same figures.")] = 0,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """How many requests and days a release takes until it is decided.

    An experiment that may be looked at at any time has no fixed size: it ends at the look at which the whole
    interval lies on one side of the limit. How long that takes depends on how far the true difference lies from
    the limit, on how much the losses scatter (--sd) and on the traffic. With goal [bold]not_worse[/bold] the limit
    is +margin, so a challenger that is just as good lies a margin away from it; with [bold]better[/bold] it is
    -margin.

    Half the distance takes about four times as many requests. An arm that gets a tenth of the requests makes the
    interval 1.7 times as wide as one that gets half. A covariate that correlates by r with the loss saves r² of
    the requests.

    The releases are simulated by the rules of the project file, all steps, look by look. Outcomes are taken to
    come at once; where they come late, add how late.
    """
    problem = read_project(project)
    difference = _difference(problem, difference)
    traffic = _traffic(problem, sd, requests_per_day, outcomes, days, stage)
    facts = _facts(problem, traffic, difference, power, seed)
    show.emit(facts, as_json=as_json, people=_tables)


def _difference(problem: Project, difference: float | None) -> float:
    rules = problem.rollout
    reach = rules.margin if rules.goal == "not_worse" else -rules.margin
    found = reach - rules.margin if difference is None else difference
    if found >= reach:
        raise Usage(
            f"the difference {found} does not lie below the limit {reach} of the goal {rules.goal}: such a"
            f" challenger is not to be promoted, however long one waits; give --difference below {reach}"
        )
    return found


def _traffic(
    problem: Project, sd: float | None, requests_per_day: float | None, outcomes: float, days: float, stage: str
) -> Facts:
    """What the losses scatter and the traffic is, and where that is known from."""
    if sd is not None and requests_per_day is not None:
        return {
            "from": "arguments",
            "sd": sd,
            "units_per_day": requests_per_day * outcomes,
            "requests_per_day": requests_per_day,
            "tails": USUAL_TAILS * sd**2,
        }
    found = _captured(problem, days, stage)
    if found is None:
        raise Usage(
            f"the last {days:g} days hold too few outcomes of the champion's answers; look further back (--days),"
            " or give --sd and --requests-per-day"
        )
    if requests_per_day is not None:
        found |= {"units_per_day": requests_per_day * outcomes, "requests_per_day": requests_per_day}
    return found | ({"sd": sd} if sd is not None else {})


def _captured(problem: Project, days: float, stage: str) -> Facts | None:
    # Not at the top: what computes is needed by this command alone.
    from tidemill.release import experiment, power
    from tidemill.release.losses import Measure

    deployment = Deployment.of(stage)
    deployment.require_project(problem.name)
    champion = reading.live(deployment.index, problem.name)["champion"]
    if champion is None:
        return None
    rules = problem.rollout
    measure = Measure(rules.measured(problem.task), problem.recipe.costs, rules.unit, rules.covariate)
    until = datetime.now(UTC)
    span: dict[str, Any] = {"since": until - timedelta(days=days), "until": until}
    objects, name, variant = deployment.objects, problem.name, str(champion["function_version"])
    requests = experiment.read_requests(objects, name, **span, covariate=measure.covariate)
    known = experiment.read_outcomes(objects, name, requests=requests, **span)
    (arm,) = experiment.arms(requests, known, variants=[variant], measure=measure)
    if not arm.requests:
        return None
    first = min(datetime.fromisoformat(request.at) for request in requests.values())
    lasted = (until - first).total_seconds() / 86400
    found = power.observed(arm, requests=len(requests), days=lasted)
    if found is None:
        return None
    return {"from": f"{arm.sample.units} units of the champion in {lasted:.2g} days", **vars(found)}


def _facts(problem: Project, traffic: Facts, difference: float, power: float, seed: int) -> Facts:
    from tidemill.release.power import Traffic, forecast
    from tidemill.release.verdict import limits

    rules = problem.rollout
    if not rules.shares():
        raise Usage(
            f"rollout.plan of {problem.name} is {', '.join(rules.plan)}, which has no two arms side by side: it"
            f" lasts {rules.watch_minutes:g} minutes, whatever the traffic"
        )
    known = Traffic(traffic["sd"], traffic["units_per_day"], traffic["requests_per_day"], traffic["tails"])
    if known.sd <= 0 or known.units_per_day <= 0:
        raise Usage(
            "--sd and --requests-per-day must be above 0: without scatter or traffic nothing can be planned"
        )
    found = forecast(rules, known, difference, power=power, experiments=EXPERIMENTS, seed=seed)
    each = known.requests_per_day / known.units_per_day
    for row in (found, *found["quantiles"]):
        row["requests"] = None if row["units"] is None else row["units"] * each
    for number, row in enumerate(found["steps"], start=1):
        row["step"] = number
    reach = limits(rules).reach
    return {
        "project": problem.name,
        "metric": rules.measured(problem.task),
        "unit": rules.unit,
        "covariate": rules.covariate,
        "goal": rules.goal,
        "margin": rules.margin,
        "alpha": rules.alpha,
        "difference": difference,
        "limit": reach,
        "distance": reach - difference,
        "power": power,
        "traffic": traffic,
        "seed": seed,
        "experiments": EXPERIMENTS,
        **found,
    }


def _tables(facts: Facts) -> Group:
    traffic, ends = facts["traffic"], facts["within_longest"]
    needed = (
        "never" if facts["units"] is None else f"{_whole(facts['requests'])} requests, {facts['days']:.3g} days"
    )
    pairs = [
        (f"for {facts['power']:.0%} to be promoted", needed),
        ("compares", f"{facts['metric']} per {facts['unit']}"),
        ("goal", f"{facts['goal']}, limit {facts['limit']:+g}, alpha {facts['alpha']:g}"),
        ("true difference", f"{facts['difference']:+g}, so {facts['distance']:g} from the limit"),
        ("a unit's loss scatters by", traffic["sd"]),
        (
            "traffic",
            f"{_whole(traffic['requests_per_day'])} requests, {_whole(traffic['units_per_day'])} units a day",
        ),
        ("known from", traffic["from"]),
        (
            f"within {facts['longest_days']:.3g} days, the longest",
            f"{ends['promoted']:.1%} promoted, {ends['rolled_back']:.1%} rolled back,"
            f" {ends['undecided']:.1%} undecided",
        ),
    ]
    heading = f"{facts['experiments']:,} simulated releases, seed {facts['seed']}"
    return Group(
        show.facts("Plan", pairs),
        show.table("Steps, closed form", facts["steps"], STEPS, empty=""),
        show.table(heading, facts["quantiles"], QUANTILES, empty=""),
    )


def _whole(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"

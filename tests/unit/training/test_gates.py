"""The gates: their verdicts, in figures and in words."""

import pytest

from tidemill.training import gates


def sure(candidate: float, reference: float) -> dict[str, float] | None:
    """An improvement without noise."""
    if not reference:
        return None
    value = (reference - candidate) / reference
    return {"estimate": value, "lower": value, "confidence": 0.95}


@pytest.mark.parametrize(
    ("candidate", "reference", "least", "verdict"),
    [
        (0.40, 0.50, 0.0, "passed"),
        (0.50, 0.50, 0.0, "refused"),  # a tie is no improvement
        (0.51, 0.50, 0.0, "refused"),
        (0.40, 0.50, 0.1, "passed"),
        (0.46, 0.50, 0.1, "refused"),
        (0.51, 0.50, -0.05, "passed"),  # as good, within the margin
        (0.50, 0.50, -0.05, "passed"),
        (0.53, 0.50, -0.05, "refused"),
        (0.00, 0.00, 0.0, "refused"),  # nothing is lower than nothing
        (0.00, 0.00, -0.05, "refused"),
    ],
)
def test_a_candidate_must_improve_by_more_than_the_least(
    candidate: float, reference: float, least: float, verdict: str
) -> None:
    gate = gates.better_than(
        "champion", "log_loss", candidate, reference, sure(candidate, reference), least=least, rows=10
    )
    assert (gate["verdict"], gate["threshold"]) == (verdict, least)
    assert gate["value"] == (pytest.approx((reference - candidate) / reference) if reference else None)


@pytest.mark.parametrize(
    ("candidate", "reference", "least", "words"),
    [
        (0.4121, 0.4093, 0.0, "log_loss 0.412 is not below the champion's 0.409 on the same 10,234 rows"),
        (0.4093, 0.4121, 0.0, "log_loss 0.409 is below the champion's 0.412 on the same 10,234 rows"),
        (0.4122, 0.4121, 0.0, "log_loss 0.4122 is not below the champion's 0.4121 on the same 10,234 rows"),
        (0.4, 0.4, 0.0, "log_loss 0.4 is not below the champion's 0.4 on the same 10,234 rows"),
        (0.3, 0.4, 0.2, "log_loss 0.3 is more than 20 % below the champion's 0.4 on the same 10,234 rows"),
        (0.41, 0.4, -0.05, "log_loss 0.41 is less than 5 % above the champion's 0.4 on the same 10,234 rows"),
    ],
)
def test_the_reason_shows_figures_that_differ(
    candidate: float, reference: float, least: float, words: str
) -> None:
    change = sure(candidate, reference)
    gate = gates.better_than("champion", "log_loss", candidate, reference, change, least=least, rows=10_234)
    figures, _, certainty = gate["reason"].partition(" (")
    assert figures == words
    assert certainty.startswith("with 95 % confidence it is ")


def test_a_gain_that_may_be_chance_is_refused_and_says_so() -> None:
    change = {"estimate": 0.02, "lower": -0.01, "confidence": 0.9}
    gate = gates.better_than("champion", "rmse", 0.98, 1.0, change, least=0.0, rows=100)
    assert (gate["verdict"], gate["value"], gate["lower"], gate["confidence"]) == ("refused", 0.02, -0.01, 0.9)
    assert gate["reason"] == (
        "rmse 0.98 is below the champion's 1 on the same 100 rows, but that is within noise:"
        " with 90 % confidence it is at most 1 % worse, and more than 0 % is asked for"
    )
    margin = gates.better_than("champion", "rmse", 0.98, 1.0, change, least=-0.02, rows=100)
    assert margin["verdict"] == "passed", "a margin admits what is surely not worse than that"


@pytest.mark.parametrize(
    ("burden", "most", "verdict"),
    [("harm", 0.1, "passed"), ("harm", 0.05, "refused"), ("safety", 0.2, "refused"), ("safety", 0.3, "passed")],
)
def test_a_slice_is_judged_by_the_limit_that_its_burden_names(burden: str, most: float, verdict: str) -> None:
    worsening = {"estimate": 0.15, "lower": 0.07, "upper": 0.25}
    row = {"column": "sex", "slice": "f", "rows": 80, "protected": True, "value": 0.46, "champion": 0.4}
    table = {"metric": "log_loss", "slices": [{**row, "worsening": worsening}]}
    gate = gates.slices(table, most=most, burden=burden, champion="")
    assert (gate["verdict"], gate["threshold"]) == (verdict, most)
    assert gate["reason"].startswith("log_loss on sex = f (80 rows) is 0.46, the champion's 0.4: 15 % worse")
    other = {**table, "slices": [{**table["slices"][0], "protected": False}]}
    assert gates.slices(other, most=0.0, burden=burden, champion="")["verdict"] == "not_applicable"


def test_a_figure_that_is_not_defined_is_not_judged() -> None:
    assert gates.at_most("calibration", "the error", None, 0.1)["verdict"] == "not_applicable"
    assert gates.at_most("calibration", "the error", 0.1, 0.1)["verdict"] == "passed"
    assert gates.at_most("calibration", "the error", 0.11, 0.1)["verdict"] == "refused"
    assert gates.at_least("selection_ratio", "the ratio", 0.79, 0.8)["verdict"] == "refused"


def test_parity_and_rows_have_their_limits_included() -> None:
    assert gates.agreement(200, 2, most=0.01)["verdict"] == "passed"
    assert gates.agreement(200, 3, most=0.01)["verdict"] == "refused"
    assert gates.enough_rows(50, least=50)["verdict"] == "passed"
    assert gates.enough_rows(49, least=50)["verdict"] == "refused"


def verdicts() -> list[gates.Gate]:
    return [
        gates.better_than("baseline", "rmse", 2.0, 1.0, sure(2.0, 1.0), least=0.0, rows=9),
        gates.no_champion(),
        gates.agreement(10, 5, most=0.1),
        gates.enough_rows(9, least=10),
    ]


def test_a_waived_gate_is_recorded_as_waived_never_as_passed() -> None:
    waived = {gate["gate"]: gate for gate in gates.waive(verdicts(), "a rehearsal")}
    assert {name: gate["verdict"] for name, gate in waived.items()} == {
        "baseline": "waived",
        "champion": "not_applicable",
        "parity": "refused",
        "holdout_rows": "waived",
    }
    assert waived["baseline"]["waived"] == "a rehearsal"
    assert not waived["baseline"]["passed"]
    assert "waived" not in waived["champion"]


def test_parity_cannot_be_waived() -> None:
    assert not gates.passed(gates.waive(verdicts(), "a rehearsal"))


def test_without_a_reason_nothing_is_waived() -> None:
    assert gates.waive(verdicts(), None) == verdicts()


def test_the_summary_of_a_refusal_has_every_refused_gate() -> None:
    words = gates.summary(verdicts())
    assert words.startswith("refused: rmse 2 is not below the baseline's 1 on the same 9 rows (")
    assert "the ONNX model answers 5 of 10 rows differently" in words
    assert "9 rows are held out (at least 10)" in words


def test_the_summary_of_a_pass_has_the_comparisons_and_what_was_waived() -> None:
    better = gates.better_than("baseline", "rmse", 1.0, 2.0, sure(1.0, 2.0), least=0.0, rows=9)
    assert gates.summary([better, gates.no_champion()]) == "passed: " + better["reason"]
    few = gates.waive([better, gates.enough_rows(9, least=10)], "a rehearsal")
    assert gates.summary(few) == (
        f"passed: {better['reason']}; holdout_rows waived (a rehearsal): 9 rows are held out (at least 10)"
    )

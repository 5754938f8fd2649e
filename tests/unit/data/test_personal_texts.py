"""Texts: every specimen is found in whatever dress, nothing of everyday data is, and masking leaves nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.data.personal_specimens import CLEAN, FOUND
from tidemill.data.personal import mask_text, texts, vocabulary


# JSON is a whole cell, and so is a number in scientific notation.
@pytest.mark.parametrize(
    ("kind", "detail", "text"), [found for found in FOUND if found[2][0] not in "{[" and "e+" not in found[2]]
)
def test_a_specimen_is_found_in_longer_text(kind: str, detail: str, text: str) -> None:
    matches = texts.accepted(texts.find(f"Note: {text} (seen by us)"))
    assert (kind, detail or matches[0].detail) in {(match.kind, match.detail) for match in matches}


@pytest.mark.parametrize("text", CLEAN)
def test_everyday_data_is_not_found(text: str) -> None:
    assert texts.accepted(texts.find(text)) == []
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to jane@example.com or +49 30 1234567.", "write to [email] or [phone]."),
        ("?email=jane%40example.com&x=1", "?email=[email]&x=1"),
        ("'jane@example.com'", "'[email]'"),
        ("data/jane.doe@example.com/1.csv", "data/[email]/1.csv"),
        ("4111 1111 1111 1111 12/29", "[card] 12/29"),
        ("j\u200bane@exam\u200bple.com, ok", "[email], ok"),
        ("pay DE89 3704 0044 0532 0130 00 now", "pay [iban] now"),
    ],
)
def test_masked_text_keeps_the_rest(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_masked_json_stays_json() -> None:
    text = '{"phone": 15551234567, "n": [1, 2], "cards": [4111111111111111, 5]}'
    assert json.loads(mask_text(text)) == {"phone": "[phone]", "n": [1, 2], "cards": ["[card]", 5]}


def test_the_place_inside_json_is_told() -> None:
    text = '{"contact": {"mails": ["x", "jane@example.com"]}}'
    (match,) = texts.find(text)
    assert texts.inner_path(text, match.start) == "$.contact.mails[]"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([text for _, _, text in FOUND if text[:1] not in "{["]), min_size=1, max_size=4),
    st.text(max_size=12),
)
def test_masked_text_has_nothing_left(planted: list[str], around: str) -> None:
    once = mask_text(f" {around} ".join(planted))
    again = mask_text(once)
    assert mask_text(again) == again


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    for match in texts.find(text):
        assert 0 <= match.start < match.end <= len(text)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("email", "email"),
        ("Customer_Email", "email"),
        ("customerEmail", "email"),
        ("Tel.", "phone"),
        ("phoneNumber", "phone"),
        ("N\u00fam\u00e9ro de t\u00e9l\u00e9phone", "phone"),
        ("surname", "surname"),
        ("Nachname", "surname"),
        ("apellidos", "surname"),
        ("first_name", "given_name"),
        ("name", "name"),
        ("birthDate", "birth_date"),
        ("date_of_birth", "birth_date"),
        ("Geburtsdatum", "birth_date"),
        ("street address", "address"),
        ("Stra\u00dfe", "address"),
        ("passport_no", "passport"),
        ("ssn", "us_ssn"),
        ("iban", "iban"),
        ("\u5ba2\u6237\u59d3\u540d", "name"),
        ("product_name", None),
        ("ip_address", None),
        ("phone_model", None),
        ("email_count", None),
        ("hotel", None),
        ("tailnum", None),
        ("carat", None),
        ("telemetry", None),
        ("cutoff", None),
        ("filename", None),
    ],
)
def test_what_names_are_about(name: str, subject: str | None) -> None:
    assert vocabulary.subject(name) == subject

"""Invented participants and what the API tells about them."""

from __future__ import annotations

from random import Random

from .studies import Json, uid

_SINGLE = "DEMOGRAPHIC_QUESTION_TYPE_SINGLE"
_MULTIPLE = "DEMOGRAPHIC_QUESTION_TYPE_MULTIPLE"
_QUESTIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("GENDER", "What is your gender?", _SINGLE, ("Female", "Male", "Non-binary", "Female", "Male")),
    ("AGE_GROUP", "How old are you?", _SINGLE, ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")),
    (
        "INCOME",
        "What is your household's yearly income?",
        _SINGLE,
        (
            "$20,000 - $39,999",
            "$40,000 - $59,999",
            "$60,000 - $79,999",
            "$80,000 - $99,999",
            "$100,000 or more",
        ),
    ),
    (
        "COUNTRY",
        "In which country do you live?",
        _SINGLE,
        ("United States", "United Kingdom", "Canada", "Germany"),
    ),
    (
        "INTERESTS",
        "Which of these interest you?",
        _MULTIPLE,
        ("Home and garden", "Cooking", "Travel", "Books, films and music", "Sports", "Do it yourself"),
    ),
)


def participant(rng: Random) -> Json:
    """The `sessionParticipant` of a session's details."""
    return {
        "participantId": uid("participant", rng.random()),
        "demographicsInfo": [_demographic(rng, *question) for question in _QUESTIONS],
    }


def _demographic(rng: Random, code: str, label: str, kind: str, values: tuple[str, ...]) -> Json:
    count = rng.randint(2, 4) if kind == _MULTIPLE else 1
    return {
        "id": uid("demographic", code),
        "code": code,
        "label": label,
        "value": ",".join(rng.sample(values, count)),
        "type": kind,
    }

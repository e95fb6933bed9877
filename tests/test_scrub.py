"""Secrets are taken out of what an answer repeats, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.scrub import Scrubber, without_signatures

SECRET = "opaque+token/0123456789=="
SCRUBBER = Scrubber([SECRET, "short", ""])

SIGNED = (
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc",
    "?response-content-type=video%2Fmp4&x-amz-security-token=abc",
    "?Expires=1&Signature=abc~_&Key-Pair-Id=K123",
    "?Policy=eyJTdGF0ZW1lbnQ&Key-Pair-Id=K123",
    "?X-Goog-Signature=abc",
    "?sv=2024&se=2026&sig=abc%3D",
    "?token=abc",
    "?a=1;token=abc",
    "?a=1&amp;sig=abc",
    "?a=1\\u0026sig=abc",
    "#access_token=abc&token_type=bearer",
    "?client_secret=abc",
    "?api_key=abc",
    "?next=https%3A%2F%2Fs3.example%2Fv%3FX-Amz-Signature%3Dabc",
    "?next=https%253A%252F%252Fs3.example%252Fv%253Fsig%253Dabc",
    "?next=https://s3.example/v?Signature=abc",
)
HARMLESS = (
    "https://shop.example/search?q=lamp&page=2#top",
    "https://shop.example/?policy=returns&signatureless=1&tokens=3&sigma=4",
    "https://shop.example/?token=&sig",
    "Really? I did not see it; is it #3 or the one at https://shop.example/lamps?",
    "What about token=abc, sig=abc and Signature=abc without a question mark",
    "mail me at a@b.example, or not",
)


@pytest.mark.parametrize(
    "host", ["https://cdn.example/v.mp4", "http://s3.example", "https:\\/\\/cdn.example\\/v", "//x/y"]
)
@pytest.mark.parametrize("query", SIGNED)
def test_a_signed_url_loses_its_query(query: str, host: str) -> None:
    """Whoever signed it and however it is written; what stands around it stays."""
    assert without_signatures(f'see "{host}{query}" now') == f'see "{host}" now'
    assert without_signatures(f"{host}{query}\nand {host}{query}") == f"{host}\nand {host}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    """Also those that hold a harmless URL."""
    assert SCRUBBER.text(text) == text
    assert SCRUBBER.payload([text, {text: text}]) == [text, {text: text}]


def test_the_secrets_in_use_are_taken_out_wherever_they_stand() -> None:
    """Of texts and keys at any depth, also when they are written as in a form; short words are no secrets."""
    deep: Any = SECRET
    for _ in range(50_000):
        deep = [deep]
    payload = {
        "plain": f"Bearer {SECRET}",
        "form": "client_secret=opaque%2Btoken%2F0123456789%3D%3D&scope=all",
        SECRET: [1, None, True, {"inner": [SECRET]}],
        "short": "short",
        "deep": deep,
    }
    clean = SCRUBBER.payload(payload)
    inner = clean.pop("deep")
    while isinstance(inner, list):
        (inner,) = inner
    assert inner == "[removed]"
    assert clean == {
        "plain": "Bearer [removed]",
        "form": "client_secret=[removed]&scope=all",
        "[removed]": [1, None, True, {"inner": ["[removed]"]}],
        "short": "short",
    }
    assert list(clean) == ["plain", "form", "[removed]", "short"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"Token {SECRET} is no JWT", "Token [removed] is no JWT"),
        ("Bearer another-opaque-token is refused", "[removed] is refused"),
        ("authorization: bearer  x.y", "authorization: [removed]"),
        ("eyJhbGciOi.eyJzdWIi.c2ln-_ has expired", "[removed] has expired"),
        ("(eyJhbGciOi)", "([removed])"),
        ("the heyJude file", "the heyJude file"),
        ("x" * 500, "x" * 200),
        ("see https://cdn.example/v?Signature=abc", "see https://cdn.example/v"),
    ],
)
def test_a_message_repeats_no_token_of_any_kind(said: str, told: str) -> None:
    """Also of one that is not ours, and not all of what is said."""
    assert SCRUBBER.said(said) == told


@given(st.text(), st.text())
def test_no_text_hides_a_secret(before: str, after: str) -> None:
    """Whatever stands around it."""
    assert SECRET not in SCRUBBER.text(before + SECRET + after)
    assert "X-Amz-Signature" not in SCRUBBER.text(f"{before} https://x/y?X-Amz-Signature=a {after}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_payload_without_secrets_stays_as_it_is(payload: Any) -> None:
    """In shape, values and order."""
    before = json.dumps(payload)
    assert json.dumps(SCRUBBER.payload(payload)) == before

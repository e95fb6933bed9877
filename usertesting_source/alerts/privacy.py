"""What of a participant's words may be told: no e-mail address, phone number, card number or voice tag. Pure."""

from __future__ import annotations

import re

__all__ = ["masked"]

_VOICE = re.compile(r"</?v(?:[.\s][^<>]*)?>", re.IGNORECASE)
# from the beginning of a word alone: from each of its letters on, a long one would take quadratic time
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*")
_DIGITS = re.compile(r"(?<![\w.,])\+?\(?\d(?:[ ().\-/\u00a0]{0,2}\d){6,18}(?![\w])")
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4}")


def masked(words: str) -> str:
    """`words` without voice tags (`<v Name>`), and with `[e-mail]`, `[phone]` and `[card]` for what they stand for."""
    return _DIGITS.sub(_number, _EMAIL.sub("[e-mail]", _VOICE.sub("", words)))


def _number(match: re.Match[str]) -> str:
    if _DATE.fullmatch(match.group()):
        return match.group()
    digits = re.sub(r"\D", "", match.group())
    return "[card]" if len(digits) >= 13 and _is_luhn(digits) else "[phone]"


def _is_luhn(digits: str) -> bool:
    """Whether the check digit of a card fits."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0

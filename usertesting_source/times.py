"""Points in time, as the API writes them (ISO 8601, UTC, with or without fractions)."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)


def parse_time(value: object) -> datetime | None:
    """
    The moment that `value` names, in UTC; None when it names none.

    Strings without an offset are taken as UTC, as the API documents its times.
    """
    try:
        moment = value if isinstance(value, datetime) else _read(value)
        if moment is None:
            return None
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None


def _read(value: object) -> datetime | None:
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    offset = "+00:00" if offset in (None, "Z", "z") else offset
    offset = offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"
    # Python 3.10 reads neither `Z` nor a fraction of any length
    return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{offset}")


def moment(milliseconds: int | None) -> datetime | None:
    """The moment so many ms after 1970."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)

"""
What names a person, taken out of a copy of the data in memory, from which a reading command then reads.

Every column that no table declares is left out, so that a field which the API adds tomorrow is not shared by accident.
What it cannot catch is said in docs/reading.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # it has no types

from ..config import wrong
from ..errors import ConfigurationError
from ..tables.schema import EXTRA, TABLES, Table
from . import settings

KEY = "explore.redact_key"
KEEP = "explore.keep_demographics"
LEAST_KEY = 16
FEW = 5
"""A demographic answer that fewer people share is told as `(other)`."""

_CODE = 8  # characters of 5 bits each: two of 10,000 people have one code once in 20,000 such data sets
_MASKED = re.compile(
    r"""(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)
      | (?P<email>[^\s@<>()\[\],;:"]{1,64}@[\w-]+(?:\.[\w-]+)+)
      | (?P<time>\b\d{4}-\d\d-\d\d(?![\d-])(?:[T\ ]\d\d:\d\d)?)
      | (?P<digits>(?<![\w.])\+?\(?\d(?:[\s().\u2010-\u2015/-]{0,2}\d){6,}(?!\w))""",
    re.VERBOSE | re.IGNORECASE,
)
_WORTH_A_LOOK = re.compile(r"[@\d]")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_ROLE = re.compile(
    r"(?:moderator|interviewer|researcher|host|observer|participant|contributor|customer|user|speaker)(?: ?\d+)?",
    re.IGNORECASE,
)
_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Redaction:
    """
    How persons are hidden.

    Attributes:
        key: who has it can tell whether a code is a certain participant's; nobody else can.
        keep: codes of demographic questions whose answers stay, coarsened; the others are left out.

    """

    key: str
    keep: frozenset[str] = frozenset()

    def participant(self, participant_id: str | None) -> str | None:
        """A code for a participant, the same in every export that is made with this key: `P` and eight characters."""
        if participant_id is None:
            return None
        digest = hmac.new(self.key.encode(), participant_id.encode(), hashlib.sha256).digest()
        return "P" + base64.b32encode(digest).decode()[:_CODE]


def redaction_from_settings(demo: bool = False) -> Redaction:
    """
    The redaction of the settings; the demo has a key of its own.

    Raises:
        ConfigurationError: there is no key, or it is short enough to be guessed.

    """
    keep = frozenset(settings.texts(KEEP, settings.value(KEEP)))
    key = str(dlt.secrets.get(KEY) or dlt.config.get(KEY) or ("invented people need none" if demo else ""))
    if not key:
        raise ConfigurationError(
            f"`{KEY}` is not set: participants get codes by a key of your own, so that nobody can guess back. Put a"
            " long random text into .dlt/secrets.toml and keep it: python -c 'import secrets;"
            " print(secrets.token_hex(16))' makes one."
        )
    if len(key) < LEAST_KEY:
        raise wrong(KEY, "...", f"make it at least {LEAST_KEY} characters long, so that nobody can guess it")
    return Redaction(key, keep)


def masked(text: str) -> str:
    """`text` with e-mail addresses, card numbers, phone numbers and other long numbers as `[e-mail]` and so on."""
    return _MASKED.sub(_mark, text) if _WORTH_A_LOOK.search(text) else text


def _mark(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind in ("uuid", "time"):
        return found[0]
    if kind == "email":
        return "[e-mail]"
    digits = re.sub(r"\D", "", found[0])
    if 13 <= len(digits) <= 19 and _is_card(digits):
        return "[card]"
    return "[number]" if found[0].isdigit() else "[phone]"


def _is_card(digits: str) -> bool:
    """Whether the last digit checks the others, as on payment cards."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


class Speakers:
    """The speakers of one session, in the order in which they first speak: a name becomes `Speaker 1`, a role stays."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._codes: dict[str, str] = {}
        for name in names:
            if not _ROLE.fullmatch(name.strip()):
                self._codes.setdefault(name, f"Speaker {len(self._codes) + 1}")
        parts = {
            part for name in self._codes for part in re.findall(r"[^\W\d_]{2,}", name) if not _ROLE.fullmatch(part)
        }
        said = "|".join(sorted(map(re.escape, parts), key=len, reverse=True))
        self._said = re.compile(rf"\b(?:{said})\b") if parts else None

    def code(self, name: str | None) -> str | None:
        """What stands for a speaker's name."""
        return None if name is None else self._codes.get(name, name if _ROLE.fullmatch(name.strip()) else "Speaker")

    def masked(self, text: str) -> str:
        """`text` without what `masked` finds, nor the names of those who speak, in voice tags or in their words."""
        text = _VOICE.sub(lambda tag: f"<v {self.code(tag[1].strip())}>", text)
        return masked(self._said.sub("[name]", text) if self._said else text)


def coarse(answers: Sequence[Mapping[str, Any]], keep: frozenset[str]) -> list[dict[str, Any]]:
    """
    Demographic answers that may be shared.

    Args:
        answers: rows with `demographic_code`, `value` and `participant_id`.
        keep: the codes that are wanted.

    Returns:
        Those of the codes wanted: ages as decades, and what fewer than five people answered as `(other)`.

    """
    kept = [{**row, "value": _decade(row["value"])} for row in answers if row["demographic_code"] in keep]
    people: defaultdict[tuple[Any, Any], set[Any]] = defaultdict(set)
    for row in kept:
        people[row["demographic_code"], row["value"]].add(row["participant_id"] or row["session_id"])
    sizes = Counter({answer: len(who) for answer, who in people.items()})
    few = {answer for answer, size in sizes.items() if size < FEW}
    return [
        {**row, "value": "(other)" if (row["demographic_code"], row["value"]) in few else row["value"]} for row in kept
    ]


def _decade(value: str | None) -> str | None:
    """An age in years as its decade; anything else as it is."""
    if value is None or not re.fullmatch(r"\d{1,3}", value.strip()):
        return value
    decade = int(value) // 10 * 10
    return f"{decade}-{decade + 9}"


def copy_redacted(database: duckdb.DuckDBPyConnection, dataset: str, redaction: Redaction) -> duckdb.DuckDBPyConnection:
    """A database in memory with the declared tables of `dataset`, redacted; `database` is closed."""
    copy = duckdb.connect()
    copy.execute("set timezone = 'UTC'")
    copy.execute(f'create schema "{dataset}"')
    with database:
        found = "select table_name, list(column_name) from duckdb_columns() where schema_name = ? group by 1"
        present = dict(database.execute(found, [dataset]).fetchall())
        speakers = _speakers(database, dataset, present)
        for table in TABLES.values():
            columns = [column.name for column in table.columns if column.name in present.get(table.name, ())]
            columns += [name for name in ("_dlt_load_id",) if name in present.get(table.name, ())]
            if columns:
                wanted = ", ".join(f'"{name}"' for name in columns)
                source = f'"{dataset}"."{table.name}"'
                _copy(database.sql(f"select {wanted} from {source}"), copy, source, table, redaction, speakers)  # noqa: S608 - names of ours
        if "_dlt_loads" in present:
            copy.register("loads", database.sql(f'select * from "{dataset}"._dlt_loads').to_arrow_table())  # noqa: S608 - a name of ours
            copy.execute(f'create table "{dataset}"._dlt_loads as from loads')
            copy.unregister("loads")
    return copy


def _speakers(
    database: duckdb.DuckDBPyConnection, dataset: str, present: Mapping[str, Sequence[str]]
) -> Mapping[str, Speakers]:
    named: defaultdict[str, list[str]] = defaultdict(list)
    if {"session_id", "speaker", "start_ms"} <= set(present.get("transcripts__cues", ())):
        sql = (
            f'select session_id, speaker from "{dataset}".transcripts__cues where speaker is not null'  # noqa: S608 - a name of ours
            " group by all order by min(start_ms)"
        )
        for session_id, speaker in database.execute(sql).fetchall():
            named[session_id].append(speaker)
    return {session_id: Speakers(names) for session_id, names in named.items()}


def _copy(
    found: duckdb.DuckDBPyRelation,
    copy: duckdb.DuckDBPyConnection,
    target: str,
    table: Table,
    redaction: Redaction,
    speakers: Mapping[str, Speakers],
) -> None:
    types = ", ".join(f'"{name}" {kind}' for name, kind in zip(found.columns, found.types, strict=True))
    copy.execute(f"create table {target} ({types})")
    reader = found.to_arrow_reader(_AT_A_TIME)
    whole = table.name == "session_details__demographics"  # how many share an answer is seen in all of them
    for batch in [pa.Table.from_batches(reader, reader.schema)] if whole else reader:
        rows = [_redacted(row, redaction, speakers) for row in batch.to_pylist()]
        if whole:
            rows = coarse(rows, redaction.keep)
        copy.register("batch", pa.Table.from_pylist(rows, schema=reader.schema))
        copy.execute(f"insert into {target} from batch")
        copy.unregister("batch")


def _redacted(row: Mapping[str, Any], redaction: Redaction, speakers: Mapping[str, Speakers]) -> dict[str, Any]:
    here = speakers.get(row.get("session_id") or "", _NOBODY)
    return {name: _value(name, value, redaction, here) for name, value in row.items()}


_NOBODY = Speakers()


def _value(name: str, value: Any, redaction: Redaction, speakers: Speakers) -> Any:
    if name == "participant_id":
        return redaction.participant(value)
    if name == "speaker":
        return speakers.code(value)
    if name == EXTRA:
        return None
    if not isinstance(value, str) or name.endswith(("_id", "_uuid", "_code")) or name in ("sha256", "listing_mark"):
        return value
    return speakers.masked(value)

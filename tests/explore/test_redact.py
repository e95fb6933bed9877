"""Redacted data: what names a person is gone, from every column that can be read."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.errors import ConfigurationError
from usertesting_source.explore.reading import Data
from usertesting_source.explore.redact import Redaction, Speakers, coarse, masked, redaction_from_settings
from usertesting_source.tables.schema import TABLES

KEY = "a key that nobody guesses"
REDACTION = Redaction(KEY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jo.doe+shop@example.co.uk please", "write to [e-mail] please"),
        ("my number is +49 (0)30 1234-5678.", "my number is [phone]."),
        ("call 555-123-4567 now", "call [phone] now"),
        ("it is 4111 1111 1111 1111", "it is [card]"),
        ("4111111111111111", "[card]"),
        ("order 123456789 came", "order [number] came"),
        ("it cost 1,299.00 in 2026, 3 times", "it cost 1,299.00 in 2026, 3 times"),
        ("on 2026-11-03 10:15 I called", "on 2026-11-03 10:15 I called"),
        ("00:01:02.000 --> 00:01:05.500\nHello", "00:01:02.000 --> 00:01:05.500\nHello"),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ("١٢٣٤٥٦٧٨٩", "[number]"),
        ("", ""),
    ],
)
def test_addresses_and_numbers_are_masked(text: str, expected: str) -> None:
    """E-mail, phone, card and other long numbers; prices, dates, times and ids stay."""
    assert masked(text) == expected


@given(st.text() | st.from_regex(r"[\d .()+-]{0,40}") | st.emails())
def test_masking_twice_is_masking_once(text: str) -> None:
    """And what is left holds no address."""
    once = masked(text)
    assert masked(once) == once


@given(st.emails().filter(lambda email: email.isascii() and '"' not in email and "'" not in email))
def test_no_address_is_left(email: str) -> None:
    """Whatever stands around it."""
    assert email.rpartition("@")[2] not in masked(f"it is {email} you see")


def test_speakers_are_numbered_in_the_order_in_which_they_speak() -> None:
    """In voice tags, and where they call each other by name; what somebody is stays."""
    speakers = Speakers(["Moderator", "Maria Lopez", "Will"])
    assert [speakers.code(name) for name in ("Moderator", "Maria Lopez", "Will", "Else", None)] == [
        *("Moderator", "Speaker 1", "Speaker 2", "Speaker", None)
    ]
    said = speakers.masked("<v Maria Lopez>Thank you Maria, I will. <v Moderator>And Will? <v.loud Will>No")
    assert said == "<v Speaker 1>Thank you [name], I will. <v Moderator>And [name]? <v Speaker 2>No"


def test_codes_are_stable_and_belong_to_a_key() -> None:
    """The same person has the same code in every export; with another key, another one."""
    assert REDACTION.participant("p1") == REDACTION.participant("p1")
    assert REDACTION.participant("p1") != REDACTION.participant("p2")
    assert REDACTION.participant("p1") != Redaction(KEY + "!").participant("p1")
    assert REDACTION.participant(None) is None
    assert len({REDACTION.participant(str(number)) for number in range(20_000)}) == 20_000


def test_demographics_are_left_out_or_coarse() -> None:
    """Ages as decades, and what few people share as `(other)`."""
    rows = [
        {"demographic_code": code, "value": value, "participant_id": f"p{number}", "session_id": f"s{number}"}
        for number in range(12)
        for code, value in (("AGE", str(30 + number % 10)), ("COUNTRY", "X" if number < 2 else "Y"), ("INCOME", "low"))
    ]
    assert coarse(rows, frozenset()) == []
    kept = coarse(rows, frozenset({"AGE", "COUNTRY"}))
    assert {row["value"] for row in kept if row["demographic_code"] == "AGE"} == {"30-39"}
    assert {row["value"] for row in kept if row["participant_id"] == "p1"} == {"30-39", "(other)"}
    assert {row["demographic_code"] for row in kept} == {"AGE", "COUNTRY"}


def test_the_key_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """None, or one that can be guessed, is refused with the remedy; the demo needs none."""
    with pytest.raises(ConfigurationError, match="token_hex"):
        redaction_from_settings()
    assert redaction_from_settings(demo=True).key
    monkeypatch.setenv("EXPLORE__REDACT_KEY", "short")
    with pytest.raises(ConfigurationError, match="16 characters") as refused:
        redaction_from_settings()
    assert "short" not in str(refused.value)
    monkeypatch.setenv("EXPLORE__REDACT_KEY", KEY)
    monkeypatch.setenv("EXPLORE__KEEP_DEMOGRAPHICS", '["GENDER"]')
    assert redaction_from_settings() == Redaction(KEY, frozenset({"GENDER"}))


@pytest.fixture
def named(demo: Path) -> Path:
    """The demo's data, in which a participant gives names, addresses and numbers wherever there is room for words."""
    path = demo / "named.duckdb"
    (demo / "usertesting_demo.duckdb").rename(path)
    with duckdb.connect(str(path)) as database:
        database.execute("use usertesting")
        there = {row[0] for row in database.execute("select table_name from duckdb_tables()").fetchall()}
        for table in (table for table in TABLES.values() if table.name in there):
            for column in table.columns:
                if column.data_type == "text" and not column.name.endswith(
                    ("_id", "_uuid", "_code", "type", "sha256", "_mark")
                ):
                    sql = f'update {table.name} set "{column.name}" = concat("{column.name}", ?)'
                    sql += f' where "{column.name}" is not null'
                    database.execute(sql, [" Zoe Quark, zoe@example.org, 4111 1111 1111 1111"])
                if column.data_type == "json" and table.name != "qx_scores":
                    database.execute(
                        f'update {table.name} set "{column.name}" = ?', [json.dumps({"mail": "zoe@example.org"})]
                    )
        database.execute("update transcripts__cues set speaker = 'Zoe Quark'")
        database.execute("alter table session_details add column secret text default 'Zoe Quark'")
    return path


def test_nothing_that_names_a_person_can_be_read(named: Path) -> None:
    """Not in any column of any table or view, nor in one that no table declares."""
    with Data(named) as data:
        people = {row["participant_id"] for row in data.rows("select participant_id from session_details")}
    with Data(named, redaction=REDACTION) as data:
        listed = data.rows("select schema_name, table_name from duckdb_tables() where not internal")
        views = data.rows("select view_name as name from duckdb_views() where not internal")
        names = [f'"{row["schema_name"]}"."{row["table_name"]}"' for row in listed] + [row["name"] for row in views]
        assert len(names) > 15
        for name in names:
            content = str(data.database.execute(f"from {name}").fetchall())
            for secret in ("zoe@example.org", "4111 1111", *people):
                assert secret not in content, (name, secret)
        spoken = [row["speaker"] for row in data.rows("select distinct speaker from transcripts__cues")]
        assert spoken == ["Speaker 1"]
        said = data.rows("select text from transcripts__cues union all select transcript_plain_text from transcripts")
        assert all("Zoe" not in row["text"] for row in said)
        assert "secret" not in [row["column_name"] for row in data.rows("describe usertesting.session_details")]
        assert data.rows("select count(*) as n from demographics") == [{"n": 0}]


def test_numbers_stay_what_they_are(demo: Path) -> None:
    """The KPIs of redacted data are those of the data."""
    path = demo / "usertesting_demo_snapshot.duckdb"
    with Data(path) as data, Data(path, redaction=REDACTION) as redacted:
        for sql in (
            "from test_kpis order by test_id",
            "from task_kpis order by test_id, task_number",
            "from load_status order by test_id",
        ):
            for one, other in zip(redacted.rows(sql), data.rows(sql), strict=True):
                differ = {name: (value, other[name]) for name, value in one.items() if value != other[name]}
                assert all(value == pytest.approx(real) for value, real in differ.values()), differ

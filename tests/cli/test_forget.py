"""`usertesting forget`: a participant is gone from all that is stored here, and does not come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from tests.support.lab import Lab, ago, query
from usertesting_source.cli.command import make_pipeline
from usertesting_source.cli.main import main
from usertesting_source.explore.reading import opened
from usertesting_source.explore.redact import redaction_from_settings
from usertesting_source.explore.search import search
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.tables.schema import TABLES
from usertesting_source.warehouse.forget import BARED, EMPTIED, alone_with

WORDS = "unmistakable quokka"


class House(Lab):
    """The folder of somebody who loads everything, videos too; one participant said what no other did."""

    person: str
    session: str

    def pipeline(self, name: str = "usertesting", **_place: str) -> Any:
        """As the commands make it."""
        return make_pipeline(name, "duckdb", "usertesting", demo=False)

    def tables(self, file: str) -> dict[str, str]:
        """All that is in each table of a DuckDB file, dlt's staging too."""
        with duckdb.connect(str(self.folder / file), read_only=True) as database:
            names = database.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
            return {name: str(database.execute(f"from {name}").fetchall()) for (name,) in names}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Three sessions, all loaded, and a search index."""
    monkeypatch.setenv("SOURCES__USERTESTING__VIDEO_BUCKET_URL", f"file://{tmp_path}/videos")
    with SampleApi([simple_study(n=3, newest=ago(hours=1), product_type="THINK_OUT_LOUD")], rate_limit=None) as api:
        made = House(api, tmp_path, video_bucket_url=f"file://{tmp_path}/videos")
        made.session = api.state.listing(api.test_ids[0])[0].session_id
        cue = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{WORDS}\n"
        api.change_session(made.session, transcript=cue)
        assert made.load().exit_code == 0
        sql = f"select participant_id from session_details where session_id = '{made.session}'"
        ((made.person,),) = query(made.pipeline(), sql)
        with opened(made.pipeline()) as data:
            assert search(data, "quokka")
        yield made


def run(*arguments: str, **options: Any) -> Result:
    """The command."""
    return CliRunner().invoke(main, ["forget", *arguments], **options)


def test_nothing_of_the_person_is_left(house: House) -> None:
    """In no table of the loader's file or the snapshot, nor between their rows; no video, no hit; and all is told."""
    video = house.folder / "videos" / house.api.test_ids[0] / f"{house.session}.mp4"
    assert video.exists()
    assert any(WORDS in content for content in house.tables("usertesting_data.duckdb").values())
    result = run(house.person, "--yes")
    assert result.exit_code == 0, result.stderr
    assert "Forgotten: 1 session and 1 video, in the tables, the snapshot, the search index." in result.stdout
    assert "Not reached from here: UserTesting itself" in " ".join(result.stdout.split())
    assert not video.exists()
    for file in ("usertesting_data.duckdb", "usertesting_snapshot.duckdb"):
        for table, content in house.tables(file).items():
            assert house.person not in content, table
            assert WORDS not in content, table
    for path in house.folder.glob("usertesting_*"):
        raw = path.read_bytes()
        assert b"quokka" not in raw, path
        assert house.person.encode() not in raw, path
    with opened(house.pipeline()) as data:
        assert search(data, "quokka") == []
        assert len(data.rows("select * from session_details")) == 3
    again = run(house.person, "--yes")
    assert again.exit_code == 1
    assert "is forgotten already" in again.stderr


@pytest.mark.parametrize("full", [False, True])
def test_the_person_does_not_come_back(house: House, full: bool) -> None:
    """No later load asks for anything of the session, neither `--full` nor one after it is listed otherwise."""
    assert run(house.person, "--yes").exit_code == 0
    house.api.change_session(house.session, finished=ago(minutes=1))
    before = house.api.count()
    assert house.load(full=full).exit_code == 0
    requests = house.api.requests()[before:]
    assert requests
    assert not [request.path for request in requests if house.session in request.path]
    if full:
        assert any("transcript" in request.path for request in requests)
    assert not any(WORDS in content for content in house.tables("usertesting_data.duckdb").values())
    assert house.load().exit_code == 0


def test_a_code_or_a_session_names_the_person_too(house: House) -> None:
    """The code that `--redact` gives with the same key, or the id of a session that is known from elsewhere."""
    key = "a key that nobody guesses"
    settings = {"EXPLORE__REDACT_KEY": key}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORE__REDACT_KEY", key)
        code = redaction_from_settings().participant(house.person)
    assert code
    declined = run(code, env=settings, input="n\n")
    assert "Forget 1 session and 1 video" in declined.stdout
    assert "Nothing was changed." in declined.stdout
    assert run(house.session, "--yes").exit_code == 0
    assert house.person not in str(house.tables("usertesting_data.duckdb"))


def test_every_table_of_sessions_is_thought_of() -> None:
    """A new one is emptied or bared as well, and what is bared has its columns."""
    of_sessions = {name for name, table in TABLES.items() if "session_id" in [column.name for column in table.columns]}
    assert of_sessions == {*EMPTIED, *BARED}
    for name, columns in BARED.items():
        assert set(columns) <= {column.name for column in TABLES[name].columns}


def test_refused_before_anything_is_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody of that name; a bucket that is not set any more; a load that is running."""
    assert "No session of 'nobody' is loaded" in run("nobody", "--yes").stderr
    monkeypatch.delenv("SOURCES__USERTESTING__VIDEO_BUCKET_URL")
    assert "video_bucket_url` is not set" in run(house.person, "--yes").stderr
    monkeypatch.setenv("SOURCES__USERTESTING__VIDEO_BUCKET_URL", f"file://{house.folder}/elsewhere")
    assert "is not in `sources.usertesting.video_bucket_url`" in run(house.person, "--yes").stderr
    with alone_with(house.pipeline()):
        assert run(house.person, "--yes").stdout == "A load is running: wait until it has ended, then forget.\n"
    assert any(WORDS in content for content in house.tables("usertesting_data.duckdb").values())

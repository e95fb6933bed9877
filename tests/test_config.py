"""Settings: from arguments, the environment and TOML; each wrong one named, with a remedy, before any request."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from usertesting_source import ConfigurationError, usertesting_source
from usertesting_source.config import DEFAULT_RESOURCES, Settings, UserTestingCredentials

TEST = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER = "41f72104-5f84-44fa-a16a-03f5751596ec"
SECRET = "s3cret-of-this-test"


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets keys of `sources.usertesting` in the environment; one test and credentials are set already."""

    def put(**keys: str | None) -> None:
        for key, value in keys.items():
            name = f"SOURCES__USERTESTING__{key.upper()}"
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    put(test_ids=json.dumps([TEST]), credentials__client_id="cid", credentials__client_secret=SECRET)
    return put


def built(**arguments: Any) -> Settings:
    """The settings of a source built with `arguments`."""
    settings: Settings = usertesting_source(**arguments).poll.settings
    return settings


# -- where settings come from ---------------------------------------------------------


@pytest.mark.parametrize(
    "text", [f'["{TEST}", "{OTHER}"]', f"{TEST},{OTHER}", f" {TEST} , {OTHER},", f"[{TEST}, '{OTHER}']"]
)
def test_lists_in_the_environment_are_json_or_have_commas(env: Callable[..., None], text: str) -> None:
    """Both are what people write."""
    env(test_ids=text)
    assert built().test_ids == (TEST, OTHER)


@pytest.mark.parametrize("value", [[TEST, OTHER], (TEST.upper(), OTHER), f"{TEST},{OTHER}", [TEST, OTHER, TEST]])
def test_lists_can_be_arguments(value: object) -> None:
    """In any case, and each only once."""
    assert built(test_ids=value).test_ids == (TEST, OTHER)


def test_a_single_id_is_a_list_of_one(env: Callable[..., None]) -> None:
    """Also the star for all workspaces."""
    env(test_ids=TEST, workspace_ids="*", resources="sessions")
    settings = built()
    assert (settings.test_ids, settings.workspace_ids, settings.resources) == ((TEST,), ("*",), ("sessions",))


@pytest.mark.parametrize(
    "value", ["2026-01-31", "2026-01-31T00:00:00Z", "2026-01-31 01:00:00+01:00", "2026-01-31T00:00"]
)
def test_dates_in_the_environment_are_iso(env: Callable[..., None], value: str) -> None:
    """UTC, unless they say otherwise."""
    env(start_date=value)
    assert built().start_date == datetime(2026, 1, 31, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "value",
    [
        date(2026, 1, 31),
        datetime(2026, 1, 31),  # noqa: DTZ001 - one without a zone is the point
        datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_dates_can_be_arguments(value: object) -> None:
    """Dates and moments, with or without a zone."""
    assert built(start_date=value).start_date == datetime(2026, 1, 31, tzinfo=timezone.utc)


@pytest.fixture
def toml(tmp_path: Path, env: Callable[..., None]) -> Iterator[Callable[[str, str], None]]:
    """Writes .dlt/config.toml and .dlt/secrets.toml; nothing is in the environment any more."""
    env(test_ids=None, credentials__client_id=None, credentials__client_secret=None)
    (tmp_path / ".dlt").mkdir()
    context = Container()[PluggableRunContext]

    def write(config: str, secrets: str) -> None:
        (tmp_path / ".dlt" / "config.toml").write_text(config)
        (tmp_path / ".dlt" / "secrets.toml").write_text(secrets)
        context.reload(str(tmp_path))

    yield write
    shutil.rmtree(tmp_path / ".dlt")
    context.reload(None)


@pytest.mark.parametrize("start", ["2026-01-31", '"2026-01-31"', "2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00"])
def test_everything_can_be_toml(toml: Callable[[str, str], None], start: str) -> None:
    """Lists are lists, dates are dates or texts, numbers may be whole."""
    toml(
        f"""
        [sources.usertesting]
        test_ids = ["{TEST}"]
        workspace_ids = ["*"]
        start_date = {start}
        rate_limit = 5
        rate_period = 30
        overlap_days = 2.5
        resources = ["tests", "sessions"]
        """,
        f"""
        [sources.usertesting.credentials]
        client_id = "cid"
        client_secret = "{SECRET}"
        """,
    )
    settings = built()
    assert (settings.test_ids, settings.workspace_ids) == ((TEST,), ("*",))
    assert settings.start_date == datetime(2026, 1, 31, tzinfo=timezone.utc)
    assert (settings.rate_limit, settings.rate_period, settings.overlap_days) == (5, 30.0, 2.5)
    assert settings.resources == ("tests", "sessions")
    assert (settings.credentials.client_id, settings.credentials.client_secret) == ("cid", SECRET)


@pytest.mark.parametrize(
    "credentials",
    [
        {"access_token": "abc"},
        UserTestingCredentials(access_token="abc"),
        "abc",
        '{"access_token": "abc"}',
    ],
)
def test_credentials_can_be_an_argument(env: Callable[..., None], credentials: Any) -> None:
    """A dict, the spec, a token, or JSON."""
    env(credentials__client_id=None, credentials__client_secret=None)
    found = built(credentials=credentials).credentials
    assert (found.access_token, found.client_id) == ("abc", None)


@pytest.mark.parametrize("text", ["abc", '{"access_token": "abc", "note": "more"}'])
def test_credentials_can_be_one_variable(env: Callable[..., None], text: str) -> None:
    """A token, or JSON as secret stores hand it out."""
    env(credentials__client_id=None, credentials__client_secret=None, credentials=text)
    assert built().credentials.access_token == "abc"


@pytest.mark.parametrize("end", ["\n", "\r\n", " \t"])
def test_credentials_may_end_in_a_line_break(env: Callable[..., None], end: str) -> None:
    """Files and environment variables often do."""
    env(credentials__client_id=f"cid{end}", credentials__client_secret=f"{SECRET}{end}")
    env(credentials__access_token=f"abc{end}")
    assert built()


def test_videos_are_loaded_once_there_is_a_place_for_them(env: Callable[..., None]) -> None:
    """Unless the resources are chosen."""
    assert built().resources == DEFAULT_RESOURCES
    env(video_bucket_url="file:///data/videos")
    assert built().resources == (*DEFAULT_RESOURCES, "session_videos")
    env(resources="sessions")
    assert built().resources == ("sessions",)


def test_addresses_may_end_in_a_slash(env: Callable[..., None]) -> None:
    """It makes no other API, and no other quota, of it."""
    env(base_url="https://api.example/")
    assert built().base_url == "https://api.example"


def test_the_folder_of_the_quota_may_begin_at_home(env: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """As people write paths; without the setting the quota itself knows where."""
    assert built().quota_dir is None
    monkeypatch.setenv("HOME", "/home/somebody")
    env(quota_dir="~/quota")
    assert built().quota_dir == "/home/somebody/quota"
    assert built(quota_dir="/var/lib/usertesting/").quota_dir == "/var/lib/usertesting"
    assert built(quota_dir="").quota_dir is None


# -- wrong settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"credentials__client_id": None},
            r"credentials\.client_secret` is set, .*client_id` is not.*__CLIENT_ID",
        ),
        (
            {"credentials__client_secret": None},
            r"client_id` is set, .*client_secret` is not.*secrets\.toml.*__CLIENT_SECRET",
        ),
        ({"credentials__client_secret": ""}, "client_secret` is not: both belong together"),
        (
            {"credentials__client_id": None, "credentials__client_secret": None},
            "No credentials: set .*SOURCES__USERTESTING__CREDENTIALS__CLIENT_ID.*UserTesting support issues them",
        ),
        ({"credentials__access_token": "Bearer abc"}, "access_token` holds characters .*copy it anew"),
        ({"credentials__access_token": "eyJ…abc"}, "access_token` holds characters .*copy it anew"),
        ({"credentials__access_token": "abc\ndef"}, "access_token` holds .* or a line break: copy it anew"),
        ({"credentials__access_token": "abc\x1bdef"}, "access_token` holds characters"),
        ({"credentials__client_secret": f"{SECRET}\nmore"}, "client_secret` holds a line break, .*copy it anew"),
        ({"credentials__client_secret": f"{SECRET}\x07"}, "client_secret` holds a line break, or another character"),
        ({"credentials__client_id": "c\rid"}, "client_id` holds a line break"),
        ({"test_ids": None}, r"Nothing to load: list test ids in .*test_ids.*\[\"\*\"\]"),
        ({"test_ids": "[]"}, "Nothing to load"),
        ({"test_ids": "12345"}, "test_ids` cannot be '12345': a test id is a UUID such as .*classic tests"),
        ({"test_ids": TEST.replace("-", "")}, "a test id is a UUID such as"),
        ({"test_ids": f"{TEST},{TEST[:-1]}"}, f"cannot be '{TEST[:-1]}': a test id is a UUID"),
        ({"workspace_ids": "Research"}, "workspace_ids` cannot be 'Research': give workspace UUIDs, or"),
        ({"start_date": "yesterday"}, "start_date` cannot be 'yesterday': write it as 2026-01-31"),
        ({"start_date": "2026-02-30"}, "start_date` cannot be '2026-02-30'"),
        ({"start_date": "1769817600"}, "start_date` cannot be"),
        ({"base_url": "api.example"}, "base_url` cannot be 'api.example': give a full address"),
        ({"base_url": "https://api.example:port"}, "base_url` cannot be"),
        ({"base_url": "ftp://api.example"}, "base_url` cannot be"),
        ({"base_url": "https://api.example/api/v2/"}, "base_url` cannot be .*leave out the path"),
        ({"base_url": "https://api.example/usertesting/api"}, "leave out the path"),
        ({"token_url": "auth.example/token"}, "token_url` cannot be"),
        ({"rate_limit": "-1"}, "rate_limit` cannot be -1: give a number of at least 0"),
        ({"rate_period": "0"}, r"rate_period` cannot be 0\.0: give a number of at least 0\.001"),
        ({"rate_period": "nan"}, "rate_period` cannot be nan"),
        ({"rate_period": "inf"}, "rate_period` cannot be inf"),
        ({"quota_dir": "quota"}, "quota_dir` cannot be 'quota': give the full path of a folder on this machine"),
        ({"quota_dir": "s3://bucket/quota"}, "quota_dir` cannot be"),
        ({"quota_dir": "~nobody-of-that-name/quota"}, "quota_dir` cannot be"),
        ({"overlap_days": "-0.5"}, r"overlap_days` cannot be -0\.5"),
        ({"quiet_test_days": "-1"}, "quiet_test_days` cannot be -1"),
        ({"transcript_wait_hours": "-1"}, "transcript_wait_hours` cannot be -1"),
        ({"transcript_chunk_chars": "-1"}, "transcript_chunk_chars` cannot be -1"),
        ({"video_concurrency": "0"}, "video_concurrency` cannot be 0: give a number of at least 1"),
        (
            {"resources": "session, tests"},
            "resources` cannot be 'session': choose from tests, sessions, session_details",
        ),
        (
            {"resources": "session_videos"},
            r"names session_videos, but `sources\.usertesting\.video_bucket_url` is not set",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    env: Callable[..., None], keys: dict[str, str | None], says: str
) -> None:
    """Key, value and what to do; never a secret."""
    env(**keys)
    with pytest.raises(ConfigurationError, match=says) as caught:
        usertesting_source()
    assert SECRET not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"rate_limit": 10.5}, r"rate_limit` cannot be 10\.5: give a whole number"),
        ({"rate_limit": True}, "rate_limit` cannot be True"),
        ({"rate_limit": "7"}, "rate_limit` cannot be '7'"),
        ({"video_concurrency": 1.5}, r"video_concurrency` cannot be 1\.5"),
        ({"test_ids": [5]}, r"test_ids` cannot be \[5\]: give a list of texts"),
        ({"test_ids": 5}, "test_ids` cannot be 5"),
        (
            {"base_url": "https://name:pass-word@api.example"},
            "base_url` holds more than an address .host api.example.",
        ),
        (
            {"token_url": "https://auth.example/token?secret=pass-word"},
            "token_url` holds more than an address",
        ),
        ({"credentials": {}, "test_ids": []}, "Nothing to load"),
    ],
)
def test_a_wrong_argument_is_named_with_its_remedy(arguments: dict[str, Any], says: str) -> None:
    """As in the environment."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        usertesting_source(**arguments)
    assert "pass-word" not in str(caught.value)


# -- building ------------------------------------------------------------------------------

_seen: list[str] = []
_watching = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or not event.startswith(("open", "os.", "socket.", "sqlite3.", "subprocess.", "tempfile.")):
        return
    if not str(arguments[0]).startswith("/run/secrets/"):  # one of the places where dlt looks for each secret
        _seen.append(f"{event} {arguments}")


def test_building_a_source_opens_nothing_and_is_quick(tmp_path: Path, env: Callable[..., None]) -> None:
    """Schedulers do it every few seconds: no file, no folder, no socket; a hundredth of a second or so."""
    global _watching  # noqa: PLW0603 - audit hooks are for ever
    env(video_bucket_url="s3://bucket/videos", workspace_ids="*")
    usertesting_source()  # imports, and dlt reads its configuration files once
    sys.addaudithook(_audit)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        _watching = True
        usertesting_source()
        _watching = False
        took.append(time.perf_counter() - began)
    assert _seen == []
    assert min(took) < 0.2
    assert list(tmp_path.iterdir()) == []

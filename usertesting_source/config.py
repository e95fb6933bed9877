"""
Settings of the source, checked before the first request: an error names the key, the value and the remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from .errors import ConfigurationError, UserTestingError
from .times import parse_time

SECTION = "sources.usertesting"
BASE_URL = "https://api.use2.usertesting.com"
TOKEN_URL = "https://auth.usertesting.com/oauth2/aus1p3vtd8vtm4Bxv0h8/v1/token"  # noqa: S105 - an address, no password
SCOPE = "studies:read"

ALL_RESOURCES = (
    "tests",
    "sessions",
    "session_details",
    "transcripts",
    "qx_scores",
    "session_videos",
    "clips",
    "highlight_reels",
)
DEFAULT_RESOURCES = ("tests", "sessions", "session_details", "transcripts", "qx_scores")
EVERY_WORKSPACE = "*"
DLT_KEYS = ("credentials", "max_table_nesting", "root_key", "schema_contract", "parallelized", "name")
"""What else dlt reads in the section of a source."""
_WHOLE = ("rate_limit", "transcript_chunk_chars", "video_concurrency")
_API_PATHS = ("/api", "/api/v1", "/api/v2", "/api/v3")


@configspec
class UserTestingCredentials(CredentialsConfiguration):
    """A ready `access_token`, or `client_id` and `client_secret`, which renew themselves."""

    access_token: TSecretStrValue | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None

    def parse_native_representation(self, native_value: Any) -> None:
        """Takes all from one text: JSON with the fields, else an access token; called by dlt."""
        if not isinstance(native_value, str):
            raise NotImplementedError
        try:
            fields = json.loads(native_value)
        except ValueError:
            fields = None
        for key, value in (fields if isinstance(fields, dict) else {"access_token": native_value}).items():
            if key in self:
                setattr(self, key, value)


@dataclass(frozen=True)
class Settings:
    """All settings of one source, checked. Times in seconds, days or hours as the names say."""

    credentials: UserTestingCredentials
    test_ids: tuple[str, ...] = ()
    workspace_ids: tuple[str, ...] = ()
    test_titles: tuple[str, ...] = ()
    exclude_test_ids: tuple[str, ...] = ()
    look_up_titles: bool = True
    start_date: datetime | None = None
    base_url: str = BASE_URL
    token_url: str = TOKEN_URL
    scope: str = SCOPE
    rate_limit: int = 10
    rate_period: float = 60.0
    quota_dir: str | None = None
    overlap_days: float = 15
    quiet_test_days: float = 30
    resources: tuple[str, ...] = DEFAULT_RESOURCES
    transcript_wait_hours: float = 72
    transcript_chunk_chars: int = 0
    video_bucket_url: str | None = None
    video_concurrency: int = 3
    snapshot: bool = True
    section: str = SECTION


@contextmanager
def named_for(section: str) -> Iterator[None]:
    """Errors name the section of a cloned source where they would name that of the source itself."""
    try:
        yield
    except UserTestingError as error:
        error.args = (in_section(str(error), section), *error.args[1:])
        raise


def in_section(text: str, section: str) -> str:
    """`text`, with the section and the environment variables of a cloned source in place of the source's own."""
    return text.replace(SECTION, section).replace(environment(SECTION), environment(section))


def check(settings: Settings) -> Settings:
    """
    `settings`, if they can be used; addresses without a slash at the end, folders without `~`.

    Raises:
        ConfigurationError: names the first key that cannot.

    """
    _check_credentials(settings.credentials)
    _check_ids(settings)
    _check_url("base_url", settings.base_url)
    _check_url("token_url", settings.token_url)
    _check_numbers(settings)
    check_resources(settings.resources, settings.video_bucket_url)
    return replace(settings, base_url=settings.base_url.rstrip("/"), quota_dir=_folder("quota_dir", settings.quota_dir))


def names(key: str, value: object) -> tuple[str, ...]:
    """A list setting: a list, or a text with commas, as environment variables and command lines have it."""
    if value is None:
        return ()
    items: list[object]
    if isinstance(value, str):
        items = list(value.strip().removeprefix("[").removesuffix("]").split(","))
    else:
        items = list(value) if isinstance(value, Iterable) else [value]
    if not all(isinstance(item, str) for item in items):
        raise _wrong(key, value, "give a list of texts")
    unquoted = (str(item).strip().strip("\"'") for item in items)
    return tuple(dict.fromkeys(item for item in unquoted if item))


def date(key: str, value: object) -> datetime | None:
    """A date setting: `2026-01-31`, a full timestamp, or what TOML makes of them; without an offset it is UTC."""
    if value is None or value == "":
        return None
    text = str(value)
    moment = parse_time(value) or parse_time(text) or parse_time(f"{text}T00:00:00")
    if moment is None:
        raise _wrong(key, value, "write it as 2026-01-31 or 2026-01-31T08:00:00Z")
    return moment


def check_resources(resources: Sequence[str], video_bucket_url: str | None) -> None:
    """
    Checks names of resources.

    Raises:
        ConfigurationError: a name is unknown, there is none, or videos have nowhere to go.

    """
    unknown = [name for name in resources if name not in ALL_RESOURCES]
    if unknown or not resources:
        raise _wrong("resources", ", ".join(unknown), f"choose from {', '.join(ALL_RESOURCES)}")
    if "session_videos" in resources and not video_bucket_url:
        raise ConfigurationError(
            f"`{SECTION}.resources` names session_videos, but `{SECTION}.video_bucket_url` is not set: say where"
            " videos are to be stored, such as s3://bucket/videos or file:///data/videos."
        )


def check_keys(section: str, keys: Iterable[str]) -> None:
    """
    Checks the names of the settings in a section, as files and environment have them.

    Raises:
        ConfigurationError: one is no setting of the source; names the one that may have been meant.

    """
    known = {one.name for one in fields(Settings)} - {"section"} | set(DLT_KEYS)
    for key in keys:
        if key.lower() not in known:
            close = get_close_matches(key.lower(), known, 1)
            meant = f"did you mean `{close[0]}`" if close else f"there are {', '.join(sorted(known))}"
            raise ConfigurationError(f"`{section}.{key}` is no setting: {meant}?")


def wrong(key: str, value: object, remedy: str) -> ConfigurationError:
    """The error for a setting that cannot be used; `key` with all its sections."""
    return ConfigurationError(f"`{key}` cannot be {value!r}: {remedy}.")


def environment(key: str) -> str:
    """The environment variable of a setting; `key` with all its sections."""
    return key.upper().replace(".", "__")


def is_uuid(value: str) -> bool:
    """Whether `value` is a UUID as the API wants it: with hyphens."""
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


def is_token(value: str) -> bool:
    """Whether `value` can be sent in a header, as a token is."""
    return value != "" and value.isascii() and value.isprintable() and " " not in value


def _check_credentials(credentials: UserTestingCredentials) -> None:
    key = f"{SECTION}.credentials"
    has_id, has_secret = bool(credentials.client_id), bool(credentials.client_secret)
    if has_id != has_secret:
        here, gone = ("client_id", "client_secret") if has_id else ("client_secret", "client_id")
        raise ConfigurationError(
            f"`{key}.{here}` is set, `{key}.{gone}` is not: both belong together. Put them into .dlt/secrets.toml, or"
            f" set {environment(f'{key}.{gone}')}."
        )
    if not has_id and not credentials.access_token:
        raise ConfigurationError(
            f"No credentials: set `{key}.client_id` and `{key}.client_secret` (or `{key}.access_token`) in"
            f" .dlt/secrets.toml, or {environment(f'{key}.client_id')} and"
            f" {environment(f'{key}.client_secret')} in the environment. UserTesting support issues them."
        )
    token = (credentials.access_token or "").strip()
    if token and not is_token(token):
        raise ConfigurationError(
            f"`{key}.access_token` holds characters that no token has, such as blanks or a line break: copy it anew,"
            " without `Bearer`."
        )
    for name in ("client_id", "client_secret"):
        if not (getattr(credentials, name) or "").strip().isprintable():
            raise ConfigurationError(
                f"`{key}.{name}` holds a line break, or another character that cannot be seen: copy it anew."
            )


def _check_ids(settings: Settings) -> None:
    if not settings.test_ids and not settings.workspace_ids and not settings.test_titles:
        raise ConfigurationError(
            f"Nothing to load: list test ids in `{SECTION}.test_ids` (the UUID in the address of a test's results"
            f' page), or workspaces in `{SECTION}.workspace_ids` (["*"]: all that the credentials see).'
            " `usertesting tests --pick` lists them and writes what you choose."
        )
    for key, test_id in (
        *(("test_ids", test_id) for test_id in settings.test_ids),
        *(("exclude_test_ids", test_id) for test_id in settings.exclude_test_ids),
    ):
        if not is_uuid(test_id):
            raise _wrong(
                key,
                test_id,
                "a test id is a UUID such as 3fa85f64-5717-4562-b3fc-2c963f66afa6, found in the address of the test's"
                " results page; numbers belong to classic tests, which this API does not serve",
            )
    for workspace_id in settings.workspace_ids:
        if workspace_id != EVERY_WORKSPACE and not is_uuid(workspace_id):
            raise _wrong("workspace_ids", workspace_id, 'give workspace UUIDs, or "*" for all of them')


def _check_url(key: str, value: str) -> None:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except (ValueError, AttributeError):  # a port that is no number, a value that is no text
        good = False
    if not good:
        raise _wrong(key, value, "give a full address such as https://api.use2.usertesting.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"`{SECTION}.{key}` holds more than an address (host {parts.hostname}): leave out user, password, ? and #;"
            f" credentials belong into `{SECTION}.credentials`."
        )
    if key == "base_url" and parts.path.rstrip("/").endswith(_API_PATHS):
        raise _wrong(
            key,
            value,
            "leave out the path, such as /api/v2: it differs between the API's parts, and is added",
        )


def _folder(key: str, value: str | None) -> str | None:
    """A folder setting, `~` being the user's home; the same whatever the working folder is."""
    if value is None:
        return None
    try:
        folder = Path(value).expanduser()
        good = folder.is_absolute() and "\0" not in value
    except (TypeError, RuntimeError):  # a value that is no text, a user who is not known
        good = False
    if not good:
        raise _wrong(key, value, "give the full path of a folder on this machine, such as /var/lib/usertesting")
    return str(folder)


def _check_numbers(settings: Settings) -> None:
    least: dict[str, float] = {
        "rate_limit": 0,
        "rate_period": 0.001,
        "overlap_days": 0,
        "quiet_test_days": 0,
        "transcript_wait_hours": 0,
        "transcript_chunk_chars": 0,
        "video_concurrency": 1,
    }
    for key, minimum in least.items():
        value = getattr(settings, key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not minimum <= value < float("inf"):
            raise _wrong(key, value, f"give a number of at least {minimum:g}")
        if key in _WHOLE and value != int(value):
            raise _wrong(key, value, "give a whole number")


def _wrong(key: str, value: object, remedy: str) -> ConfigurationError:
    return wrong(f"{SECTION}.{key}", value, remedy)

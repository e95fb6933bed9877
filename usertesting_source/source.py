"""The dlt source: its arguments, and how it is put together."""

from __future__ import annotations

import os
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.schema import Schema
from dlt.extract import DltSource

from . import config
from .config import Settings, UserTestingCredentials
from .extract.poll import Poll
from .extract.resources import Resources
from .tables.schema import propagation
from .warehouse.loaded import LoadedSessions


class UserTestingSource(DltSource):
    """The source; `poll` is what its resources, and their clones, share."""

    poll: Poll

    @classmethod
    def from_data(cls, schema: Schema, section: str, data: Any) -> UserTestingSource:
        """Makes the source of a `Resources`; called by dlt."""
        source = super().from_data(schema, section, data.as_dlt())
        source.poll = data.poll
        return source

    def clone(self, with_name: str | None = None) -> UserTestingSource:
        """A copy as dlt makes it, that shares what is listed."""
        schema = self.schema.clone(with_name=with_name) if with_name else self.schema.clone()
        source = type(self)(schema, self.section, list(self._resources.values()))
        source.poll = self.poll
        return source


@dlt.source(name="usertesting", section="usertesting", _impl_cls=UserTestingSource)
def usertesting_source(
    credentials: UserTestingCredentials = dlt.secrets.value,
    test_ids: Any = None,  # lists default to None: dlt would coerce a text to the type of the default
    workspace_ids: Any = None,
    test_titles: Any = None,
    exclude_test_ids: Any = None,
    look_up_titles: bool = True,
    start_date: Any = None,
    base_url: str = config.BASE_URL,
    token_url: str = config.TOKEN_URL,
    scope: str = config.SCOPE,
    rate_limit: int = 10,
    rate_period: float = 60.0,
    quota_dir: str | None = None,
    overlap_days: float = 15,
    quiet_test_days: float = 30,
    resources: Any = None,
    transcript_wait_hours: float = 72,
    transcript_chunk_chars: int = 0,
    video_bucket_url: str | None = None,
    video_concurrency: int = 3,
    snapshot: bool = True,
) -> Any:
    """
    Completed sessions of UserTesting tests, with answers, transcripts and scores.

    Every argument can come from dlt's configuration (section `sources.usertesting`) as well. Building the source sends
    no request and touches no file.

    Args:
        credentials: `access_token`, or `client_id` and `client_secret`.
        test_ids: UUIDs of tests.
        workspace_ids: UUIDs of workspaces whose tests are all loaded, or those of `test_ids` and `test_titles` that are
            there; `["*"]`: of every workspace that is visible.
        test_titles: tests by their titles, whatever the case; found through the workspaces.
        exclude_test_ids: tests that are not loaded, whoever names them.
        look_up_titles: tests that are named by ids alone are looked up in the workspaces, once a day, so that tables
            and messages have their titles.
        start_date: sessions that finished before are ignored; ISO date or timestamp, UTC.
        base_url: the API.
        token_url: where tokens are bought.
        scope: of the token.
        rate_limit: requests in `rate_period` seconds; 0: no limit of our own.
        rate_period: in seconds.
        quota_dir: where processes share the quota; default: a folder of the user's own.
        overlap_days: how far behind the newest session each run looks again.
        quiet_test_days: a test without a new session for so long is listed once a day; 0: always.
        resources: names of the resources to load.
        transcript_wait_hours: a transcript (or video) missing so long after the session finished is given up.
        transcript_chunk_chars: over 0: transcripts are also cut into chunks of at most so many characters.
        video_bucket_url: fsspec URL of a folder; when set, videos are stored there.
        video_concurrency: downloads at a time.
        snapshot: of a DuckDB file, publish a copy for readers after each run with news.

    Raises:
        ConfigurationError: a setting is missing or cannot be used.

    """
    section = ".".join(Container()[ConfigSectionContext].sections[:2])
    with config.named_for(section):
        config.check_keys(section, _keys(section))
        chosen = config.names("resources", resources)
        if not chosen:
            chosen = (*config.DEFAULT_RESOURCES, *(["session_videos"] if video_bucket_url else []))
        settings = Settings(
            credentials=credentials,
            test_ids=tuple(test_id.lower() for test_id in config.names("test_ids", test_ids)),
            workspace_ids=config.names("workspace_ids", workspace_ids),
            test_titles=config.names("test_titles", test_titles),
            exclude_test_ids=tuple(one.lower() for one in config.names("exclude_test_ids", exclude_test_ids)),
            look_up_titles=look_up_titles,
            start_date=config.date("start_date", start_date),
            base_url=base_url,
            token_url=token_url,
            scope=scope,
            rate_limit=rate_limit,
            rate_period=rate_period,
            quota_dir=quota_dir or None,
            overlap_days=overlap_days,
            quiet_test_days=quiet_test_days,
            resources=chosen,
            transcript_wait_hours=transcript_wait_hours,
            transcript_chunk_chars=transcript_chunk_chars,
            video_bucket_url=video_bucket_url or None,
            video_concurrency=video_concurrency,
            snapshot=snapshot,
            section=section,
        )
        settings = config.check(settings)
    schema = dlt.current.source_schema()
    ids = propagation(schema.naming.normalize_table_identifier)
    schema.data_item_normalizer.update_normalizer_config(schema, ids)
    return Resources(Poll(settings, LoadedSessions()))


def _keys(section: str) -> set[str]:
    """The names of what is set in a section: in the files that dlt has read, and in the environment."""
    sections: list[Any] = [dlt.config.get(section), dlt.secrets.get(section)]
    # tables in the section belong to its resources, or to dlt
    files = {key for one in sections if one for key, value in one.items() if not isinstance(value, dict)}
    prefix = config.environment(section) + "__"
    told = {key.removeprefix(prefix).lower() for key in os.environ if key.startswith(prefix)}
    return files | {key for key in told if "__" not in key}

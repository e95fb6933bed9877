"""No secret and no signed URL gets out: not into a log, an error, a trace, a state, a file or a table."""

from __future__ import annotations

import gzip
import io
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import dlt
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest

import usertesting_source
from usertesting_source import ApiUnavailable, CredentialsError, load
from usertesting_source.sample_api import Request, SampleApi, limits, simple_study

SECRET, WRONG_SECRET = "sample-s3cret-of-the-client", "another-s3cret-that-is-wrong"
RESOURCES = ["tests", "sessions", "session_details", "transcripts", "session_videos", "clips"]
PACKAGE = str(Path(usertesting_source.__file__).parent)


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers say from DEBUG on."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    loggers = [logging.getLogger(), logging.getLogger("dlt")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what caused it or was being handled."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        if (one := waiting.pop()) is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, getattr(one, "exception", None)]


def frames(trace: TracebackType | None) -> Iterator[str]:
    """The local variables of our functions, as error trackers send them."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(PACKAGE):
            yield repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


def told(error: BaseException) -> str:
    """All that an error and its causes tell."""
    parts = ["".join(traceback.format_exception(error))]
    for one in chain(error):
        parts += [str(one), repr(one), repr(vars(one)), *frames(one.__traceback__)]
    return "\n".join(parts)


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file as text, unpacked."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == ".mp4":
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet" and data.endswith(b"PAR1"):  # else it was never finished
            yield f"{path} as a table", str(pq.read_table(path).to_pylist())
        yield str(path), (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


def tables_of(pipeline: dlt.Pipeline) -> Iterator[tuple[str, str]]:
    """Every table of the warehouse, dlt's own included, as text."""
    with pipeline.sql_client() as client:
        names = client.execute_sql("select table_schema, table_name from information_schema.tables")
        for schema, name in names or []:
            place = name if schema == pipeline.dataset_name else f"{schema}.{name}"
            yield f"table {place}", str(client.execute_sql(f'select * from "{schema}"."{name}"'))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleApi]:
    """An API whose tokens look like any other word, so that they can be known by nothing but themselves."""
    monkeypatch.setattr(limits, "_jwt", lambda claims: f"opaque.{claims['jti']}.{'word' * 5}")
    newest = datetime.now(timezone.utc) - timedelta(hours=1)
    study = simple_study(n=6, product_type="THINK_OUT_LOUD", newest=newest)
    with SampleApi([study], rate_limit=None, client_secret=SECRET, video_bytes=5000) as api:
        issue = api.tokens.issue
        api.issued = []  # type: ignore[attr-defined] # for this test

        def remember(*arguments: Any) -> str:
            api.issued.append(issue(*arguments))  # type: ignore[attr-defined] # as above
            return api.issued[-1]  # type: ignore[attr-defined,no-any-return] # as above

        api.tokens.issue = remember  # type: ignore[assignment,method-assign] # to know them all
        yield api


def trouble(api: SampleApi) -> None:
    """Most of what can go wrong in a load that goes on nevertheless."""
    ids = [session.session_id for session in api.state.listing(api.test_ids[0])]
    api.faults.status = {("details", ids[0]): 500, ("transcript", ids[1]): 404, ("video_url", ids[2]): 503}
    api.faults.cut, api.faults.html, api.faults.truncated = {ids[3]}, {ids[4]}, {ids[5]}
    api.faults.drop_every = 9
    api.faults.echo = True
    api.faults.media_cut, api.faults.media_expired = 1, True

    def later(request: Request) -> None:
        if request.endpoint == "media":
            api.faults.media_expired = False
        if len(api.log) == 15:
            api.revoke_tokens()

    api.faults.on_request = later


def ends(api: SampleApi, pipeline: dlt.Pipeline, source: Callable[[], Any]) -> Iterator[BaseException]:
    """All ways for a run to end with an error of the API's; the API is gone afterwards."""
    api.faults.clear()
    api.faults.echo = True
    api.faults.status = {api.test_ids[0]: 401}
    for run in (load, lambda pipeline, source: pipeline.run(source)):
        with pytest.raises(Exception, match="401") as caught:
            run(pipeline, source())
        yield caught.value
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__USERTESTING__CREDENTIALS__CLIENT_SECRET", WRONG_SECRET)
        with pytest.raises(CredentialsError) as caught_too:
            load(pipeline, source())
        yield caught_too.value
    api.stop()
    with pytest.raises(ApiUnavailable) as caught_last:
        load(pipeline, source())
    yield caught_last.value


def test_nothing_gets_out(
    api: SampleApi,
    source_of: Callable[..., Any],
    pipeline_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A load at log level DEBUG with failures of every kind, videos included, then every way to end with an error."""
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SOURCES__USERTESTING__CREDENTIALS__CLIENT_ID", api.client_id)
    monkeypatch.setenv("SOURCES__USERTESTING__CREDENTIALS__CLIENT_SECRET", SECRET)
    videos, pipeline = tmp_path / "videos", pipeline_of()

    def source() -> Any:
        options = {"rate_limit": 10_000, "resources": RESOURCES, "video_bucket_url": videos.as_uri()}
        return source_of(api, credentials=dlt.secrets.value, **options)

    with everything_logged() as log:
        trouble(api)
        summary = load(pipeline, source(), raise_errors=False)
        errors = list(ends(api, pipeline, source))
    printed = capfd.readouterr()
    places = {
        "the log": log.getvalue(),
        "the output": printed.out + printed.err,
        **{f"error {number}": told(error) for number, error in enumerate(errors)},
        **dict(tables_of(pipeline)),
        **dict(files_below(tmp_path)),
    }
    hidden = {
        "a signature": "X-Amz-",
        "CloudFront's": "Key-Pair-Id",
        "a token": "?token=",
        "a secret": SECRET,
        "a wrong secret": WRONG_SECRET,
    }
    hidden |= {f"token {number}": token for number, token in enumerate(api.issued)}  # type: ignore[attr-defined] # see above
    assert [(place, name) for place, text in places.items() for name, value in hidden.items() if value in text] == []

    # what was looked through was really there
    for place in ("session_details", "session_details__tasks", "transcripts__cues", "load_issues", "clips"):
        assert "[removed]; see https://x.example/ http" in places[f"table {place}"], place
    assert "[removed]; see https://x.example/ http" in told(errors[0])
    assert "[removed]; see https://x.example/ http" in told(errors[-2])
    assert summary.tally.failed
    assert summary.rows["session_videos"] == len(list(videos.rglob("*.mp4"))) > 0
    assert len(api.issued) > 2  # type: ignore[attr-defined] # see above
    assert {"table session_videos", "table load_issues", "table _dlt_pipeline_state"} <= places.keys()
    assert all(any(part in place for place in places) for part in ("quota_", "trace.pickle", "state.json"))
    assert "/videoDownloadUrl" in log.getvalue()
    assert "/media/" in log.getvalue()

"""Videos: streamed from signed URLs into a local folder and into S3, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # ships no types
from moto.server import ThreadedMotoServer

from tests.support.media_server import MediaServer, media_server, sha256
from usertesting_source.errors import (
    ConfigurationError,
    CredentialsError,
    DownloadError,
    Interrupted,
    NotFound,
)
from usertesting_source.videos.store import Downloads, StoredVideo, VideoJob, VideoStore

MakeStore: TypeAlias = Callable[..., VideoStore]

TEST = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SIZE = 3 * 2**20 + 17


@pytest.fixture
def server() -> Iterator[MediaServer]:
    with media_server() as running:
        yield running


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "videos"


@pytest.fixture
def make_store(bucket: Path) -> MakeStore:
    def make(**options: Any) -> VideoStore:
        return VideoStore(str(bucket), **{"backoff": 0.01, "timeout": (2, 5), **options})

    return make


def job(server: MediaServer, session_id: str) -> VideoJob:
    return VideoJob(TEST, session_id, lambda: server.url(session_id))


def never_asked() -> str:
    raise AssertionError("the API was asked")


def files(bucket: Path) -> list[str]:
    return sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())


def results(store: VideoStore, jobs: Any) -> dict[str, Any]:
    return {done[0].session_id: done[1] for done in store.download_all(jobs) if done}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def downloading() -> bool:
    return any(thread.name.startswith("usertesting-video") for thread in threading.enumerate())


def wait_until_stalled(server: MediaServer, iteration: Iterator[Any]) -> None:
    while not server.stalled.is_set():
        assert next(iteration) is None
    assert [next(iteration) for _ in range(3)] == [None] * 3  # the bytes on the way have been read


# One video


def test_a_video_is_stored_whole(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """The file has the bytes that were served, under test and session, and the result describes it."""
    video = make_store().download(TEST, "s1", lambda: server.url("s1"))
    path = bucket / TEST / "s1.mp4"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256(SIZE) == video.sha256
    assert (video.session_id, video.test_id, video.size_bytes) == ("s1", TEST, SIZE)
    assert (video.video_storage_path, video.content_type) == (path.as_uri(), "video/mp4")
    assert datetime.now(timezone.utc) - video.downloaded_at < timedelta(minutes=1)
    assert files(bucket) == [f"{TEST}/s1.mp4"]


@pytest.mark.parametrize("fault", ["ok", "moved"])
def test_storage_never_sees_an_authorization(
    server: MediaServer, make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Neither ~/.netrc nor a user in the URL makes a header, not even after a redirect."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login invented password invented\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.faults["s1"].append(fault)
    url = server.url("s1").replace("//", "//someone:invented@")
    assert make_store().download(TEST, "s1", lambda: url).size_bytes == SIZE
    assert server.authorized == []


def test_an_expired_url_is_asked_for_again(server: MediaServer, make_store: MakeStore) -> None:
    """After a 403 the API is asked anew, in the thread that iterates, and the new URL is used."""
    server.faults["s1"].extend(["expired", "half", "expired"])
    askers = []

    def ask() -> str:
        askers.append(threading.current_thread())
        return server.url("s1")

    assert make_store().download(TEST, "s1", ask).sha256 == sha256(SIZE)
    assert askers == [threading.current_thread()] * 3


def test_fresh_urls_are_not_asked_for_forever(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A host that refuses every URL costs three requests of the API, no more."""
    server.faults["s1"].extend(["expired"] * 9)
    with pytest.raises(DownloadError, match=r"session s1 .*status 403.*clock"):
        make_store().download(TEST, "s1", lambda: server.url("s1"))
    assert server.signed == 3
    assert files(bucket) == []


@pytest.mark.parametrize("fault", ["half", "busy", "empty"])
def test_a_broken_download_starts_again(server: MediaServer, bucket: Path, make_store: MakeStore, fault: str) -> None:
    """What breaks off, is put off or comes empty is requested again with the same URL, and stored whole."""
    server.faults["s1"].extend([fault, fault])
    video = make_store().download(TEST, "s1", lambda: server.url("s1"))
    assert (video.sha256, server.signed, server.requests["s1"]) == (sha256(SIZE), 1, 3)
    assert files(bucket) == [f"{TEST}/s1.mp4"]


@pytest.mark.parametrize(
    ("fault", "requests", "said"),
    [
        ("half", 3, "connection to 127.0.0.1 broke"),
        ("busy", 3, "status 503"),
        ("empty", 3, "0 of"),
        ("stall", 1, "does not answer in time|broke"),
        ("gone", 1, "status 404"),
        ("page", 1, "text/html"),
        ("xml", 1, "application/xml, not a video"),
        ("json", 1, "application/problem.json; charset=utf-8, not a video"),
        ("xml_as_video", 1, "an error document, not a video"),
        ("json_as_bytes", 1, "an error document, not a video"),
        ("endless", 1, "does not say how long"),
    ],
)
def test_a_failed_download_leaves_no_file(
    server: MediaServer, bucket: Path, make_store: MakeStore, fault: str, requests: int, said: str
) -> None:
    """Whatever goes wrong: an error that names session and cause, no half file, no temporary file."""
    server.faults["s1"].extend([fault] * 9)
    store = make_store(timeout=(2, 0.3), attempts=1 if fault == "stall" else 3)
    with pytest.raises(DownloadError, match=f"session s1 .*({said})"):
        store.download(TEST, "s1", lambda: server.url("s1"))
    assert server.requests["s1"] == requests
    assert files(bucket) == []


def test_a_body_in_chunks_is_stored(server: MediaServer, make_store: MakeStore) -> None:
    """A body without a length is taken when its own framing tells its end."""
    server.faults["s1"].append("chunked")
    assert make_store().download(TEST, "s1", lambda: server.url("s1")).sha256 == sha256(SIZE)


def test_a_complete_file_is_not_transferred_again(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A file of the announced size stays; its SHA-256 is that of the stored bytes."""
    server.sizes["s1"] = 64 * 2**20
    path = bucket / TEST / "s1.mp4"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    video = make_store().download(TEST, "s1", lambda: server.url("s1"))
    assert video.sha256 == hashlib.sha256(bytes(64 * 2**20)).hexdigest()
    assert video.size_bytes == 64 * 2**20
    assert server.sent["s1"] < 16 * 2**20  # what fits into the sockets' buffers


def test_a_file_of_another_size_is_replaced(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A file that is not what the storage announces is downloaded again."""
    path = bucket / TEST / "s1.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a video")
    assert make_store().download(TEST, "s1", lambda: server.url("s1")).size_bytes == path.stat().st_size == SIZE


def test_leftovers_of_a_killed_process_are_removed(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """The temporary files of this session go; those of others stay."""
    (bucket / TEST).mkdir(parents=True)
    (bucket / TEST / ".s1.00ff.part").write_bytes(b"left")
    (bucket / TEST / ".s10.00ff.part").write_bytes(b"another's")
    make_store().download(TEST, "s1", lambda: server.url("s1"))
    assert files(bucket) == [f"{TEST}/.s10.00ff.part", f"{TEST}/s1.mp4"]


@pytest.mark.parametrize(("test_id", "session_id"), [(TEST, "../s1"), ("..", "s1"), (TEST, ""), (TEST, "a/b")])
def test_ids_cannot_leave_the_bucket(
    server: MediaServer, bucket: Path, make_store: MakeStore, test_id: str, session_id: str
) -> None:
    """An id that is no plain name is refused before anything is asked for."""
    with pytest.raises(DownloadError, match="no safe file name"):
        make_store().download(test_id, session_id, never_asked)
    assert files(bucket) == []


def test_memory_stays_small(server: MediaServer, bucket: Path) -> None:
    """A video of 300 MB grows the process by less than 64 MB."""
    server.sizes["s1"] = 300 * 2**20
    program = """
import json, resource, sys
from usertesting_source.videos.store import VideoStore
store = VideoStore(sys.argv[1])
store.check()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
video = store.download("t", "s1", lambda: sys.argv[2])
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([grown, video.size_bytes, video.sha256]))
"""
    command = [sys.executable, "-c", program, str(bucket), server.url("s1")]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    grown_kb, size, digest = json.loads(done.stdout)
    assert (size, digest) == (300 * 2**20, sha256(300 * 2**20))
    assert grown_kb < 64 * 1024


# Several videos


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_downloads_than_allowed(server: MediaServer, make_store: MakeStore, concurrency: int) -> None:
    """At most `concurrency` at a time, and a URL is asked for only when a slot is free."""
    complete: list[str] = []
    ahead: list[int] = []

    def jobs() -> Iterator[VideoJob]:
        for number in range(9):
            yield VideoJob(TEST, f"s{number}", partial(ask, number))

    def ask(number: int) -> str:
        ahead.append(number - len(complete))
        return server.url(f"s{number}")

    for number in range(9):
        server.faults[f"s{number}"].append("held")
    for done in make_store(concurrency=concurrency).download_all(jobs()):
        complete += [done[0].session_id] if done else []
        if done is None and server.open_now == concurrency:
            server.release.set()
    assert sorted(complete) == [f"s{number}" for number in range(9)]
    assert server.most_open == concurrency
    assert max(ahead) == concurrency - 1


def test_waiting_for_the_quota_holds_no_download_up(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """While `ask_url` waits for its turn, the downloads that run go on to their end."""

    def ask_when_the_first_is_stored() -> str:
        wait_for((bucket / TEST / "s1.mp4").exists)
        return server.url("s2")

    stored = results(make_store(), [job(server, "s1"), VideoJob(TEST, "s2", ask_when_the_first_is_stored)])
    assert {session_id: video.size_bytes for session_id, video in stored.items()} == {"s1": SIZE, "s2": SIZE}


def test_a_slow_download_holds_nothing_up(server: MediaServer, make_store: MakeStore) -> None:
    """Results come in the order of completion, and None while there is nothing to say."""
    server.faults["slow"].append("stall")
    order = []
    for done in make_store(concurrency=2).download_all(job(server, name) for name in ("slow", "s1", "s2")):
        order.append(done[0].session_id if done else None)
        if done is None and "s2" in order:
            server.release.set()
    assert [name for name in order if name] == ["s1", "s2", "slow"]
    assert None in order


def test_jobs_may_not_be_known_yet(server: MediaServer, make_store: MakeStore) -> None:
    """None among the jobs gives others a turn, and ends nothing."""
    iteration = make_store().download_all([None, job(server, "s1"), None, job(server, "s2")])
    assert next(iteration) is None
    assert server.signed == 0
    assert {done[0].session_id for done in iteration if done} == {"s1", "s2"}


def test_one_failure_does_not_stop_the_others(server: MediaServer, make_store: MakeStore) -> None:
    """An error of the API or of the storage comes back with its job; all other videos are stored."""
    server.faults["s2"].append("gone")

    def refuse() -> str:
        raise NotFound("Session s1 has no video", 404)

    jobs = [VideoJob(TEST, "s1", refuse), job(server, "s2"), job(server, "s3")]
    outcome = results(make_store(), jobs)
    assert isinstance(outcome["s1"], NotFound)
    assert isinstance(outcome["s2"], DownloadError)
    assert isinstance(outcome["s3"], StoredVideo)


def test_an_error_for_all_waits_for_the_running_downloads(server: MediaServer, make_store: MakeStore) -> None:
    """Refused credentials end the iteration, after what was paid for has been stored and yielded."""
    server.faults["s1"].append("held")

    def refuse() -> str:
        server.release.set()
        raise CredentialsError("refused")

    jobs = [job(server, "s1"), VideoJob(TEST, "s2", refuse), job(server, "s3")]
    stored: list[Any] = []
    with pytest.raises(CredentialsError):
        stored.extend(make_store().download_all(jobs))
    assert [done[0].session_id for done in stored if done] == ["s1"]
    assert server.requests["s3"] == 0


def test_a_stop_ends_the_running_downloads(
    server: MediaServer, bucket: Path, make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    """After a stop a download that waits for bytes ends at once, leaves no file, and nothing else begins."""
    server.faults["s1"].append("stall")
    stop = threading.Event()
    store = make_store(concurrency=1, timeout=(2, 15), stop=stop.is_set)
    iteration = store.download_all(job(server, name) for name in ("s1", "s2"))
    wait_until_stalled(server, iteration)
    stop.set()
    begun = time.monotonic()
    assert [done for done in iteration if done] == []
    assert time.monotonic() - begun < 3
    assert server.requests["s2"] == 0
    assert files(bucket) == []
    assert caplog.messages == []


def test_a_stop_waits_for_no_host_that_is_silent(
    server: MediaServer, bucket: Path, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for as long as a download may wait for an answer; when it comes after all, nothing is done with it."""
    monkeypatch.setattr("usertesting_source.videos.store.END_S", 0.3)
    server.faults["s1"].append("held")
    stop = threading.Event()
    iteration = make_store(timeout=(2, 60), stop=stop.is_set).download_all([job(server, "s1")])
    while not server.open_now:
        assert next(iteration) is None
    stop.set()
    begun = time.monotonic()
    assert [done for done in iteration if done] == []
    assert time.monotonic() - begun < 10
    server.release.set()
    wait_for(lambda: not downloading())
    assert files(bucket) == []


def test_a_stop_ends_the_pause_before_another_try(server: MediaServer, make_store: MakeStore) -> None:
    """A busy host is left alone for a while, and a stop does not wait for that."""
    server.faults["s1"].append("busy")
    stop = threading.Event()
    iteration = make_store(backoff=30, stop=stop.is_set).download_all([job(server, "s1")])
    while not server.requests["s1"]:
        assert next(iteration) is None
    assert [next(iteration) for _ in range(3)] == [None] * 3
    stop.set()
    begun = time.monotonic()
    assert [done for done in iteration if done] == []
    assert time.monotonic() - begun < 3
    assert server.requests["s1"] == 1


def test_what_is_complete_at_a_stop_is_yielded(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A video that was stored while the API was waited for is not lost to the stop."""

    def interrupted() -> str:
        wait_for((bucket / TEST / "s1.mp4").exists)
        raise Interrupted("stop")

    outcome = results(make_store(), [job(server, "s1"), VideoJob(TEST, "s2", interrupted)])
    assert list(outcome) == ["s1"]


def test_a_stop_ends_a_single_download(server: MediaServer, make_store: MakeStore) -> None:
    """`download` says that it was interrupted."""
    with pytest.raises(Interrupted, match="s1"):
        make_store(stop=lambda: True).download(TEST, "s1", lambda: server.url("s1"))
    assert server.requests["s1"] == 0


def test_an_interrupted_wait_for_the_quota_is_a_stop(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """`Interrupted` from the API ends the iteration as a stop does."""
    server.faults["s1"].append("stall")

    def interrupted() -> str:
        assert server.stalled.wait(5)
        raise Interrupted("stop")

    store = make_store(timeout=(2, 15))
    assert results(store, [job(server, "s1"), VideoJob(TEST, "s2", interrupted)]) == {}
    assert files(bucket) == []


def test_closing_the_iteration_cleans_up(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A caller that goes away leaves no running download and no file."""
    server.faults["s1"].append("stall")
    iteration = make_store(timeout=(2, 15)).download_all([job(server, "s1")])
    wait_until_stalled(server, iteration)
    begun = time.monotonic()
    iteration.close()
    assert time.monotonic() - begun < 3
    assert files(bucket) == []
    wait_for(lambda: not downloading())


# Over several iterations


@pytest.fixture
def downloads(make_store: MakeStore) -> Iterator[Downloads[VideoJob]]:
    running = Downloads[VideoJob](make_store(timeout=(2, 15)))
    yield running
    running.close()


def test_who_leaves_an_iteration_leaves_the_downloads_running(
    server: MediaServer, downloads: Downloads[VideoJob]
) -> None:
    """The next iteration takes no more than there are slots for, and yields what has completed meanwhile, once."""
    server.faults["s1"].append("stall")
    first = downloads.results([job(server, "s1"), job(server, "s2")])
    while server.requests["s1"] + server.requests["s2"] < 2:
        next(first)
    first.close()
    server.release.set()
    second = [done for done in downloads.results(job(server, name) for name in ("s3", "s4")) if done]
    assert sorted(done[0].session_id for done in second) == ["s1", "s2", "s3", "s4"]
    assert server.most_open <= 3
    assert [server.requests[name] for name in ("s1", "s2", "s3", "s4")] == [1, 1, 1, 1]
    assert downloads.jobs == []


def test_no_result_is_lost_with_an_iteration(server: MediaServer, bucket: Path, downloads: Downloads[VideoJob]) -> None:
    """What completes together is yielded one by one, each by the iteration that asks for it."""
    for name in ("s1", "s2", "s3"):
        server.faults[name].append("held")
    first = downloads.results(job(server, name) for name in ("s1", "s2", "s3"))
    while server.open_now < 3:
        assert next(first) is None
    server.release.set()
    wait_for(lambda: len(files(bucket)) == 3 and not any(name.endswith(".part") for name in files(bucket)))
    seen: list[str] = []
    while len(seen) < 3:
        iteration = downloads.results([])
        seen.append(next(done for done in iteration if done)[0].session_id)
        assert len(downloads.jobs) == 3 - len(seen)
        iteration.close()
    assert sorted(seen) == ["s1", "s2", "s3"]


def test_an_expired_url_is_asked_for_again_by_the_next_iteration(
    server: MediaServer, downloads: Downloads[VideoJob]
) -> None:
    """Before it takes new jobs."""
    server.faults["s1"].append("expired")
    first = downloads.results([job(server, "s1")])
    while not server.requests["s1"]:
        next(first)
    first.close()
    wait_for(lambda: server.open_now == 0)
    outcome = [done for done in downloads.results([job(server, "s2")]) if done]
    assert {done[0].session_id for done in outcome if isinstance(done[1], StoredVideo)} == {"s1", "s2"}
    assert (server.signed, server.requests["s1"]) == (3, 2)


def test_a_download_that_is_closed_leaves_nothing(
    server: MediaServer, bucket: Path, downloads: Downloads[VideoJob]
) -> None:
    """Neither a file nor a thread; its job is known until then."""
    server.faults["s1"].append("stall")
    iteration = downloads.results([job(server, "s1")])
    wait_until_stalled(server, iteration)
    iteration.close()
    assert [known.session_id for known in downloads.jobs] == ["s1"]
    downloads.close()
    assert files(bucket) == []
    wait_for(lambda: not downloading())


def test_waiting_takes_no_more_turns_than_it_is_patient(server: MediaServer, downloads: Downloads[VideoJob]) -> None:
    """While nothing completes the caller is asked to wait for as long as it likes, and then for its other work."""
    server.faults["s1"].append("stall")
    iteration = downloads.results([job(server, "s1")], patience=lambda: 0.2)
    wait_until_stalled(server, iteration)
    end, turns = time.monotonic() + 1, 0
    while time.monotonic() < end:
        assert next(iteration) is None
        turns += 1
    assert 1 <= turns <= 5


# Secrets


@pytest.mark.parametrize(
    "fault",
    [
        "ok",
        "half",
        "busy",
        "expired",
        "gone",
        "page",
        "xml_as_video",
        "endless",
        "stall",
        "moved",
        "misled",
        "refused",
        "odd",
    ],
)
def test_a_signed_url_appears_nowhere(
    server: MediaServer, make_store: MakeStore, bucket: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """No log record at any level, no error, no context of an error, no row holds a signature."""
    server.faults["s1"].extend([fault] * 9)
    url = server.url("s1")
    if fault == "refused":
        url = url.replace(f":{server.server_address[1]}/", ":1/")
    if fault == "odd":
        url = url.replace("http:", "gopher:")
    with caplog.at_level(logging.DEBUG):
        (outcome,) = results(make_store(timeout=(2, 0.2)), [VideoJob(TEST, "s1", lambda: url)]).values()
    if isinstance(outcome, DownloadError):
        assert (outcome.__cause__, outcome.__context__, outcome.__traceback__) == (None, None, None)
    assert isinstance(outcome, StoredVideo if fault in ("ok", "moved") else DownloadError)
    told = caplog.text + "".join(str(vars(record)) for record in caplog.records) + repr(outcome) + str(outcome)
    assert "secret" not in told
    assert "X-Amz" not in told
    assert fault in ("odd", "refused") or "/media/s1?[removed]" in caplog.text


def test_other_logs_keep_their_queries(
    server: MediaServer, make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the downloads' own requests are cut; the rest of the process logs as before."""
    make_store()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").debug("GET %s", "/tests?limit=500")
    assert "/tests?limit=500" in caplog.text


# The bucket


def test_an_unusable_bucket_costs_no_request(server: MediaServer, tmp_path: Path) -> None:
    """A bucket that cannot be written is named before the API is asked for anything."""
    (tmp_path / "file").write_text("not a folder")
    store = VideoStore(str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match=r"video_bucket_url: file://.*credentials"):
        store.download(TEST, "s1", never_asked)


def test_an_unknown_protocol_is_named() -> None:
    """A URL that fsspec does not know is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="video_bucket_url: nowhere://videos cannot be opened"):
        VideoStore("nowhere://videos").check()


def test_a_concurrency_of_none_is_refused() -> None:
    """Fewer than one download at a time is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="video_concurrency: 0"):
        VideoStore("/tmp/videos", concurrency=0)  # noqa: S108 - never opened


class FullDisk(LocalFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """A file system that takes small files until it is full, and then none."""

    cachable = False
    room = 2**20

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super()._open(path, mode, **options)
        if mode == "wb" and path.endswith(".part"):
            write = file.f.write
            file.write = lambda data: write(data) if len(data) < self.room else self.fail()
        return file

    def fail(self) -> None:
        self.room = 0
        raise OSError(28, "No space left on device")


def test_a_bucket_that_fails_is_tried_before_more_is_asked_for(
    server: MediaServer, bucket: Path, make_store: MakeStore
) -> None:
    """A full disk fails one video, leaves no file, and then ends the iteration instead of failing them all."""
    store = make_store(concurrency=1, filesystem=FullDisk())
    outcome: list[Any] = []
    with pytest.raises(ConfigurationError, match="No space left"):
        outcome.extend(store.download_all(job(server, f"s{number}") for number in range(9)))
    (error,) = [done[1] for done in outcome if done]
    assert isinstance(error, DownloadError)
    assert "No space left on device" in str(error)
    assert sum(server.requests.values()) == 1
    assert files(bucket) == []


class Forgetful(LocalFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """A file system that loses the end of a file while it moves it, and says nothing."""

    cachable = False

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        size = Path(path1).stat().st_size
        os.truncate(path1, size - (size > 2**20))
        super().mv(path1, path2, **options)


def test_what_is_stored_is_measured(server: MediaServer, bucket: Path, make_store: MakeStore) -> None:
    """A file that is shorter in the bucket than what was written is an error, and is removed."""
    with pytest.raises(DownloadError, match=f"{SIZE} bytes were written, but {SIZE - 1} are there"):
        make_store(filesystem=Forgetful()).download(TEST, "s1", lambda: server.url("s1"))
    assert files(bucket) == []


# S3


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """
    An S3 file system; the same credentials are configured for dlt, under `sources.usertesting_videos`.

    All of moto's servers in a process share their buckets, also those of other test modules: each test starts anew.
    """
    import s3fs  # type: ignore[import-untyped]  # ships no types

    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()
    section = "SOURCES__USERTESTING_VIDEOS__CREDENTIALS"
    monkeypatch.setenv(f"{section}__AWS_ACCESS_KEY_ID", "invented")
    monkeypatch.setenv(f"{section}__AWS_SECRET_ACCESS_KEY", "invented")
    monkeypatch.setenv(f"{section}__ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fs = s3fs.S3FileSystem(key="invented", secret="invented", endpoint_url=endpoint, use_listings_cache=False)
    fs.mkdir("research")
    return fs


@pytest.fixture
def s3_store(s3: Any) -> VideoStore:
    return VideoStore("s3://research/videos", backoff=0.01, timeout=(2, 5))


def test_s3_credentials_come_from_the_configuration(server: MediaServer, s3: Any, s3_store: VideoStore) -> None:
    """Videos larger than one part land in S3 by dlt's own configuration, and only under their final names."""
    server.sizes["s1"] = 12 * 2**20 + 5
    outcome = results(s3_store, [job(server, name) for name in ("s1", "s2")])
    assert outcome["s1"].video_storage_path == f"s3://research/videos/{TEST}/s1.mp4"
    assert hashlib.sha256(s3.cat(outcome["s1"].video_storage_path)).hexdigest() == outcome["s1"].sha256
    assert outcome["s1"].sha256 == sha256(12 * 2**20 + 5)
    assert s3.find("research") == [f"research/videos/{TEST}/{name}.mp4" for name in ("s1", "s2")]


def test_s3_is_not_offered_the_credentials_of_the_api(
    s3: Any, s3_store: VideoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is configured for the API, or for other buckets, does not reach the bucket of the videos."""
    monkeypatch.setenv("SOURCES__USERTESTING__CREDENTIALS", '{"access_token": "invented"}')
    monkeypatch.setenv("SOURCES__USERTESTING__CREDENTIALS__AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("SOURCES__BUCKET_URL", "s3://another")
    assert s3_store.open_bucket().url() == "s3://research/videos"


def test_s3_without_credentials_is_a_mistake_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the section that the credentials belong into."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match=r"s3://research.*sources\.usertesting_videos\.credentials"):
        VideoStore("s3://research").check()


def test_s3_keeps_nothing_of_a_broken_download(server: MediaServer, s3: Any, s3_store: VideoStore) -> None:
    """A transfer that breaks after its first part leaves no object and no unfinished upload."""
    server.sizes["s1"] = 24 * 2**20
    server.faults["s1"].extend(["half"] * 9)
    with pytest.raises(DownloadError, match="s1"):
        s3_store.download(TEST, "s1", lambda: server.url("s1"))
    assert server.sent["s1"] == 3 * 12 * 2**20
    assert s3.find("research") == []
    assert s3.list_multipart_uploads("research") == []


def test_s3_keeps_what_is_complete(server: MediaServer, s3: Any, s3_store: VideoStore) -> None:
    """An object of the announced size stays as it is, and leftovers beside it go."""
    stored = bytes(SIZE)
    s3.pipe_file(f"research/videos/{TEST}/s1.mp4", stored)
    s3.pipe_file(f"research/videos/{TEST}/.s1.00ff.part", b"left")
    video = s3_store.download(TEST, "s1", lambda: server.url("s1"))
    assert video.sha256 == hashlib.sha256(stored).hexdigest()
    assert s3.find("research") == [f"research/videos/{TEST}/s1.mp4"]


def test_a_missing_s3_bucket_is_not_created(s3: Any) -> None:
    """A mistyped bucket is a mistake in the configuration, not a new bucket."""
    with pytest.raises(ConfigurationError, match=r"video_bucket_url: s3://reserch/videos cannot be used"):
        VideoStore("s3://reserch/videos").check()
    assert [path.strip("/") for path in s3.ls("")] == ["research"]

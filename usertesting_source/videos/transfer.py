"""
One video: from its signed URL into the bucket.

No exception leaves this module with a signed URL in its text, its context or its frames: a transfer returns
what went wrong as a `Problem`, whose text is our own. Nor does a log record: `hide_signed_urls`.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum, auto
from textwrap import shorten
from urllib.parse import urlsplit

import requests

from .bucket import Bucket

THREADS = "usertesting-video"  # the name that all threads with signed URLs start with

_CHUNK = 2**20
_LOGGERS = ("connection", "connectionpool", "poolmanager", "response", "util.retry")
# What the storage answers to a URL that has expired, was used up, or was signed with an expired token.
_EXPIRED = (400, 401, 403)
# What says in its header that it is no video, and what may come before the first bytes of a document.
_DOCUMENT = re.compile(r"\s*(?:text/|application/(?:json|xml|[\w.-]+\+(?:json|xml))\b)", re.IGNORECASE)
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_BUSY = (408, 429, 500, 502, 503, 504)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredVideo:
    """A video that is completely in the bucket; a row of `session_videos`. Times in UTC."""

    session_id: str
    test_id: str
    video_storage_path: str
    size_bytes: int
    sha256: str
    content_type: str | None
    downloaded_at: datetime


class Verdict(Enum):
    """What follows from a problem."""

    AGAIN = auto()  # the same URL may work in a moment
    EXPIRED = auto()  # a new URL is needed
    LOST = auto()  # no use in trying again now
    REFUSED = auto()  # it is the bucket that fails, perhaps for every video
    STOPPED = auto()  # we were told to


@dataclass(frozen=True)
class Problem:
    """Why a transfer has no result, in words without a URL."""

    verdict: Verdict
    text: str


class _TransferError(Exception):
    def __init__(self, verdict: Verdict, text: str) -> None:
        super().__init__(text)
        self.verdict = verdict


class Transfer:
    """
    The download of one session's video: several requests if need be, and several URLs (set `url`, run again).

    Args:
        timeout: seconds to connect, and to wait for the next bytes.
        attempts: requests in all, those that were answered "expired" aside.
        backoff: seconds before the second request, doubled each time.
        stopped: asked between chunks; true ends the transfer.

    """

    def __init__(
        self,
        bucket: Bucket,
        test_id: str,
        session_id: str,
        *,
        timeout: tuple[float, float],
        attempts: int,
        backoff: float,
        stopped: Callable[[], bool],
    ) -> None:
        self.url = ""
        self._bucket = bucket
        self._folder, self._name = test_id, f"{session_id}.mp4"
        self._session_id = session_id
        self._timeout = timeout
        self._attempts, self._left = attempts, attempts
        self._backoff = backoff
        self._stop_asked = stopped
        self._aborted = threading.Event()
        self._response: requests.Response | None = None

    def run(self) -> StoredVideo | Problem:
        """Transfer it; blocks. Never raises. Leaves nothing behind unless it returns a `StoredVideo`."""
        while True:
            outcome = self._try()
            if isinstance(outcome, StoredVideo) or outcome.verdict is not Verdict.AGAIN:
                return outcome
            self._left -= 1
            if self._left <= 0:
                return outcome
            _log.warning("Video of session %s: %s; starting again", self._session_id, outcome.text)
            self._pause(self._backoff * 2 ** (self._attempts - self._left - 1))

    def abort(self) -> None:
        """End `run` soon, also when it waits for bytes. For another thread."""
        self._aborted.set()
        # A read that blocks ends only with its socket; urllib3 before 2.3 has no `shutdown` and waits.
        with suppress(Exception):
            if self._response is not None:
                self._response.raw.shutdown()

    def _try(self) -> StoredVideo | Problem:
        try:
            return self._get()
        except _TransferError as failed:
            problem = Problem(failed.verdict, str(failed))
        except requests.RequestException as error:
            problem = _explained(error, _host(self.url))
        except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
            said = shorten(_without_queries(f"{type(error).__name__}: {error}"), 300, placeholder=" ...")
            problem = Problem(Verdict.REFUSED, f"the bucket {self._bucket.url()} does not take it ({said})")
        finally:
            self._response = None
        return Problem(Verdict.STOPPED, "a stop was asked for") if self._stopping() else problem

    def _get(self) -> StoredVideo:
        self._go_on()
        self._bucket.remove_parts(self._folder, self._name)
        headers = {"Accept-Encoding": "identity"}
        with (
            _Session() as session,
            session.get(self.url, stream=True, timeout=self._timeout, headers=headers) as response,
        ):
            self._response = response
            self._go_on()
            _check_answer(response)
            return self._store(response)

    def _store(self, response: requests.Response) -> StoredVideo:
        announced = _announced_size(response)
        path = f"{self._folder}/{self._name}"
        if announced is not None and self._bucket.size(path) == announced:
            response.close()
            size, digest = announced, self._bucket.digest(path, self._go_on)
        else:
            size, digest = self._bucket.write(self._folder, self._name, self._chunks(response, announced))
        return StoredVideo(
            session_id=self._session_id,
            test_id=self._folder,
            video_storage_path=self._bucket.url(path),
            size_bytes=size,
            sha256=digest,
            content_type=response.headers.get("Content-Type"),
            downloaded_at=datetime.now(timezone.utc),
        )

    def _chunks(self, response: requests.Response, announced: int | None) -> Iterator[bytes]:
        received = 0
        for chunk in response.iter_content(_CHUNK):
            self._go_on()
            if received == 0:
                _check_beginning(chunk, _host(response.url))
            received += len(chunk)
            yield chunk
        if received == 0 or announced not in (None, received):
            raise _TransferError(Verdict.AGAIN, f"{received} of {announced or 'an unknown number of'} bytes came")

    def _stopping(self) -> bool:
        return self._aborted.is_set() or self._stop_asked()

    def _go_on(self) -> None:
        if self._stopping():
            raise _TransferError(Verdict.STOPPED, "a stop was asked for")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping() and (left := end - time.monotonic()) > 0:
            self._aborted.wait(min(left, 0.1))


class _Session(requests.Session):
    """A session that never authorizes: a signed URL is all that the storage wants and may see."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request  # otherwise ~/.netrc and user:password@ in the URL are used

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Nothing to rebuild after a redirect, where requests would look into ~/.netrc again."""


def _check_answer(response: requests.Response) -> None:
    status, host = response.status_code, _host(response.url)
    if status in _EXPIRED:
        raise _TransferError(Verdict.EXPIRED, f"{host} takes the download address no longer (status {status})")
    if status in _BUSY:
        raise _TransferError(Verdict.AGAIN, f"{host} is busy (status {status})")
    if status != 200:
        raise _TransferError(Verdict.LOST, f"{host} does not give the video (status {status})")
    kind = response.headers.get("Content-Type", "")
    if _DOCUMENT.match(kind):
        raise _TransferError(Verdict.LOST, f"{host} answers with {kind[:100]}, not a video; a proxy's page perhaps")


def _check_beginning(chunk: bytes, host: str) -> None:
    """No container of videos begins like a document: MPEG-4 with the size of a small box, WebM and AVI with a mark."""
    if chunk[:1024].lstrip(_BLANKS)[:1] in (b"<", b"{", b"["):
        raise _TransferError(Verdict.LOST, f"{host} answers with an error document, not a video")


def _announced_size(response: requests.Response) -> int | None:
    """How many bytes will come; None when they come in chunks, whose last one says that it is the last."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal():
        return int(length)
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    raise _TransferError(Verdict.LOST, "the storage does not say how long the video is, so it cannot be verified")


def _explained(error: requests.RequestException, host: str) -> Problem:
    unusable = (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)
    if isinstance(error, (*unusable, requests.exceptions.InvalidSchema)):
        return Problem(Verdict.LOST, "the API gave a download address that is no http or https URL")
    if isinstance(error, requests.exceptions.ProxyError):
        return Problem(Verdict.AGAIN, f"the proxy does not reach {host}")
    if isinstance(error, requests.exceptions.SSLError):
        return Problem(Verdict.AGAIN, f"no trusted TLS connection with {host}")
    if isinstance(error, requests.Timeout):
        return Problem(Verdict.AGAIN, f"{host} does not answer in time")
    return Problem(Verdict.AGAIN, f"the connection to {host} broke ({type(error).__name__})")


def _host(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).hostname or "the storage host"
    return "the storage host"


def _without_queries(text: str) -> str:
    return re.sub(r"\?[^\s'\"<>]+", "?[removed]", text)


class _HideQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if threading.current_thread().name.startswith(THREADS):
            record.msg, record.args = _without_queries(record.getMessage()), None
        return True


_HIDE_QUERIES = _HideQueries()


def hide_signed_urls() -> None:
    """Cut the query off every URL that urllib3 logs from a download thread (at DEBUG, every request)."""
    for name in _LOGGERS:
        logging.getLogger(f"urllib3.{name}").addFilter(_HIDE_QUERIES)

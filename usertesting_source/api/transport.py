"""
How a request goes: the one page.

    what happens                          what follows
    ------------------------------------  -----------------------------------------------------------------------------
    5xx, or a connection that breaks      again after its Retry-After, else after 1, 2, 4, ... s; `attempts` in all
    no next byte for `silence_s`          the same, as does a connection that takes longer than `connect_s`
    429                                   again when the API says (see `Quota.learn`), `refusals` times
    401                                   again with a new token, once, if the credentials can buy one
    a body that trickles                  is left after `answer_s`, and not asked for again: that would take as long
    a body that swells                    is left after `body_bytes`, unpacked
    any other answer                      is handed back; `refusals` knows what it means
    a stop                                ends every wait at once, and what is under way after `grace_s`

Whatever is sent is counted by the quota first: every attempt, each with a token that is good for minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import dlt
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from requests import PreparedRequest, Request, RequestException, Response, Session
from requests.exceptions import ContentDecodingError
from urllib3.exceptions import HTTPError

from ..errors import Interrupted
from .quota import Quota, retry_after

TICK_S = 0.1
CHUNK = 2**14  # older urllib3 unpacks a chunk whole, a thousandfold at worst


@dataclass(frozen=True)
class Knobs:
    """
    All that can be turned; the module says what each does.

    Attributes:
        connect_s: for a connection; a host that takes longer cannot be reached.
        silence_s: between two bytes (dlt's `runtime.request_timeout`).
        answer_s: for an answer with its body; the API's largest, 500 sessions, has 100 kB.
        grace_s: of a request that is under way when a stop is asked for: it has been paid for.
        body_bytes: of a body, unpacked; hundreds of times what a session can hold, and little enough to keep in memory.
        attempts: in all (dlt's `runtime.request_max_attempts`).
        backoff_s: before the second attempt, doubled each time (dlt's `runtime.request_backoff_factor`).
        longest_backoff_s: also of a Retry-After (dlt's `runtime.request_max_retry_delay`).
        refusals: times that a 429 is waited out.

    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    answer_s: float = 120.0
    grace_s: float = 5.0
    body_bytes: int = 64 * 2**20
    attempts: int = 5
    backoff_s: float = 1.0
    longest_backoff_s: float = 300.0
    refusals: int = 10

    @classmethod
    def configured(cls) -> Knobs:
        """Those that dlt has a setting for as they are set there."""
        runtime = resolve_configuration(RuntimeConfiguration())
        return cls(
            silence_s=runtime.request_timeout,
            attempts=runtime.request_max_attempts,
            backoff_s=runtime.request_backoff_factor,
            longest_backoff_s=runtime.request_max_retry_delay,
        )


@dataclass(frozen=True)
class Answer:
    """
    What came back. Its body may hold secrets, so it shows itself in no error and no trace.

    Attributes:
        body: unpacked.
        flaw: why the body could not be taken, behind "The answer"; it is empty then.

    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    flaw: str | None = None


class Broken(Exception):
    """
    Nothing whole came back.

    Attributes:
        trouble: in few words.
        reached: whether the host was.
        passes: whether it may be better in a moment.

    """

    def __init__(self, trouble: str, *, reached: bool = True, passes: bool = True) -> None:
        super().__init__(trouble)
        self.trouble = trouble
        self.reached = reached
        self.passes = passes


class Auth(Protocol):
    """How requests are signed."""

    @property
    def renewable(self) -> bool:
        """Whether what was refused can be replaced."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Signs a request."""

    def refused(self, request: PreparedRequest) -> None:
        """A request was answered 401."""


class Transport:
    """
    Sends requests to one host, from any number of threads.

    Args:
        quota: the budget, whose clock is the clock of all.
        auth: signs each attempt anew.
        knobs: default: as dlt is configured.

    Attributes:
        sent: attempts so far.

    """

    def __init__(self, quota: Quota, auth: Auth, knobs: Knobs | None = None) -> None:
        self.sent = 0
        self._quota = quota
        self._clock = quota.clock
        self._auth = auth
        self._knobs = knobs or Knobs.configured()
        self._lock = threading.Lock()
        self._session = Session()
        self._session.headers["User-Agent"] = f"dlt/{dlt.__version__}"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # so that threads share nothing

    @property
    def wait(self) -> float:
        """For how many seconds the quota would keep a request that is sent now."""
        return self._quota.foreseen()

    def send(self, request: Request) -> Answer:
        """
        The answer to a request, whatever its status.

        Raises:
            Broken: there is none.
            Interrupted: a stop was asked for.

        """
        request.auth = self._auth
        renewed, refused, failed = False, 0, 0
        while True:
            signed, came = self._attempt(request)
            status = came.status if isinstance(came, Answer) else None
            if status == 401 and self._auth.renewable and not renewed:
                renewed = True
                self._auth.refused(signed)
            elif status == 429 and refused < self._knobs.refusals:
                refused += 1
            elif _passes(came) and failed < self._knobs.attempts - 1:
                self._pause(came, failed)
                failed += 1
            elif isinstance(came, Broken):
                raise came
            else:
                return came

    def _attempt(self, request: Request) -> tuple[PreparedRequest, Answer | Broken]:
        if self._clock.stopped():
            raise Interrupted("stopped before a request")
        # signed first: buying a token takes time, and what the quota has let through must not be late
        try:
            signed = self._session.prepare_request(request)
        except RequestException as error:  # an address that is none
            raise Broken(type(error).__name__, reached=False) from None
        self._quota.acquire()
        with self._lock:
            self.sent += 1
        came = self._exchange(signed)
        if isinstance(came, Answer):
            self._quota.learn(came.status, came.headers)
        return signed, came

    def _exchange(self, signed: PreparedRequest) -> Answer | Broken:
        clock, knobs = self._clock, self._knobs
        ends = clock.now() + knobs.answer_s
        stop_ends: float | None = None
        exchange = _Exchange(self._session, signed, knobs)
        while not exchange.done.wait(TICK_S):
            if stop_ends is None and clock.stopped():
                stop_ends = clock.now() + knobs.grace_s
            if stop_ends is not None and clock.now() >= stop_ends:
                exchange.leave()
                raise Interrupted("stopped in the middle of a request")
            if clock.now() >= ends:
                exchange.leave()
                return Broken(f"not complete within {knobs.answer_s:g} s", passes=False)
        return exchange.came()

    def _pause(self, came: Answer | Broken, failed: int) -> None:
        """The wait before another attempt."""
        told = retry_after(came.headers) if isinstance(came, Answer) else None
        seconds = told if told is not None else self._knobs.backoff_s * 2.0**failed
        if self._clock.wait(min(seconds, self._knobs.longest_backoff_s)):
            raise Interrupted("stopped while waiting to ask again")


class _Exchange:
    """A request and its answer, in a thread that can be left behind: nothing else ends a connect that hangs."""

    def __init__(self, session: Session, signed: PreparedRequest, knobs: Knobs) -> None:
        self.done = threading.Event()
        self._session = session
        self._signed = signed
        self._knobs = knobs
        self._left = False
        self._response: Response | None = None
        self._came: Answer | Broken | Exception | None = None
        threading.Thread(target=self._run, name="usertesting-request", daemon=True).start()

    def came(self) -> Answer | Broken:
        """The answer, or why there is none; when it is `done`."""
        if isinstance(self._came, (Answer, Broken)):
            return self._came
        assert self._came is not None
        raise self._came

    def leave(self) -> None:
        """Nobody waits for the answer any more: its connection is closed, if there is one yet."""
        self._left = True
        with suppress(Exception):
            if self._response is not None:
                self._response.raw.shutdown()

    def _run(self) -> None:
        try:
            self._came = self._answer()
        except (RequestException, HTTPError, OSError) as error:
            self._came = Broken(type(error).__name__, reached=not _never_connected(error))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._came = error
        finally:
            self.done.set()

    def _answer(self) -> Answer:
        settings = self._session.merge_environment_settings(self._signed.url, {}, True, None, None)
        timeout = min(self._knobs.connect_s, self._knobs.silence_s), self._knobs.silence_s
        with self._session.send(self._signed, timeout=timeout, allow_redirects=False, **settings) as response:
            self._response = response
            try:
                body, flaw = self._body(response), None
            except ContentDecodingError:
                body, flaw = b"", "cannot be unpacked"
            except _TooLarge:
                body, flaw = b"", f"is larger than {self._knobs.body_bytes:,} bytes"
            return Answer(response.status_code, response.headers, body, flaw)

    def _body(self, response: Response) -> bytes:
        body = bytearray()
        for part in response.iter_content(CHUNK):
            body += part
            if self._left or len(body) > self._knobs.body_bytes:
                raise _TooLarge
        return bytes(body)


class _TooLarge(Exception):
    pass


def _passes(came: Answer | Broken) -> bool:
    """Whether it may be better in a moment."""
    return came.passes if isinstance(came, Broken) else came.status >= 500


def _never_connected(error: Exception) -> bool:
    """Whether the host was never reached: its name is unknown, or it refuses connections."""
    reason: Any = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    return type(reason).__name__ in {
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "SSLError",
        "ProxyError",
    }

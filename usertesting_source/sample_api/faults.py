"""What can go wrong with the sample API: switches that a test turns while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Countdown = Literal["storm", "outage", "token_down", "empty_pages", "media_cut", "media_down"]


@dataclass(slots=True)
class Request:
    """
    One request that reached the server.

    Attributes:
        at: when it came, as `time.time()`.
        method: GET or POST.
        path: without the query.
        query: the query, the last value of each name.
        endpoint: list, details, transcript, video_url, media, qx_scores, clips, clip, reels, reel, token,
            workspaces, workspace, study, or unknown.
        authorization: whether an Authorization header came along.
        client: the client id that the token belongs to; None before and without one.
        status: of the answer; None while it is not answered, 0 when the connection was dropped.

    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    endpoint: str
    authorization: bool
    client: str | None = None
    status: int | None = None


@dataclass
class Faults:
    """
    Mutable switches, read at every request. Counts are used up one by one; `math.inf` stays until cleared.

    Attributes:
        status: answers for one item: `{session_id: 500}` at every endpoint, or
            `{("details", session_id): 404}` at one. Test ids, workspace ids, clip ids work as well.
        drop_every: the connection is closed without an answer at every nth API request (0: never).
        truncated: ids whose answers end before their Content-Length.
        cut: ids whose answers hold half of the body with a matching Content-Length.
        html: ids whose answers are an HTML page with status 200.
        trickle: ids, and endpoints, whose answers come a byte every `pace` seconds.
        pace: see `trickle`.
        silent: ids, and endpoints, that are never answered; the connection stays open.
        echo: every answer repeats the secrets that it was asked with, and signed URLs, in each of its objects.
        html_errors: every refusal is an HTML page, as from a gateway.
        garbled_transcripts: sessions whose transcript is text, but no WebVTT.
        scores_lag: so many of the newest sessions are not in the QXscores yet.
        ignore_offset: every page of a listing is page one, and says so.
        total_count: the `totalCount` of every listing, whatever is true.
        empty_pages: so many pages behind the first come without sessions.
        storm: so many API requests are refused with 429.
        outage: so many API requests are answered with `outage_status`.
        outage_status: what an outage answers.
        token_down: so many token requests are answered with 503.
        latency: seconds that the server waits before each answer.
        media_expired: signed URLs have expired when they are handed out.
        media_cut: so many downloads break off at half.
        media_down: so many downloads are answered with 503.
        media_rate: sessions whose videos trickle, at so many bytes a second; those under way hurry once it is cleared.
        repeat_workspace_page: a workspace's page is page one whatever cursor is sent.
        odd_studies: a workspace's pages also hold what is no study.
        on_request: called before each request is answered, in the server's thread.

    """

    status: dict[str | tuple[str, str], int] = field(default_factory=dict)
    drop_every: int = 0
    truncated: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    html: set[str] = field(default_factory=set)
    trickle: set[str] = field(default_factory=set)
    pace: float = 1.0
    silent: set[str] = field(default_factory=set)
    echo: bool = False
    html_errors: bool = False
    garbled_transcripts: set[str] = field(default_factory=set)
    scores_lag: int = 0
    ignore_offset: bool = False
    total_count: int | None = None
    empty_pages: float = 0
    storm: float = 0
    outage: float = 0
    outage_status: int = 503
    token_down: float = 0
    latency: float = 0.0
    media_expired: bool = False
    media_cut: float = 0
    media_down: float = 0
    media_rate: dict[str, float] = field(default_factory=dict)
    repeat_workspace_page: bool = False
    odd_studies: bool = False
    on_request: Callable[[Request], object] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _seen: int = field(default=0, repr=False, compare=False)

    def use(self, name: Countdown) -> bool:
        """Whether the fault `name` strikes now; uses up one of its count."""
        with self._lock:
            left = float(getattr(self, name))
            if left > 0:
                setattr(self, name, left - 1)
            return left > 0

    def drops(self) -> bool:
        """Whether the connection of this API request is dropped."""
        with self._lock:
            self._seen += 1
            return self.drop_every > 0 and self._seen % self.drop_every == 0

    def status_of(self, endpoint: str, ids: tuple[str, ...]) -> int | None:
        """The status that was set for one of `ids` at `endpoint`, if any."""
        for item in ids:
            found = self.status.get((endpoint, item), self.status.get(item))
            if found is not None:
                return found
        return None

    def clear(self) -> None:
        """Turn everything off."""
        fresh = Faults()
        for name in self.__dataclass_fields__:
            if not name.startswith("_"):
                setattr(self, name, getattr(fresh, name))

"""The request quota and the life of access tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Window = Literal["sliding", "fixed"]


@dataclass(frozen=True)
class Grant:
    """What the quota says to one request; `reset` is in whole seconds, rounded up."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


class RateLimit:
    """
    At most `limit` requests per `period` seconds and key; refused requests do not count.

    A sliding window frees each place `period` after it was taken; a fixed one frees all places together,
    `period` after its first request. `limit=None` is no limit.
    """

    def __init__(
        self,
        limit: int | None,
        period: float,
        window: Window = "sliding",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.period = period
        self.window = window
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, key: str, places: int = 1) -> Grant | None:
        """Take `places` at once if there is room for one; None without a limit."""
        if self.limit is None:
            return None
        with self._lock:
            now = self._clock()
            taken = self._current(key, now)
            allowed = len(taken) < self.limit
            if allowed:
                taken.extend([now] * min(places, self.limit - len(taken)))
            return Grant(allowed, self.limit, self.limit - len(taken), self._reset(taken, now))

    def _current(self, key: str, now: float) -> deque[float]:
        taken = self._taken.setdefault(key, deque())
        if self.window == "fixed" and taken and now - taken[0] >= self.period:
            taken.clear()
        while self.window == "sliding" and taken and now - taken[0] >= self.period:
            taken.popleft()
        return taken

    def _reset(self, taken: deque[float], now: float) -> int:
        oldest = taken[0] if taken else now
        return max(1, math.ceil(oldest + self.period - now))


@dataclass
class _Token:
    client: str
    expires: float
    requests: float


@dataclass
class Tokens:
    """
    The access tokens that the server handed out; several are valid at once.

    Attributes:
        lifetime: seconds that a token lives.
        requests: how many API requests a token lives, None for any number.

    """

    lifetime: float = 3600
    requests: int | None = None
    _known: dict[str, _Token] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _issued: int = 0

    def issue(self, client: str, scope: str) -> str:
        """A new token for `client`: opaque, but it looks like the JWT that the real server sends."""
        with self._lock:
            self._issued += 1
            token = _jwt(
                {
                    "ver": 1,
                    "jti": f"AT.{self._issued}",
                    "cid": client,
                    "scp": [scope],
                    "iat": int(time.time()),
                }
            )
            self._known[token] = _Token(
                client, time.monotonic() + self.lifetime, math.inf if self.requests is None else self.requests
            )
            return token

    def client_of(self, token: str) -> str | None:
        """The client that `token` belongs to; None when it is unknown, expired, used up or revoked."""
        with self._lock:
            known = self._known.get(token)
            if known is None or known.requests <= 0 or time.monotonic() >= known.expires:
                return None
            known.requests -= 1
            return known.client

    def revoke(self) -> None:
        """Forget all tokens: the next request of each gets 401."""
        with self._lock:
            self._known.clear()


def _jwt(claims: dict[str, object]) -> str:
    parts = [json.dumps(part).encode() for part in ({"kid": "sample", "alg": "RS256"}, claims)]
    parts.append(hashlib.sha512(parts[1]).digest())
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

"""
Credentials: a ready access token, or client id and secret that buy one.

`POST {token_url}` with the OAuth client credentials grant, id and secret in the body. A token lives an hour and there
is no refresh token: a new one is bought some minutes before the old one ends, or once when the API answers 401.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from requests import PreparedRequest, Request
from requests.auth import AuthBase

from ..config import is_token
from ..errors import ApiUnavailable, CredentialsError
from ..scrub import Scrubber
from .bodies import said
from .quota import Quota
from .transport import Answer, Broken, Knobs, Transport

LEEWAY_S = 300.0
DEFAULT_LIFETIME_S = 3600.0


class Bearer(AuthBase):
    """
    Puts a bearer token on requests to one host, and on no others.

    Args:
        base_url: the host that may see the token.
        buy: returns a new token and its life in seconds; None for a token that cannot be renewed.
        token: a ready token.
        secret: what buys it.
        now: the clock's, in seconds.

    Attributes:
        token_header: requests below this path also carry the token in a header `token`.

    """

    def __init__(
        self,
        base_url: str,
        buy: Callable[[], tuple[str, float]] | None = None,
        token: str | None = None,
        secret: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token_header: str | None = None
        self._host = _origin(base_url)
        self._buy = buy
        self._token = token.strip() if token else None
        self._secret = secret.strip() if secret else ""
        self._bought: deque[str] = deque(maxlen=3)  # what was sent a while ago may still come back
        self._now = now
        self._ends = float("inf")
        self._lock = threading.Lock()

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._buy is not None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Adds the header; called by requests."""
        url = request.url or ""
        if _origin(url) == self._host:
            request.headers["Authorization"] = f"Bearer {self.token()}"
            if self.token_header and urlsplit(url).path.startswith(self.token_header):
                request.headers["token"] = self.token()
        return request

    def token(self) -> str:
        """The token to send now, renewed when it is about to end."""
        with self._lock:
            if self._buy and (self._token is None or self._now() >= self._ends):
                self._renew()
            return self._token or ""

    def refused(self, request: PreparedRequest) -> None:
        """The API refused the token of a request: the next one gets a new token, unless somebody has one already."""
        with self._lock:
            if self._buy and request.headers.get("Authorization") == f"Bearer {self._token}":
                self._token = None

    @property
    def scrubber(self) -> Scrubber:
        """Takes the credentials out of what comes back: the tokens so far, and what buys them."""
        return Scrubber([self._secret, self._token or "", *self._bought])

    def _renew(self) -> None:
        assert self._buy is not None
        self._token, lifetime = self._buy()
        self._bought.append(self._token)
        self._ends = self._now() + lifetime - min(LEEWAY_S, lifetime / 4)


class TokenUrl:
    """
    Buys tokens with client id and secret.

    Args:
        quota: of the token URL, which is not the API's.

    """

    def __init__(
        self, url: str, client_id: str, client_secret: str, scope: str, quota: Quota, knobs: Knobs | None = None
    ) -> None:
        self._url = url
        self._transport = Transport(quota, _Unsigned(), knobs)
        self._scrubber = Scrubber([client_secret.strip()])
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id.strip(),  # secrets in files and in the environment often end in a line break
            "client_secret": client_secret.strip(),
            "scope": scope,
        }

    def __call__(self) -> tuple[str, float]:
        """
        A new token and its life in seconds.

        Raises:
            CredentialsError: the token URL refuses id, secret or scope.
            ApiUnavailable: it cannot be reached, or fails after all retries.
            Interrupted: a stop was asked for.

        """
        try:
            answer = self._transport.send(Request("POST", self._url, data=self._form))
        except Broken as broken:
            trouble = broken.trouble
        else:
            return self._read(answer)
        raise ApiUnavailable(
            f"The token URL {self._url} cannot be reached ({trouble}). Check the network, a proxy, and"
            " `sources.usertesting.token_url`; a later run goes on where this one stopped."
        )

    def _read(self, answer: Answer) -> tuple[str, float]:
        if answer.status >= 500 or answer.status == 429:
            raise ApiUnavailable(
                f"The token URL {self._url} answers {answer.status}. Nothing is wrong with the settings; a later run"
                " goes on where this one stopped."
            )
        bought = _bought(answer)
        if bought is None:
            reason = said(answer, self._scrubber) or "no reason given"
            raise CredentialsError(
                f"The token URL {self._url} gives no token ({answer.status}: {reason}). Check"
                " `sources.usertesting.credentials.client_id` and `client_secret`, `token_url` and `scope`; UserTesting"
                " support issues credentials.",
                answer.status,
            )
        return bought


def _bought(answer: Answer) -> tuple[str, float] | None:
    """The token of an answer, and its life in seconds; None: there is none that could be sent."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    token = body.get("access_token") if isinstance(body, dict) else None
    if answer.status >= 300 or not isinstance(token, str) or not is_token(token):
        return None
    lifetime = body.get("expires_in")
    return token, float(lifetime) if isinstance(lifetime, (int, float)) and lifetime > 0 else DEFAULT_LIFETIME_S


class _Unsigned(AuthBase):
    """No signature: said aloud, since requests would otherwise look for one in ~/.netrc."""

    renewable = False

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request

    def refused(self, request: PreparedRequest) -> None:
        """Nothing follows."""


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()

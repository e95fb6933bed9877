"""
Credentials: a ready access token, or client id and secret that buy one.

`POST {token_url}` with the OAuth client credentials grant, id and secret in the body. A token lives an hour and there
is no refresh token: a new one is bought some minutes before the old one ends, or once when the API answers 401.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from dlt.sources.helpers.requests import Client
from requests import PreparedRequest, RequestException, Response
from requests.auth import AuthBase

from ..errors import ApiUnavailable, CredentialsError
from .quota import Waiting, sleep
from .retries import interruptible

LEEWAY_S = 300.0
DEFAULT_LIFETIME_S = 3600.0


class Bearer(AuthBase):
    """
    Puts a bearer token on requests to one host, and on no others.

    Args:
        base_url: the host that may see the token.
        buy: returns a new token and its life in seconds; None for a token that cannot be renewed.
        token: a ready token.

    """

    def __init__(
        self,
        base_url: str,
        buy: Callable[[], tuple[str, float]] | None = None,
        token: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = _origin(base_url)
        self._buy = buy
        self._token = token.strip() if token else None
        self._clock = clock
        self._ends = float("inf")
        self._lock = threading.Lock()

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._buy is not None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Adds the header; called by requests."""
        if _origin(request.url or "") == self._host:
            request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        """The token to send now, renewed when it is about to end."""
        with self._lock:
            if self._buy and (self._token is None or self._clock() >= self._ends):
                self._renew()
            return self._token or ""

    def refused(self, response: Response) -> None:
        """The API refused the token of a request: the next one gets a new token, unless somebody has one already."""
        with self._lock:
            if self._buy and response.request.headers.get("Authorization") == f"Bearer {self._token}":
                self._token = None

    def _renew(self) -> None:
        assert self._buy is not None
        self._token, lifetime = self._buy()
        self._ends = self._clock() + lifetime - min(LEEWAY_S, lifetime / 4)


class TokenUrl:
    """
    Buys tokens with client id and secret.

    Args:
        client: sends, with retries; its quota is not the API's.
        wait: how to wait between retries, see `quota.Waiting`.

    """

    def __init__(
        self, client: Client, url: str, client_id: str, client_secret: str, scope: str, wait: Waiting = sleep
    ) -> None:
        self._client = client
        self._url = url
        self._wait = wait
        self._secret = client_secret.strip()  # secrets in files and in the environment often end in a line break
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id.strip(),
            "client_secret": self._secret,
            "scope": scope,
        }

    def __call__(self) -> tuple[str, float]:
        """
        A new token and its life in seconds.

        Raises:
            CredentialsError: the token URL refuses id, secret or scope.
            ApiUnavailable: it cannot be reached, or fails after all retries.
            Interrupted: a stop was asked for while waiting for a retry.

        """
        session = interruptible(self._client.session, self._wait)
        try:
            # an explicit auth keeps ~/.netrc out, and a redirect must not take the secret elsewhere
            response = session.post(self._url, data=self._form, auth=_no_auth, allow_redirects=False)
        except RequestException as error:
            trouble = type(error).__name__
        else:
            return self._read(response)
        raise ApiUnavailable(
            f"The token URL {self._url} cannot be reached ({trouble}). Check the network, a proxy, and"
            " `sources.usertesting.token_url`; a later run goes on where this one stopped."
        )

    def _read(self, response: Response) -> tuple[str, float]:
        body = _json(response)
        if response.status_code >= 500 or response.status_code == 429:
            raise ApiUnavailable(
                f"The token URL {self._url} answers {response.status_code}. Nothing is wrong with the settings; a later"
                " run goes on where this one stopped."
            )
        token = body.get("access_token")
        if response.status_code >= 300 or not isinstance(token, str) or not token:
            raise CredentialsError(
                f"The token URL {self._url} gives no token ({response.status_code}: {self._reason(body)}). Check"
                " `sources.usertesting.credentials.client_id` and `client_secret`, `token_url` and `scope`; UserTesting"
                " support issues credentials.",
                response.status_code,
            )
        lifetime = body.get("expires_in")
        return token, float(lifetime) if isinstance(lifetime, (int, float)) and lifetime > 0 else DEFAULT_LIFETIME_S

    def _reason(self, body: dict[str, Any]) -> str:
        """Okta writes its refusals in two ways."""
        for key in ("error_description", "errorSummary", "error", "errorCode"):
            said = body.get(key)
            if isinstance(said, str) and self._secret not in said:
                return said[:200]
        return "no reason given"


def _no_auth(request: PreparedRequest) -> PreparedRequest:
    return request


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _json(response: Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

"""From settings to the API: credentials, quota, client."""

from __future__ import annotations

from collections.abc import Callable

from dlt.sources.helpers.requests import Client

from ..config import Settings
from .auth import Bearer, TokenUrl
from .client import ResultsApi
from .quota import Quota


def connect(settings: Settings, wait: Callable[[float], bool]) -> ResultsApi:
    """The API as `settings` describe it; `wait` is how it waits for its quota."""
    credentials = settings.credentials
    client_id, secret = credentials.client_id, credentials.client_secret
    if client_id and secret:
        client = Client(raise_for_status=False)
        client.configure()
        buy = TokenUrl(client, settings.token_url, client_id, secret, settings.scope, wait)
        auth = Bearer(settings.base_url, buy)
    else:
        auth = Bearer(settings.base_url, token=credentials.access_token)
    name = f"{settings.base_url} {client_id or 'access token'}"
    return ResultsApi(settings.base_url, auth, Quota(name, settings.rate_limit, settings.rate_period, wait=wait))

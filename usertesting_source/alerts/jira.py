"""Jira: one issue per message, found again by its label. Cloud (REST v3) and Data Center (REST v2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from dlt.sources.helpers.requests import Client
from requests import ConnectionError as BrokenConnection
from requests import ConnectTimeout, RequestException, Response
from urllib3.exceptions import MaxRetryError, NewConnectionError

from . import adf
from .channel import ChannelRefused, MaybeDelivered, NotDelivered
from .message import Message, Style, cut

__all__ = ["JiraChannel", "JiraProject"]

_REMEDIES = {
    401: "Check alerts.jira.email and alerts.jira.api_token (a token may have expired).",
    403: "The account may not create issues there: give it the permission, or use another account.",
    404: "Check alerts.jira.base_url and alerts.jira.project_key; the account must see the project.",
}
# nothing was made when Jira answers so; after 502 and 504 an issue may exist
_SAFE_TO_REPEAT = (429, 500, 503)


@dataclass(frozen=True)
class JiraProject:
    """
    Where issues go and what they are.

    Attributes:
        email: of the account on Jira Cloud; None: `api_token` is a personal token of Data Center.
        fields: more issue fields, as Jira's REST API takes them.
        api_version: 3 (Cloud) or 2 (Data Center).

    """

    base_url: str
    project_key: str
    email: str | None = None
    api_token: str = field(default="", repr=False)
    issue_type: str = "Task"
    labels: tuple[str, ...] = ("usertesting", "ux-research")
    fields: dict[str, Any] = field(default_factory=dict)
    api_version: int = 3


class JiraChannel:
    """
    A Jira project.

    Args:
        project: where issues go.
        style: how messages are worded.
        per: one issue per `session` or per `task`.
        timeout: seconds.
        backoff: seconds before the first repetition of a request.

    """

    name = "jira"
    # Cloud's search shows a new issue after seconds, sometimes minutes
    settle = timedelta(minutes=2)

    def __init__(
        self,
        project: JiraProject,
        style: Style,
        per: str = "session",
        timeout: float = 30,
        backoff: float = 1,
    ) -> None:
        self.per = per
        self._project, self._style = project, style
        self._base = f"{project.base_url.rstrip('/')}/rest/api/{project.api_version}"
        auth = (project.email, project.api_token) if project.email else _Bearer(project.api_token)
        self._http = Client(
            request_timeout=timeout,
            raise_for_status=False,
            status_codes=_SAFE_TO_REPEAT,
            # a POST whose answer is lost is never repeated blindly
            exceptions=(),
            request_max_attempts=4,
            request_backoff_factor=backoff,
            request_max_retry_delay=60,
            session_attrs={"auth": auth},
        )

    def render(self, message: Message) -> dict[str, Any]:
        """The body of the POST that creates the issue."""
        project = self._project
        written = adf.document if project.api_version == 3 else adf.wiki
        fields = {
            "project": {"key": project.project_key},
            "issuetype": {"name": project.issue_type},
            "summary": adf.title(message),
            "description": written(message, self._style),
            **project.fields,
        }
        return {"fields": {**fields, "labels": [*project.labels, label(message)]}}

    def preview(self, payload: dict[str, Any]) -> str:
        """The issue as plain lines."""
        fields = payload["fields"]
        head = f"{fields['project']['key']} · {fields['issuetype']['name']} · {', '.join(fields['labels'])}"
        return f"{fields['summary']}\n{adf.readable(fields['description'])}\n{head}"

    def find(self, message: Message) -> str | None:
        """
        The key of the issue that carries the label of `message`.

        Raises:
            NotDelivered: Jira refuses the search, or cannot be reached.

        """
        wanted = f'project = "{self._project.project_key}" AND labels = "{label(message)}"'
        params = {"jql": wanted, "fields": "key", "maxResults": "1"}
        try:
            answer = self._http.get(f"{self._base}{self._search}", params=params, allow_redirects=False)
        except RequestException as error:
            raise NotDelivered(f"Jira cannot be reached ({type(error).__name__})") from None
        issues = _judged(answer).get("issues") or []
        return str(issues[0]["key"]) if issues else None

    def send(self, message: Message) -> str | None:
        """
        Create the issue and return its key.

        Raises:
            ChannelRefused: 401, 403, 404, or no Jira at `base_url`.
            NotDelivered: Jira does not accept the issue, or cannot be reached.
            MaybeDelivered: no answer came after the request had left, or a gateway answered for Jira.

        """
        try:
            answer = self._http.post(f"{self._base}/issue", json=self.render(message), allow_redirects=False)
        except RequestException as error:
            if _never_left(error):
                raise NotDelivered(f"Jira cannot be reached ({type(error).__name__})") from None
            raise MaybeDelivered(f"Jira did not answer ({type(error).__name__})") from None
        if answer.status_code in (502, 504):
            raise MaybeDelivered(f"Jira answered {answer.status_code}")
        key = _judged(answer).get("key")
        if not key:
            raise MaybeDelivered("Jira answered without an issue key")
        return str(key)

    @property
    def _search(self) -> str:
        host = urlsplit(self._project.base_url).hostname or ""
        cloud = self._project.api_version == 3 or host.endswith(".atlassian.net")
        return "/search/jql" if cloud else "/search"


class _Bearer:
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def label(message: Message) -> str:
    """The label by which the issue of `message` is found again."""
    return f"ut-{message.key}"


def _never_left(error: RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return isinstance(error, ConnectTimeout) or (
        isinstance(error, BrokenConnection) and isinstance(reason, NewConnectionError)
    )


def _judged(answer: Response) -> dict[str, Any]:
    """The JSON of a good answer; an error that says what Jira says otherwise."""
    body = _json(answer)
    status = answer.status_code
    if status in _REMEDIES:
        raise ChannelRefused(f"Jira refuses ({status}{_says(body)}). {_REMEDIES[status]}")
    if 300 <= status < 400 or (status < 300 and body is None):
        raise ChannelRefused(f"There is no Jira REST API behind alerts.jira.base_url (status {status}).")
    if status >= 400:
        raise NotDelivered(f"Jira does not accept this ({status}{_says(body)})")
    return body or {}


def _json(answer: Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _says(body: dict[str, Any] | None) -> str:
    errors = (body or {}).get("errors")
    by_field = [f"{name}: {said}" for name, said in errors.items()] if isinstance(errors, dict) else []
    general = (body or {}).get("errorMessages")
    said = [*(general if isinstance(general, list) else []), *by_field]
    return f": {cut('; '.join(map(str, said)), 500)}" if said else ""

"""The section `alerts` of the configuration: read, checked, and turned into rules and channels."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dlt

from ..config import wrong
from ..errors import ConfigurationError
from ..extras import needed
from . import settings
from .channel import Channel
from .jira import JiraChannel, JiraProject
from .message import Style
from .rulebook import active_rules
from .signals import Rule
from .tell import MAX_ALERTS

__all__ = ["CHANNELS", "AlertSettings", "read_settings"]

CHANNELS = ("slack", "jira")
_KEYS = {
    "alerts": ("channels", "max_alerts", "include_text", "per", "result_url", "slack", "jira", "rules"),
    "alerts.slack": ("webhook_url",),
    "alerts.jira": (
        *("base_url", "email", "api_token", "project_key", "issue_type", "labels", "api_version", "fields"),
    ),
}


@dataclass(frozen=True)
class AlertSettings:
    """What to tell, to whom, and how much of it at a time."""

    rules: tuple[Rule, ...]
    channels: tuple[Channel, ...]
    max_alerts: int


def read_settings(to: Sequence[str] = (), max_alerts: int | None = None, dry_run: bool = False) -> AlertSettings:
    """
    Read and check the section `alerts`.

    Args:
        to: channels, in place of `alerts.channels`.
        max_alerts: in place of `alerts.max_alerts`.
        dry_run: nothing will be sent, so that no secrets are needed; without channels it is Slack.

    Raises:
        ConfigurationError: the first key that is missing or wrong.

    """
    for section, known in _KEYS.items():
        _check_keys(section, known)
    channels = tuple(to) or settings.names("alerts.channels") or (("slack",) if dry_run else ())
    if not channels or not set(channels) <= set(CHANNELS):
        raise wrong("alerts.channels", list(channels), 'write ["slack"], ["jira"] or both, or use --to')
    style = Style(settings.flag("alerts.include_text", Style.include_text), _result_url())
    return AlertSettings(
        rules=tuple(active_rules()),
        channels=tuple(_channel(name, style, dry_run) for name in channels),
        max_alerts=settings.whole("alerts.max_alerts", MAX_ALERTS) if max_alerts is None else max_alerts,
    )


def _check_keys(section: str, known: Sequence[str]) -> None:
    found: Any = dlt.config.get(section)
    unknown = sorted(found.keys() - set(known)) if isinstance(found, dict) else []
    if unknown:
        raise ConfigurationError(f"{section}.{unknown[0]}: no such key. Choose from {', '.join(known)}")


def _result_url() -> str:
    key = "alerts.result_url"
    url = settings.text(key) or Style.result_url
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
    except ValueError:
        fields = {url}
    if not re.fullmatch(r"https?://[^\s|<>]+", url) or not fields <= {"test_id", "session_id"}:
        raise wrong(key, url, "write an address with {test_id} and, if it helps, {session_id}")
    return url


def _channel(name: str, style: Style, dry_run: bool) -> Channel:
    return _slack(style, dry_run) if name == "slack" else _jira(style, dry_run)


def _slack(style: Style, dry_run: bool) -> Channel:
    with needed("alerts", "Slack"):
        from .slack import SlackChannel  # noqa: PLC0415 - an extra, only for those who use it
    return SlackChannel("https://dry.run" if dry_run else _webhook_url(), style)


def _webhook_url() -> str:
    key = "alerts.slack.webhook_url"
    url = settings.secret(key, "the address of an incoming webhook")
    if not _is_safe(url):
        raise ConfigurationError(f"{key} is no webhook address: it begins with https://hooks.slack.com/services/")
    if urlsplit(url).path.startswith("/triggers/"):
        raise ConfigurationError(f"{key} is a workflow trigger: make an *incoming webhook* for the channel")
    return url


def _jira(style: Style, dry_run: bool) -> Channel:
    per = settings.text("alerts.per") or "session"
    if per not in ("session", "task"):
        raise wrong("alerts.per", per, "choose session or task")
    return JiraChannel(_project(dry_run), style, per)


def _project(dry_run: bool) -> JiraProject:
    version = settings.whole("alerts.jira.api_version", JiraProject.api_version)
    if version not in (2, 3):
        raise wrong("alerts.jira.api_version", version, "choose 3 (Cloud) or 2 (Data Center)")
    email = settings.text("alerts.jira.email")
    if version == 3 and not email and not dry_run:
        raise ConfigurationError(
            "alerts.jira.email is missing: Jira Cloud wants the account's address beside its api_token"
        )
    return JiraProject(
        base_url=_base_url(dry_run),
        project_key=_project_key(dry_run),
        email=email,
        api_token="" if dry_run else settings.secret("alerts.jira.api_token", "an API token"),
        issue_type=settings.text("alerts.jira.issue_type") or JiraProject.issue_type,
        labels=_labels(),
        fields=settings.table("alerts.jira.fields"),
        api_version=version,
    )


def _base_url(dry_run: bool) -> str:
    key = "alerts.jira.base_url"
    url = settings.text(key) or ("https://your-site.atlassian.net" if dry_run else None)
    if not url or not _is_safe(url):
        raise wrong(key, url, "write the address of your Jira: https://your-site.atlassian.net")
    return url


def _project_key(dry_run: bool) -> str:
    key = "alerts.jira.project_key"
    project = settings.text(key) or ("KEY" if dry_run else None)
    if not project or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", project):
        raise wrong(key, project, "write the key of a project, the part before the dash in UX-123")
    return project


def _labels() -> tuple[str, ...]:
    key = "alerts.jira.labels"
    labels = settings.names(key, JiraProject.labels)
    if any(re.search(r"\s", label) or len(label) > 255 for label in labels):
        raise wrong(key, list(labels), "Jira's labels hold no blanks")
    return labels


def _is_safe(url: str) -> bool:
    """Whether secrets may go to `url`: over TLS or within this machine."""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or here)

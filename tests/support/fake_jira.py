"""Jira's REST API, as far as issues are created and searched: checks what it gets, fails on request, counts."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

EMAIL, TOKEN = "ux@example.com", "jira-token"


class FakeJira:
    """
    Attributes:
        issues: the fields of the issues that were created, by key.
        searches: the queries that came.
        script: how the next creations end, each once: (status, JSON or text, headers), or seconds (a float) to be late
            with the answer after creating the issue.
        search_script: the same for searches.

    """

    def __init__(self, server: HTTPServer, api_version: int = 3) -> None:
        self.issues: dict[str, dict[str, Any]] = {}
        self.searches: list[str] = []
        self.creations = 0
        self.script: list[Any] = []
        self.search_script: list[Any] = []
        self.bearer: str | None = None
        self._version = api_version
        search = "search/jql" if api_version == 3 else "search"
        base = f"/rest/api/{api_version}"
        server.expect_request(f"{base}/issue", method="POST").respond_with_handler(self._create)
        server.expect_request(f"{base}/{search}", method="GET").respond_with_handler(self._search)
        self.url = server.url_for("")

    def _create(self, request: Request) -> Response:
        self.creations += 1
        step = self.script.pop(0) if self.script else None
        if not self._is_known(request):
            return _json(401, {"errorMessages": ["You are not authenticated."], "errors": {}})
        if isinstance(step, tuple):
            return _json(*step)
        errors = self._faults(request.get_json()["fields"])
        if errors:
            return _json(400, {"errorMessages": [], "errors": errors})
        key = f"UX-{len(self.issues) + 1}"
        self.issues[key] = request.get_json()["fields"]
        time.sleep(step or 0)
        return _json(201, {"id": str(10_000 + len(self.issues)), "key": key, "self": f"{self.url}{key}"})

    def _search(self, request: Request) -> Response:
        jql = request.args["jql"]
        self.searches.append(jql)
        if not self._is_known(request):
            return _json(401, {"errorMessages": ["You are not authenticated."], "errors": {}})
        if self.search_script:
            return _json(*self.search_script.pop(0))
        match = re.fullmatch(r'project = "(\w+)" AND labels = "([\w-]+)"', jql)
        assert match, jql
        keys = [key for key, fields in self.issues.items() if match[2] in fields["labels"]]
        return _json(200, {"issues": [{"key": key} for key in keys], "isLast": True})

    def _is_known(self, request: Request) -> bool:
        basic = "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        return request.headers.get("Authorization") == (f"Bearer {self.bearer}" if self.bearer else basic)

    def _faults(self, fields: dict[str, Any]) -> dict[str, str]:
        errors = {}
        if fields["project"]["key"] != "UX":
            errors["project"] = "valid project is required"
        if not 1 <= len(fields["summary"]) <= 255 or "\n" in fields["summary"]:
            errors["summary"] = "Summary must be on one line and less than 255 characters."
        if any(re.search(r"\s", label) or len(label) > 255 for label in fields["labels"]):
            errors["labels"] = "The label can't contain spaces."
        if not self._is_description(fields["description"]):
            errors["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        return errors

    def _is_description(self, description: Any) -> bool:
        if self._version == 2:
            return isinstance(description, str) and len(description) <= 32_767
        return (
            isinstance(description, dict)
            and (description["type"], description["version"]) == ("doc", 1)
            and all(map(_is_node, description["content"]))
        )


# what may be inside which node of an Atlassian Document
_INSIDE = {
    "paragraph": {"text", "hardBreak"},
    "blockquote": {"paragraph"},
    "bulletList": {"listItem"},
    "listItem": {"paragraph"},
}


def _is_node(node: dict[str, Any]) -> bool:
    if node["type"] == "text":
        return bool(node["text"])
    if node["type"] == "hardBreak":
        return True
    inside = node["content"]
    return bool(inside) and all(one["type"] in _INSIDE[node["type"]] and _is_node(one) for one in inside)


def words(node: Any) -> str:
    """All text in an Atlassian Document."""
    if isinstance(node, dict):
        return str(node.get("text", "")) + " ".join(map(words, node.get("content", [])))
    return str(node)


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    response = Response("", status, headers)
    if isinstance(body, str):
        response.set_data(body)
    else:
        response.set_data(json.dumps(body))
        response.content_type = "application/json"
    return response

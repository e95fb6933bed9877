"""Checks answers against the vendor's OpenAPI descriptions, which lie beside the repository, not in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api"
RESULTS, LEGACY = FOLDER / "results-v2-openapi.yml", FOLDER / "legacy-v1-openapi.yml"
LEGACY_PREFIX = "/usertesting/api"

needs_openapi = pytest.mark.skipif(
    not (RESULTS.exists() and LEGACY.exists()), reason=f"the OpenAPI descriptions are not in {FOLDER}"
)


def validate(response: requests.Response) -> None:
    """Raise if the status, headers, content type or body of `response` is not as described."""
    assert response.request.url is not None
    host, _, path = response.request.url.partition("://")[2].partition("/")
    legacy = f"/{path}".startswith(LEGACY_PREFIX)
    server = f"http://{host}{LEGACY_PREFIX if legacy else ''}"
    _description(LEGACY if legacy else RESULTS, server).validate_response(
        RequestsOpenAPIRequest(response.request), RequestsOpenAPIResponse(response)
    )


@cache
def _description(file: Path, server: str) -> OpenAPI:
    description = yaml.safe_load(file.read_text(encoding="utf-8"))
    description["servers"] = [{"url": server}]
    config = Config(extra_media_type_deserializers={"text/vtt": _text})
    return OpenAPI.from_dict(_nullable(description), config=config)


def _text(body: bytes, **parameters: str) -> str:
    return body.decode(parameters.get("charset", "utf-8"))


def _nullable(node: Any) -> Any:
    """
    The description with its nullable references as they are meant.

    `nullable: true` beside `allOf` or `oneOf` has no effect in OpenAPI 3.0, where only a `type` can be
    nullable: taken literally, the API could never send the null that the description announces.
    """
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _nullable(value) for key, value in node.items()}
    if node.get("nullable") is True and "type" not in node and ("allOf" in node or "oneOf" in node):
        kind = "allOf" if "allOf" in node else "oneOf"
        null = {"type": "object", "nullable": True, "maxProperties": 0, "enum": [None]}
        node = {**{k: v for k, v in node.items() if k != kind}, "anyOf": [null, {kind: node[kind]}]}
    return node

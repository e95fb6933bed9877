"""The vendor's OpenAPI descriptions, which lie beside the repository, not in it: of answers, and of our facts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

from tests.sample_api.facts import Endpoint
from tests.support.shapes import FLAG, NUMBER, OBJECT, TEXT, TIME, URL, UUID, WHOLE, Between, Shape

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api"
RESULTS, LEGACY = FOLDER / "results-v2-openapi.yml", FOLDER / "legacy-v1-openapi.yml"
LEGACY_PREFIX = "/usertesting/api"

AT_HAND = RESULTS.exists() and LEGACY.exists()


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
def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


@cache
def _description(file: Path, server: str) -> OpenAPI:
    description = {**_read(file), "servers": [{"url": server}]}
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


def described(path: str) -> Endpoint:
    """What the descriptions say of an endpoint, as our table of facts would say it."""
    document = _read(LEGACY if path.startswith(LEGACY_PREFIX) else RESULTS)
    operation = document["paths"][path.removeprefix(LEGACY_PREFIX)]["get"]
    answer = operation["responses"]["200"]
    ((content_type, content),) = answer["content"].items()
    return Endpoint(
        path,
        _shape(document, content["schema"]),
        {one["name"] + "?" * (not one["required"]): _shape(document, one["schema"]) for one in operation["parameters"]},
        {int(status) for status in operation["responses"]},
        content_type,
        {name: _shape(document, header["schema"]) for name, header in answer.get("headers", {}).items()},
    )


def legacy_refusals() -> list[Shape]:
    """The bodies of all refusals of the legacy API."""
    document = _read(LEGACY)
    answers = [answer for path in document["paths"].values() for answer in path["get"]["responses"].items()]
    return [
        _shape(document, answer["content"]["application/json"]["schema"]) for code, answer in answers if code != "200"
    ]


def _shape(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Shape:
    if "$ref" in schema:
        return _shape(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    parts = schema.get("allOf") or schema.get("oneOf")
    shapes = [_shape(document, part) for part in parts] if parts else [_plain(document, schema)]
    shapes += [None] * bool(schema.get("nullable"))
    return tuple(shapes) if len(shapes) > 1 else shapes[0]


def _plain(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Shape:
    if "enum" in schema:
        return set(schema["enum"])
    if "minimum" in schema:
        return Between(schema["minimum"], schema["maximum"])
    if "items" in schema:
        return [_shape(document, schema["items"])]
    if "properties" in schema:
        required = schema.get("required", ())
        fields = schema["properties"].items()
        return {name + "?" * (name not in required): _shape(document, inside) for name, inside in fields}
    formats = {"uuid": UUID, "date-time": TIME, "url": URL}
    kinds = {"string": TEXT, "number": NUMBER, "integer": WHOLE, "boolean": FLAG, "object": OBJECT}
    return formats.get(schema.get("format", "")) or kinds[schema["type"]]

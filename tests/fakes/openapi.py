"""Requests held against an OpenAPI 3.0 document: its path, its query and its body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from jsonschema import Draft202012Validator

Json: TypeAlias = Any

METHODS = ("get", "post", "put", "patch", "delete", "head")


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is the template; schemas are plain JSON Schema with every reference put in."""

    method: str
    path: str
    pattern: re.Pattern[str]
    values: Mapping[str, Json]
    query: Mapping[str, Json]
    required: frozenset[str]
    body: Json
    body_required: bool


def operations(document: Json, wanted: Iterable[str] | None = None) -> list[Operation]:
    """The operations of a document, those with the fewest variables first."""
    paths = document["paths"] if wanted is None else {p: document["paths"][p] for p in wanted}
    found = [
        _operation(document, method, path, item[method], item.get("parameters", []))
        for path, item in paths.items()
        for method in METHODS
        if method in item
    ]
    return sorted(found, key=lambda operation: (operation.path.count("{"), -len(operation.path)))


def _operation(document: Json, method: str, path: str, item: Json, shared: list[Json]) -> Operation:
    parameters = [_resolved(document, p) for p in [*shared, *item.get("parameters", [])]]
    of_path = {p["name"]: p for p in parameters if p["in"] == "path"}
    of_query = {p["name"]: p for p in parameters if p["in"] == "query"}
    body = _resolved(document, item.get("requestBody", {}))
    content = body.get("content", {}).get("application/json", {})
    return Operation(
        method.upper(),
        path,
        re.compile(_expression(path, of_path)),
        {name: p.get("schema", {}) for name, p in of_path.items()},
        {name: p.get("schema", {}) for name, p in of_query.items()},
        frozenset(name for name, p in of_query.items() if p.get("required")),
        content.get("schema"),
        bool(body.get("required")),
    )


def _expression(path: str, parameters: Mapping[str, Json]) -> str:
    pieces = []
    for piece in re.split(r"(\{[^}]+\})", path):
        if not piece.startswith("{"):
            pieces.append(re.escape(piece))
            continue
        many = parameters.get(piece[1:-1], {}).get("x-multi-segment")
        # GitHub marks some of those whose value may hold slashes, and forgets others.
        many = many or piece in ("{path}", "{ref}", "{basehead}")
        pieces.append(f"(?P<{piece[1:-1]}>{'.+' if many else '[^/]+'})")
    return "".join(pieces)


def _resolved(document: Json, value: Json, depth: int = 0) -> Json:
    """The value with references replaced, and OpenAPI's `nullable` in JSON Schema's words."""
    if depth > 40:
        return {}
    if isinstance(value, list):
        return [_resolved(document, item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return _resolved(document, target, depth + 1)
    dropped = ("example", "examples", "description", "responses")
    made = {k: _resolved(document, v, depth + 1) for k, v in value.items() if k not in dropped}
    if isinstance(value.get("properties"), dict) and "properties" in made:
        inner = value["properties"].items()
        made["properties"] = {k: _resolved(document, v, depth + 1) for k, v in inner}
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


class Requests:
    """Says of a request what a document does not allow."""

    def __init__(self, known: list[Operation]) -> None:
        self._known = known

    def wrong(
        self, method: str, path: str, query: Mapping[str, list[str]], body: bytes
    ) -> str | None:
        """What is wrong with a request, or None. `path` keeps its percent-encoding."""
        for operation in self._known:
            found = operation.pattern.fullmatch(path)
            if operation.method != method or found is None:
                continue
            mistakes = [
                *_path_mistakes(operation, found.groupdict()),
                *_query_mistakes(operation, query),
                *_body_mistakes(operation, body),
            ]
            where = f"{method} {path} ({operation.path})"
            return f"{where}: {'; '.join(mistakes)}" if mistakes else None
        return f"{method} {path}: no such operation"


def _path_mistakes(operation: Operation, values: Mapping[str, str]) -> list[str]:
    return [
        mistake
        for name, value in values.items()
        for mistake in _value_mistakes(name, unquote(value), operation.values.get(name, {}))
    ]


def _query_mistakes(operation: Operation, query: Mapping[str, list[str]]) -> list[str]:
    mistakes = [f"lacks the parameter {name}" for name in operation.required - set(query)]
    for name, values in query.items():
        schema = operation.query.get(name, operation.query.get(name.removesuffix("[]")))
        if schema is None:
            mistakes.append(f"unknown parameter {name}")
            continue
        if schema.get("type") == "array":
            schema = schema.get("items", {})
        for value in values:
            mistakes += _value_mistakes(name, value, schema)
    return mistakes


def _value_mistakes(name: str, text: str, schema: Json) -> list[str]:
    """A value of path or query is text; it is read as what the schema wants."""
    kinds = schema.get("type", "string")
    for branch in schema.get("oneOf", schema.get("anyOf", [])):
        if not _value_mistakes(name, text, branch):
            return []
    value: Json = text
    if "integer" in kinds and re.fullmatch(r"-?\d+", text):
        value = int(text)
    elif "boolean" in kinds and text in ("true", "false"):
        value = text == "true"
    return [f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]


def _body_mistakes(operation: Operation, body: bytes) -> list[str]:
    if not body:
        return ["lacks a body"] if operation.body_required else []
    if operation.body is None:
        return ["has a body, and none is documented"]
    value = json.loads(body)
    errors = Draft202012Validator(operation.body).iter_errors(value)
    mistakes = [f"body{error.json_path[1:]}: {error.message}" for error in errors]
    known = operation.body.get("properties")
    if known is not None and isinstance(value, dict):
        mistakes += [f"unknown field {name}" for name in value if name not in known]
    return mistakes

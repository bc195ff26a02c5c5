"""JSON Schemas for kubeconform, made from what an apiserver says of itself (`/openapi/v2`), so that
they are of exactly that version and nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
"""kubeconform's pattern for the names of files."""
_EITHER = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def write_schemas(openapi: Json, folder: Path) -> int:
    """One file for each kind; how many those are."""
    definitions = {name: _strict(name, one) for name, one in openapi["definitions"].items()}
    written = 0
    for name, one in openapi["definitions"].items():
        for kind in one.get("x-kubernetes-group-version-kind", []):
            document = {
                "$schema": DRAFT,
                "$ref": f"#/definitions/{name}",
                "definitions": {part: definitions[part] for part in _reached(name, definitions)},
            }
            (folder / _file(kind)).write_text(json.dumps(document))
            written += 1
    return written


def _file(kind: Json) -> str:
    group = kind["group"].partition(".")[0]
    words = [kind["kind"], *([group] if group else []), kind["version"]]
    return "-".join(words).lower() + ".json"


def _strict(name: str, schema: Json) -> Json:
    """Fields that are not listed are refused; numbers may stand where the server takes both."""
    if name == _QUANTITY:
        return _EITHER
    changed: Json = _converted(schema)
    if "properties" in changed:
        changed["additionalProperties"] = False
    return changed


def _converted(value: Any) -> Any:
    if isinstance(value, list):
        return [_converted(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("format") == "int-or-string":
        return _EITHER
    return {key: _converted(one) for key, one in value.items() if not key.startswith("x-")}


def _reached(name: str, definitions: Json) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += _references(definitions[one])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix("#/definitions/")
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)

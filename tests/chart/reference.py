"""Writes docs/chart-values.md from the schema and defaults of the chart's values, the generated
parts of other pages, and the golden renders: `python -m tests.chart.reference`. Read the difference
before you commit it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bot.executors.kubernetes.manifest import build_pod
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.chart import helm
from tests.kubernetes import scene

PAGE = helm.ROOT / "docs" / "chart-values.md"
GOLDEN = helm.ROOT / "tests" / "golden" / "chart"
_HEAD = """# Values of the chart

Made from `chart/values.schema.json` and `chart/values.yaml`. How they go together:
[install](install.md). helm refuses keys that are not listed here, and those of `config` that the
[central config](central-config.md) does not have.

| key | value | default | |
|---|---|---|---|
"""
_TAIL = """
A *peer* is either `{cidr: RANGE, ports: […]}` or `{namespace: NAME, podLabels: {…}, ports: […]}`;
`ports` are TCP ports, and without them every port is meant. `dns` and `webFrom` have ports of their
own.
"""
_WORDS = {"boolean": "true or false", "string": "text", "object": "mapping"}


def page() -> str:
    schema = json.loads((helm.CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((helm.CHART / "values.yaml").read_text())
    return _HEAD + "".join(_rows(schema, defaults, "")) + _TAIL


def _rows(schema: dict[str, Any], defaults: Any, prefix: str) -> Iterator[str]:
    for key, form in schema["properties"].items():
        path = prefix + key
        if path == "global":  # helm's own
            continue
        default = defaults.get(key) if isinstance(defaults, dict) else None
        if "properties" in form:
            yield f"| **`{path}`** | | | {form['description']} |\n"
            yield from _rows(form, default, path + ".")
        else:
            cells = (f"`{path}`", _words(form), _default(path, default), form["description"])
            yield f"| {' | '.join(cells)} |\n"


def _words(form: dict[str, Any]) -> str:
    if "enum" in form:
        return ", ".join(f"`{one}`" for one in form["enum"])
    match form.get("type", "object"):
        case "integer":
            return f"{form['minimum']} to {form['maximum']}"
        case "array":
            item = form["items"]
            return "list of peers" if "$ref" in item else f"list of {_words(item)}s"
        case "object" if form.get("additionalProperties") == {"type": "string"}:
            return "mapping of texts"
        case kind:
            return _WORDS[kind]


def _default(path: str, default: Any) -> str:
    if path in ("config", "image.repository"):
        return "**required**"
    if default in ("", [], {}, None):
        return "none"
    shown = json.dumps(default) if isinstance(default, (list, dict, bool)) else str(default)
    return f"`{shown}`"


def _permissions() -> str:
    rows = [f"| {one.resource} | {', '.join(one.verbs)} | {one.why} |\n" for one in PERMISSIONS]
    return "\n| on | may | for |\n|---|---|---|\n" + "".join(rows) + "\n"


def _build_pod() -> str:
    build = {k: v for k, v in scene.RECIPE["build"].items() if k not in ("cpu", "memory")}
    attempt = scene.attempt(recipe=scene.RECIPE | {"build": build})
    spec: Any = build_pod(attempt, scene.settings(), scene.identity())["spec"]
    text = "| container | | processors | memory | disk |\n|---|---|---|---|---|\n"
    for container in (*spec["initContainers"], *spec["containers"]):
        for kind in ("requests", "limits"):
            found = container["resources"][kind]
            cells = (found.get("cpu", "none"), _size(found["memory"]), found["ephemeral-storage"])
            text += f"| `{container['name']}` | {kind} | {' | '.join(cells)} |\n"
    return text


def _size(quantity: str) -> str:
    return f"{int(quantity) >> 20}Mi" if quantity.isdigit() else quantity


def _with_block(name: str, block: str, text: str) -> tuple[Path, str]:
    path = helm.ROOT / "docs" / name
    before, start, rest = path.read_text().partition(f"<!-- generated: {block} -->\n")
    return path, before + start + text + rest[rest.index("<!-- end -->") :]


def documents() -> Iterator[tuple[Path, str]]:
    """Pages, or parts of pages, that need no helm."""
    yield PAGE, page()
    yield _with_block("secure.md", "permissions", _permissions())
    yield _with_block("sizing.md", "build pod", _build_pod())


def generated() -> Iterator[tuple[Path, str]]:
    yield from documents()
    for name in helm.NAMES:
        yield GOLDEN / f"{name}.yaml", helm.text(name)


def main() -> None:
    for path, text in generated():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()

"""Writes docs/chart-values.md from the schema and defaults of the chart's values, and the golden
renders: `python -m tests.chart.reference`. Read the difference before you commit it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.chart import helm

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


def generated() -> Iterator[tuple[Path, str]]:
    yield PAGE, page()
    for name in helm.NAMES:
        yield GOLDEN / f"{name}.yaml", helm.text(name)


def main() -> None:
    for path, text in generated():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()

"""Writes what is generated from the key tables, and what the parsers say of the golden files:
`python -m tests.core.config_reference`. Read the difference before you commit it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bot.core import configschema
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def generated() -> Iterator[tuple[Path, str]]:
    """Files that are made from the tables of keys, and what they have to hold."""
    yield ROOT / "config" / "pushwright.schema.json", configschema.repository_schema()
    yield ROOT / "config" / "pushwright-central.schema.json", configschema.central_schema()
    values = ROOT / "chart" / "values.schema.json"
    yield values, with_config(values.read_text())
    for name, tables in (
        ("config.md", configschema.repository_tables()),
        ("central-config.md", configschema.central_tables()),
    ):
        page = ROOT / "docs" / name
        yield page, configschema.with_tables(page.read_text(), tables)


def with_config(values: str) -> str:
    """The schema of the chart's values, with that of the central config in it: helm refuses its
    typos, too. Draft 7, which every release of helm reads; nothing in ours is newer. The chart
    knows itself which image it is and where builds run."""
    schema = json.loads(values)
    central = json.loads(configschema.central_schema())
    del central["$schema"]
    del central["properties"]["kubernetes"]["required"]
    schema["definitions"]["config"] = central
    return json.dumps(schema, indent=2) + "\n"


def golden() -> Iterator[tuple[Path, str]]:
    """Files with mistakes, and what is said of them."""
    for path in sorted((GOLDEN / "repofile").glob("*.yaml")):
        repo = parse_repo_file(path.read_bytes(), path.name)
        yield path, _said(() if isinstance(repo, RepoConfig) else repo)
    for path in sorted((GOLDEN / "centralfile").glob("*.yaml")):
        central = parse_central(path.read_bytes(), path.name)
        yield path, _said(() if isinstance(central, CentralConfig) else central)


def _said(mistakes: tuple[object, ...]) -> str:
    return "".join(f"{one}\n" for one in mistakes)


def main() -> None:
    for path, text in generated():
        path.write_text(text)
    for path, text in golden():
        path.with_suffix(".txt").write_text(text)


if __name__ == "__main__":
    main()

"""JSON Schemas and reference tables of both config files, made from the tables of keys."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from bot.core.centralkeys import CENTRAL_FILE, CENTRAL_RECORDS
from bot.core.forms import Record, Schema
from bot.core.repokeys import RECORDS, REPOSITORY_FILE

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def repository_schema() -> str:
    """The JSON Schema of `.pushwright.yaml`, for editors."""
    return _document("pushwright repository config", REPOSITORY_FILE.schema())


def central_schema() -> str:
    return _document("pushwright central config", CENTRAL_FILE.schema())


def _document(title: str, schema: Schema) -> str:
    return json.dumps({"$schema": DIALECT, "title": title} | schema, indent=2) + "\n"


def repository_tables() -> str:
    return _tables(RECORDS)


def central_tables() -> str:
    return _tables(CENTRAL_RECORDS)


def _tables(records: Sequence[Record]) -> str:
    return "\n".join(_table(record, records) for record in records)


def _table(record: Record, records: Sequence[Record]) -> str:
    lines = [f"### {record.title}", "", "| key | value | default | |", "|---|---|---|---|"]
    for key in record.keys:
        inner = next((one for one in _records(key.form) if one in records), None)
        link = f", see [{inner.title}](#{_anchor(inner.title)})" if inner else ""
        default = "**required**" if key.required else key.default
        cells = (f"`{key.name}`", key.form.words + link, default, key.about)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _anchor(title: str) -> str:
    return title.replace(" ", "-")


def _records(form: object) -> Iterator[Record]:
    """The record that a form leads to, looked for inside of lists, names and shapes."""
    if isinstance(form, Record):
        yield form
    elif dataclasses.is_dataclass(form):
        for part in dataclasses.fields(form):
            yield from _records(getattr(form, part.name))


BEGIN, END = "<!-- keys: begin (generated) -->", "<!-- keys: end -->"


def with_tables(page: str, tables: str) -> str:
    """The page with what stands between its two marks replaced."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{tables}{END}{tail}"

"""A file with two images."""

from __future__ import annotations

from pathlib import Path

import pytest

TWO = """\
version: 1
images:
  api:
    context: api
    target: final
    args: {VERSION: "{{branch}}"}
    image: [ghcr.io/acme/api, quay.io/acme/api]
    on: {push: {branches: [main], paths: ["api/**"]}}
    tags: ["type=ref,event=branch", "type=sha", "type=raw,value=top,priority=999"]
    oci-labels: full
    labels: {team: red}
  web:
    context: web
    on: {push: {branches: [main], paths: ["web/**"]}}
    push: [tag]
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    return file

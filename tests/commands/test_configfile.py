"""Each process misses the files that it reads, and not those of others, which it may not see."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.configfile import ConfigFile, Files, all_files, credential_files, webhook_files

CONFIG = """
version: 1
public-url: https://builds.example.com
sources:
  github:
    kind: github
    app: {id: 1, private-key-file: app.pem}
    webhook-secret-files: webhook
    ca-file: ca.pem
repositories: [acme/*]
registries:
  ghcr.io: {bot-auth-file: bot.json}
secrets:
  npm: {file: npm, repositories: [acme/*]}
defaults: {registry: ghcr.io}
"""


@pytest.mark.parametrize(
    ("files", "missed"),
    [
        (webhook_files, {"webhook"}),
        (credential_files, {"app.pem", "ca.pem", "bot.json", "npm"}),
        (all_files, {"webhook", "app.pem", "ca.pem", "bot.json", "npm"}),
    ],
)
def test_who_misses_what(
    files: Files, missed: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "pushwright.yaml"
    path.write_text(CONFIG)
    with caplog.at_level(logging.WARNING):
        ConfigFile(path, SystemClock(), files)
    told = [record.getMessage() for record in caplog.records]
    assert {name for name in missed if any(f"/{name} of" in text for text in told)} == missed
    assert len(told) == len(missed)

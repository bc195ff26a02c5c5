"""The values in docs/install.md are values that the chart takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.chart import helm

BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```$",
    (helm.ROOT / "docs" / "install.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("block", BLOCKS)
def test_example(block: str, tmp_path: Path) -> None:
    """The whole one stands alone, parts are laid over the smallest values."""
    file = tmp_path / "values.yaml"
    file.write_text(block)
    whole = "config" in yaml.safe_load(block)
    under = [] if whole else [f"--values={helm.VALUES / 'sqlite.yaml'}"]
    done = helm.template(*under, f"--values={file}")
    assert done.returncode == 0, done.stderr


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 3

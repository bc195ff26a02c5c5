"""requirements.lock answers pyproject.toml, without asking any registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<rest>.*)$")


def pins() -> dict[str, tuple[str, int]]:
    """Name to version and number of hashes; `make lock` writes one pin a block."""
    found: dict[str, tuple[str, int]] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if pin := _PIN.match(line):
            name = canonicalize_name(pin["name"])
            found[name] = (pin["version"], 0)
        elif line.strip().startswith("--hash=sha256:"):
            version, hashes = found[name]
            found[name] = (version, hashes + 1)
    return found


def wanted() -> list[Requirement]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups.append(document["build-system"]["requires"])
    return [Requirement(text) for group in groups for text in group]


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    known = pins()
    wrong = [
        f"{requirement}: {known.get(canonicalize_name(requirement.name), ('no pin', 0))[0]}"
        for requirement in wanted()
        if requirement.marker is None or requirement.marker.evaluate()
        if (pin := known.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(pin[0], prereleases=True)
    ]
    assert not wrong, f"make lock: {wrong}"


def test_every_pin_has_hashes_and_names_no_index() -> None:
    assert [name for name, (_, hashes) in pins().items() if hashes == 0] == []
    text = (ROOT / "requirements.lock").read_text()
    assert "index-url" not in text
    assert "://" not in text


def test_nothing_is_pinned_that_nobody_needs() -> None:
    """Every pin says who wants it; a name that pyproject no longer has would say so."""
    direct = {canonicalize_name(requirement.name) for requirement in wanted()}
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    claimed = {
        canonicalize_name(block.partition("==")[0])
        for block in blocks
        if "pushwright (pyproject.toml)" in block
    }
    assert claimed <= direct, f"make lock: {sorted(claimed - direct)}"

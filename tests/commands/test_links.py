"""Links between our own pages lead somewhere, to the heading that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def _anchors(page: Path) -> set[str]:
    """As GitHub and GitLab make them: https://docs.github.com/en/get-started/writing-on-github."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found), target


def test_the_index_has_every_page() -> None:
    """And the README leads to the index."""
    index = ROOT / "docs" / "README.md"
    shown = set(re.findall(r"\]\(([\w.-]+\.md)\)", index.read_text()))
    assert shown == {page.name for page in (ROOT / "docs").glob("*.md")} - {index.name}, (
        "docs/README.md leads to every page of docs"
    )
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_has_what_a_page_names(page: Path) -> None:
    """As a line of its own or as code: `make demo`."""
    files = [ROOT / "Makefile", *(ROOT / "tests").glob("*/*.mk")]
    listed = {
        target
        for file in files
        for target in re.findall(r"^([a-z0-9-]+):.*##", file.read_text(), re.MULTILINE)
    }
    named = re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE)
    assert set(named) <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`((?:bot|tests|config|chart)/[^`\s]*)`", text):
        assert list(ROOT.glob(re.sub(r"<\w+>", "*", name).rstrip("/"))), name
    for module in re.findall(r"python -m (tests[\w.]*)", text):
        file = ROOT / module.replace(".", "/")
        run = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
        assert '__name__ == "__main__"' in run.read_text(), f"{module} runs nothing"

"""What is generated is current, and the schema says of files what the parser says of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.configcheck import check_config
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from tests.core.config_reference import GOLDEN, ROOT, generated
from tests.core.test_repofile import FULL


class Core(yaml.CSafeLoader):
    """YAML 1.2's booleans, as editors and the bot read them: `on` and `off` are words."""


Core.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def schema(name: str) -> jsonschema.Draft202012Validator:
    text = json.loads((ROOT / "config" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(text)
    return jsonschema.Draft202012Validator(text)


def load(text: str) -> Any:
    return yaml.load(text, Loader=Core)


def blocks(page: str) -> list[str]:
    return re.findall(
        r"^```yaml\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*one, id=one[0].name) for one in generated()]
)
def test_generated_files_are_current(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `python -m tests.core.config_reference`"


def test_examples_of_the_docs_hold_for_parser_and_schema() -> None:
    for text in (*blocks("config.md"), FULL.decode()):
        assert isinstance(parse_repo_file(text.encode()), RepoConfig)
        schema("pushwright.schema.json").validate(load(text))
    example = (ROOT / "config" / "pushwright.example.yaml").read_text()
    for text in (*blocks("central-config.md"), example):
        assert isinstance(parse_central(text.encode(), "c"), CentralConfig)
        schema("pushwright-central.schema.json").validate(load(text))
    assert blocks("config.md")
    assert blocks("central-config.md")


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("pushwright.schema.json", "repofile", "keys.yaml"),
        ("pushwright.schema.json", "repofile", "noimages.yaml"),
        ("pushwright-central.schema.json", "centralfile", "keys.yaml"),
    ],
)
def test_the_schema_refuses_wrong_files(name: str, folder: str, file: str) -> None:
    found = load((GOLDEN / folder / file).read_text())
    assert not schema(name).is_valid(found)


def test_check_config_knows_both_files(tmp_path: Path) -> None:
    repo = tmp_path / "a.yaml"
    repo.write_text("version: 1\nimages: {api: , web: {args: {TOKEN: x}}}\n")
    checked = check_config(str(repo))
    assert (checked.lines[-1], checked.code) == ("ok: 2 images: api, web", 0)
    assert checked.lines[0].startswith(f"warning: {repo}:2:")
    central = tmp_path / "central.yaml"
    central.write_text((ROOT / "config" / "pushwright.example.yaml").read_text())
    checked = check_config(str(central))
    assert checked.code == 1
    missing = f"{tmp_path}/secrets/github-app.pem: the file of source github can't be read: "
    assert checked.lines[0] == f"{missing}No such file or directory"
    for mistake in checked.mistakes:
        Path(mistake.file).parent.mkdir(exist_ok=True)
        Path(mistake.file).touch()
    checked = check_config(str(central))
    assert checked.lines == ("ok: 3 sources, 4 repository rules, 2 registries, 2 secrets",)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("version: 1\nimages: {a: {contxt: x}}\n", ["1 mistake"]),
        ("sources: [\n", ["1 mistake"]),
        ("public-url: 1\n", ["4 mistakes"]),
    ],
)
def test_check_config_fails_with_places(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    checked = check_config(str(path))
    assert checked.code == 1
    assert list(checked.lines[-1:]) == lines
    assert all(line.startswith(f"{path}:") for line in checked.lines[:-1])


def test_check_config_finds_what_only_a_plan_shows(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "version: 1\nimages:\n"
        "  a: {image: r.test/x/y, on: {push: {branches: [stable, 'x*']}}, timeout: 5h}\n"
        "  b: {image: r.test/x/y, on: {push: {branches: [stable], tags: [pr-7]}},"
        " tags: ['type=ref,event=branch', 'type=ref,event=tag']}\n"
    )
    checked = check_config(str(path))
    column = path.read_text().splitlines()[3].index("type=ref,event=tag") + 1
    assert [str(one).split(" (")[0] for one in checked.lines] == [
        f"{path}:4:3: images a and b both claim r.test/x/y:stable",
        f"{path}:4:{column}: the name `pr-7` is reserved",
        "2 mistakes",
    ]


def test_check_config_of_no_file(tmp_path: Path) -> None:
    checked = check_config(str(tmp_path))
    assert (checked.code, checked.lines) == (1, (f"{tmp_path}: it can't be read: Is a directory",))

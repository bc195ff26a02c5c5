"""The pages for contributors, maintainers and administrators: what they say to write is understood,
every command has its place, and their tables are those of the code."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from bot.cli import make_parser
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.commands import MAINTAIN_FOR_REQUIRED, TABLE, Place
from bot.core.commands_access import needed
from bot.core.commands_parsing import read_comment
from bot.core.ids import Role
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from tests.commands.running import ROOT

DOCS = ROOT / "docs"
PAGES = {
    name: (DOCS / f"{name}.md").read_text("utf-8")
    for name in ("contributors", "maintainers", "administrators")
}
EXAMPLES = re.findall(
    r"^\| `(/[^`]+)` \|", PAGES["contributors"].partition("| you write |")[2], re.MULTILINE
)
INLINE = [
    (name, line)
    for name, text in PAGES.items()
    for line in re.findall(r"`(/[a-z][^`\n]*)`", text)
    if not line.startswith(("/webhooks", "/retry")) and "[" not in line and "<" not in line
]
IMAGES = ("api", "web", "api-docs")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10
    assert len(INLINE) >= 20


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_understood(example: str) -> None:
    orders = read_comment(example, images=IMAGES)
    assert orders.refused == ()
    assert [f"/{one.name}" for one in orders.commands] == [example.split(maxsplit=1)[0]]


@pytest.mark.parametrize(("page", "line"), INLINE)
def test_each_command_in_the_text_is_one_of_the_table(page: str, line: str) -> None:
    assert line.split(maxsplit=1)[0].removeprefix("/") in {
        *(spec.name for spec in TABLE),
        *(alias for spec in TABLE for alias in spec.aliases),
        "pushwright",
        "lgtm",
        "hold",
    }, page


def test_every_command_has_an_example() -> None:
    shown = {example.split()[0].removeprefix("/") for example in EXAMPLES}
    assert {spec.name for spec in TABLE} == shown


@pytest.mark.parametrize("page", PAGES)
def test_a_page_itself_commands_only_what_it_shows(page: str) -> None:
    """Somebody pastes it into a comment: all in it is code, a table or a list."""
    assert read_comment(PAGES[page]).commands == ()


def test_refs_of_commits_are_understood() -> None:
    for ref in ("branch:main", "tag:v1.2.3"):
        assert ref in PAGES["contributors"]
        assert read_comment(f"/build {ref}", Place.COMMIT).refused == ()


def rows(page: str, block: str) -> list[list[str]]:
    text = PAGES[page].partition(f"<!-- generated: {block} -->")[2].partition("<!-- end -->")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()
    ]
    return cells[2:]


def test_the_table_of_roles_gives_every_command_to_exactly_one_role() -> None:
    given = {
        role: set(re.findall(r"`/([a-z-]+)`", may)) for role, may in rows("maintainers", "roles")
    }
    author, maintain = given.pop("author"), given["maintain"]
    assert author == {spec.name for spec in TABLE if spec.author != "no"}
    assert Role.MAINTAIN is MAINTAIN_FOR_REQUIRED
    assert "skip" in maintain
    maintain.remove("skip")  # of a required image
    for spec in TABLE:
        wanted = "anybody" if spec.role is Role.NONE else str(spec.role)
        assert {role for role, names in given.items() if spec.name in names} == {wanted}


def test_the_table_of_floors_is_what_a_config_comes_to() -> None:
    shown = rows("administrators", "floors")
    assert [row[0].strip("`") for row in shown] == [spec.name for spec in TABLE]
    for spec, (_, usual, floor) in zip(TABLE, shown, strict=True):
        policy = central(f"commands: {{roles: {{{spec.name}: none}}}}\n").commands
        assert needed(spec, policy.roles) == floor
        assert needed(spec, central("").commands.roles) == usual.split(",")[0]


def central(more: str) -> CentralConfig:
    text = (
        "version: 1\npublic-url: https://b.test\ndefaults: {registry: r.test}\n"
        "sources:\n  gl: {kind: gitlab, token-file: t, webhook-secret-files: [s]}\n"
    )
    rules = "" if "repositories:" in more else "repositories: [acme/*]\n"
    found = parse_central(f"{text}{rules}{more}".encode(), "central.yaml")
    assert isinstance(found, CentralConfig), found
    return found


def blocks(page: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def test_the_administrators_example_is_a_central_config() -> None:
    [block] = blocks("administrators")
    found = central(block)
    assert found.commands.bots == ("renovate[bot]",)
    assert found.repositories[0].commands == {"cancel": Role.MAINTAIN}


def test_the_maintainers_example_is_a_config() -> None:
    [block] = blocks("maintainers")
    assert yaml.safe_load(block)["promote"]
    found = parse_repo_file(block.encode())
    assert isinstance(found, RepoConfig), found


@pytest.mark.parametrize("page", PAGES)
def test_the_command_lines_are_commands(page: str) -> None:
    for line in re.findall(r"`pushwright ([a-z][^`\n]*)`", PAGES[page]):
        words = shlex.split(line)
        if words[0] in ("plan", "tags"):  # shown without what they look at
            words += ["--host", "github", "--event", "push", "--payload", "-"]
        make_parser().parse_args(words)

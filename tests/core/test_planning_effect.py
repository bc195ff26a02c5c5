"""What a fork's change of the config would do, told while the target branch's file holds."""

from __future__ import annotations

from bot.core.facts import EventFacts, KnownPaths, NoConfig
from bot.core.ids import ImageKey, Trust
from bot.core.planning import plan
from bot.core.plans import ClaimWish
from bot.core.repofile import parse_repo_file
from tests.core.scene import claim, config, facts, requested

BASE = """\
version: 1
images:
  api:
    context: api
    on: {pull_request: {paths: ["api/**"]}}
    tags: ["type=ref,event=pr"]
  web: {context: web}
"""


def planned(text: str, base: str = BASE, **more: object) -> ClaimWish:
    proposed = parse_repo_file(text.encode())
    given: EventFacts = facts(
        requested(head_repository=2),
        config=config(base),
        proposed=proposed,
        trust=Trust.UNTRUSTED,
        changed={ImageKey("api"): KnownPaths(("api/x",))},
        **more,
    )
    return claim(plan(given))


def test_nothing_changes() -> None:
    assert planned(BASE).effect == ()
    assert planned("# only a comment\n" + BASE).effect == ()
    assert planned(BASE + "comment: off\n").effect == (), "it is no image's"


def test_images_that_come_go_and_change() -> None:
    text = """\
version: 1
images:
  api:
    context: api
    target: debug
    args: {LEVEL: "9"}
    timeout: 60m
    on: {pull_request: {paths: ["api/**"]}}
    tags: ["type=ref,event=pr,suffix=-debug"]
  docs: {context: docs, tags: ["type=ref,event=pr"]}
"""
    name = "reg.test:5000/acme/shop/api"
    api, *others = planned(text).effect
    assert api == (
        f"~ api: names {name}:pr-7 -> {name}:pr-7-debug; args.LEVEL none -> 9; "
        "target none -> debug; timeout 1800 s -> 3600 s"
    )
    assert others == [
        "+ docs: built as reg.test:5000/acme/shop/docs:pr-7",
        "- web: not built any more",
    ]


def test_mistakes_that_it_would_bring() -> None:
    (line,) = planned("version: 1\nimages:\n  api: {contxt: api}\n").effect
    assert line.startswith("! .pushwright.yaml:3:9: ")
    assert "context" in line


def test_mistakes_that_it_mends() -> None:
    given = facts(
        requested(head_repository=2),
        config=parse_repo_file(b"version: 1\nimages: 7\n"),
        proposed=config(BASE),
        trust=Trust.UNTRUSTED,
    )
    assert [line[:5] for line in claim(plan(given)).effect] == ["+ api", "+ web"]


def test_a_file_that_is_removed() -> None:
    given = facts(
        requested(head_repository=2),
        config=config(BASE),
        proposed=NoConfig(dockerfile=True),
        trust=Trust.UNTRUSTED,
    )
    assert [line[0] for line in claim(plan(given)).effect] == ["+", "-", "-"]


def test_it_waits_all_the_same() -> None:
    wish = planned("version: 1\nimages:\n  evil: {context: .}\n")
    assert wish.images == ()
    assert wish.waiting is not None
    assert {one.image for one in wish.skipped} == {"api", "web"}


def test_a_line_has_an_end() -> None:
    args = "".join(f"      A{number}: {'v' * 200}\n" for number in range(90))
    wish = planned(f"version: 1\nimages:\n  api:\n    context: api\n    args:\n{args}")
    assert max(map(len, wish.effect)) == 500

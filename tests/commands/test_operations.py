"""`build`, `replay`, `logs` and `cancel` on a real database, as an administrator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import main
from bot.core.builds import BuildState, LogLine
from bot.core.hints import MANUAL, Hint, read
from bot.core.ids import ImageKey, RepositoryId, SourceName
from bot.records import BuildRow, Delivery
from bot.storage import Store
from bot.store import open_store
from tests.contract.databases import LEASE, SOURCE, Bench, branch, image, incoming, repository, sha
from tests.fakes.migrated import sqlite_file

CONFIG = """\
version: 1
public-url: https://bot.test
sources:
  github: {kind: github, token-file: token, webhook-secret-files: [secret]}
  ghes: {kind: github, url: https://ghes.test, token-file: token, webhook-secret-files: [secret]}
repositories:
  - match: ghes:acme/only
  - match: acme/new
defaults: {registry: reg.test}
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The store that the settings name, with the repository acme/shop1 in it."""
    url = sqlite_file(tmp_path)
    monkeypatch.setenv("PUSHWRIGHT_DATABASE_URL", url)
    monkeypatch.setenv("PUSHWRIGHT_CONFIG", str(tmp_path / "central.yaml"))
    return Bench(open_store(url))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "central.yaml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def started(bench: Bench) -> BuildRow:
    bench.push(branch(sha(1), image("api", sha(1))))
    return bench.start()


def asked(store: Store) -> Hint:
    delivery = claimed(store)
    assert delivery.source == MANUAL
    assert delivery.body is not None
    found = read(delivery.body)
    assert isinstance(found, Hint)
    return found


def claimed(store: Store) -> Delivery:
    delivery = store.claim_delivery(4e9, LEASE)
    assert delivery is not None
    return delivery


def record(n: int, kind: str, **more: object) -> LogLine:
    return LogLine(n, json.dumps({"n": n, "t": 1.0, "k": kind, **more}))


# -- deliveries ------------------------------------------------------------------------------


def test_deliveries_with_what_became_of_them(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.put_deliveries([incoming("one", 10.0), incoming("two", 20.0)])
    first = bench.store.claim_delivery(50.0, LEASE)
    assert first is not None
    bench.store.finish_delivery(first, "ignored", "a \u202ereason", 60.0)
    assert main(["deliveries"]) == 0
    two, one = capsys.readouterr().out.splitlines()
    assert "two: not handled yet  /deliveries/" in two
    assert one.startswith("1970-01-01 00:00:10Z  ignored ")
    assert "one: a \\u202ereason  /deliveries/" in one
    page = one.rpartition("/")[2]
    found = bench.store.delivery_by_page(page)
    assert found is not None
    assert found.delivery == "one"
    assert main(["deliveries", "--state", "new", "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [two]
    assert main(["deliveries", "--state", "dead"]) == 1
    assert "there is no such delivery" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-5", "x", "9" * 30])
def test_a_list_has_a_length(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["deliveries", "--limit", limit])
    assert f"'{limit}' is no number from 1 to 10000" in capsys.readouterr().err


# -- build -----------------------------------------------------------------------------------


def test_a_ref_is_asked_for(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "acme/shop1", "topic/x", "api", "web"]) == 0
    said = capsys.readouterr().out
    hint = asked(bench.store)
    assert hint == Hint(
        SOURCE,
        RepositoryId(1),
        "refs/heads/topic/x",
        (ImageKey("api"), ImageKey("web")),
        again=True,
        by="the command line",
    )
    assert said.startswith("asked for refs/heads/topic/x of acme/shop1 as delivery build-")


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("main", "refs/heads/main"),
        ("refs/tags/v1.2.3", "refs/tags/v1.2.3"),
        ("request/7", "request/7"),
        ("refs/pull/7/head", "request/7"),
        ("refs/merge-requests/7/head", "request/7"),
        ("héads/ü", "refs/heads/héads/ü"),
    ],
)
def test_refs_are_named_as_people_do(bench: Bench, ref: str, key: str) -> None:
    assert main(["build", "acme/shop1", ref]) == 0
    assert asked(bench.store).key == key


@pytest.mark.parametrize(
    "ref", ["request/x", "request/0", "request/", "refs/notes/x", "", "a b", "a\nb", "\x1b[31m"]
)
def test_what_is_no_ref_is_a_wrong_command_line(
    bench: Bench, ref: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["build", "acme/shop1", ref])
    assert ended.value.code == 2
    assert "is no re" in capsys.readouterr().err
    assert bench.store.claim_delivery(4e9, LEASE) is None


def test_an_unknown_repository_names_those_that_are_known(
    bench: Bench, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "acme/none", "main"]) == 1
    assert capsys.readouterr().err == (
        "pushwright: no repository 'acme/none' in the central config; known: acme/shop1\n"
    )
    for n in range(2, 20):
        bench.store.repository_row(SOURCE, repository(n))
    assert main(["build", "acme/none", "main"]) == 1
    assert "acme/shop1, acme/shop10, " in (said := capsys.readouterr().err)
    assert said.endswith(" and 9 more\n")


def test_without_a_config_only_what_the_store_knows_can_be_built(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "acme/new", "main"]) == 1
    assert "central.yaml can't be used, see pushwright check-config" in capsys.readouterr().err
    assert main(["build", "acme/shop1", "main"]) == 0


def test_a_repository_that_only_the_config_lists_is_asked_for_by_its_path(
    bench: Bench, config: Path
) -> None:
    assert main(["build", "acme/only", "main"]) == 0
    hint = asked(bench.store)
    assert (hint.source, hint.repository) == ("ghes", "acme/only")


def test_several_sources_want_a_choice(
    bench: Bench, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "acme/new", "main"]) == 1
    assert "name one with --source (ghes, github)" in capsys.readouterr().err
    assert main(["build", "acme/new", "main", "--source", "ghes"]) == 0
    assert asked(bench.store).source == "ghes"
    bench.store.repository_row(SourceName("ghes"), repository(1))
    assert main(["build", "acme/shop1", "main"]) == 1
    assert "name one with --source (ghes, github)" in capsys.readouterr().err
    assert main(["build", "acme/shop1", "main", "--source", "none"]) == 1
    assert "there is no source 'none'; there are: github, ghes" in capsys.readouterr().err


# -- replay ----------------------------------------------------------------------------------


def test_a_delivery_is_queued_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    store = bench.store
    store.put_deliveries([incoming("72d3162e-cc78"), incoming("72d3ffff"), incoming("other")])
    while (delivery := store.claim_delivery(4e9, LEASE)) is not None:
        store.finish_delivery(delivery, "dead", "a bug", 4e9)
    assert main(["replay", "72d3162e-cc78"]) == 0
    assert capsys.readouterr().out == "1 queued again\n"
    assert claimed(store).delivery == "72d3162e-cc78"
    assert main(["replay", "72d3"]) == 0
    assert capsys.readouterr().out == "2 queued again\n"


@pytest.mark.parametrize("name", ["none", "", "%", "_"])
def test_an_unknown_delivery_is_said(
    bench: Bench, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.put_deliveries([incoming("d1")])
    assert main(["replay", name]) == 1
    assert f"starts with {name!r}" in capsys.readouterr().err


# -- logs ------------------------------------------------------------------------------------


def test_stored_lines_are_printed_and_none_of_their_control_characters(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.append_log(
        started,
        [
            record(1, "phase", name="fetch", state="start"),
            record(2, "log", s=3, x="\x1b[31mred\x1b[0m \x07 \u202eabc\x9b2J"),
            record(3, "step", n_step=1),
            LogLine(4, "no record at all \x1b[2J"),
            record(5, "note", x="a line that says: \n\r\x00"),
        ],
        bench.now,
    )
    assert main(["logs", started.id[:8]]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == ["== fetch", "[3] red \\u0007 \\u202eabc\\u009b2J"]
    assert "no record" not in shown
    assert all(c == "\n" or c.isprintable() for c in shown)


def test_what_the_store_left_out_is_said(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.append_log(started, [record(1, "log", x="x" * 2_000_000)], bench.now)
    assert main(["logs", started.id]) == 0
    assert "characters was left out" in capsys.readouterr().out


def test_more_lines_than_are_read_at_once(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [record(n, "log", x=f"line {n}") for n in range(1, 2502)]
    bench.store.append_log(started, lines, bench.now)
    assert main(["logs", started.id]) == 0
    assert capsys.readouterr().out.splitlines() == [f"line {n}" for n in range(1, 2502)]


def test_a_build_without_lines_says_why(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.push(branch(sha(1), image("api", sha(1))))
    [(row, _)] = bench.store.find_builds()
    assert main(["logs", row.id]) == 1
    assert "has no log lines: it has not started" in capsys.readouterr().err
    bench.start()
    assert main(["logs", row.id]) == 1
    assert "none came yet" in capsys.readouterr().err


def test_following_ends_with_the_build(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.append_log(started, [record(1, "log", x="the only line")], bench.now)
    bench.fail(started)
    assert main(["logs", "--follow", started.id]) == 0
    assert capsys.readouterr().out == "the only line\n"


def test_builds_are_found_by_the_start_of_their_id(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.push(branch(sha(1), image("api", sha(1)), image("web", sha(1))))
    assert main(["cancel", ""]) == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "pushwright: several builds start with '':"
    assert len(others) == 2
    assert all("acme/shop1" in other and "queued" in other for other in others)
    assert main(["logs", "zz"]) == 1
    assert "no build starts with 'zz'" in capsys.readouterr().err


# -- cancel ----------------------------------------------------------------------------------


def test_a_build_is_cancelled_once(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.store.release_build(started, bench.now)
    assert main(["cancel", started.id[:6]]) == 0
    assert started.id in capsys.readouterr().out
    found = bench.store.build(started.id)
    assert found is not None
    assert found[0].withdrawn or found[0].state is BuildState.CANCELLED


def test_an_ended_build_says_that_it_has_ended(
    bench: Bench, started: BuildRow, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.fail(started)
    assert main(["cancel", started.id]) == 1
    assert capsys.readouterr().err == (
        f"pushwright: build {started.id} of api has ended already: failed\n"
    )


def test_hints_by_path_and_by_number_survive_being_written() -> None:
    from bot.core.hints import write

    for repository_ in (RepositoryId(7), "acme/7", "7"):
        hint = Hint(SourceName("s"), repository_, "refs/heads/main")
        assert read(write(hint)) == hint

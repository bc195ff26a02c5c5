"""Commands in comments: the grammar, held against a corpus of shapes and against any text."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it.ruler import Ruler

from bot.core import commands_lines
from bot.core.commands import BY_NAME, TABLE, Place, Slot
from bot.core.commands_access import LATEST, Asker, allowed, needed, timely, usable, why_not
from bot.core.commands_lines import LONGEST
from bot.core.commands_parsing import LINE, MOST, Manners, read_comment
from bot.core.ids import Role
from tests.core.comment_shapes import Shape, as_expected, shapes, told

SHAPES = list(shapes())


def test_the_corpus_is_large_and_names_each_shape_once() -> None:
    titles = [shape.title for shape in SHAPES]
    assert len(titles) >= 150
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.title for shape in SHAPES])
def test_shapes(shape: Shape) -> None:
    orders = shape.read()
    assert as_expected(orders, shape.expected), told(orders)


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.title for shape in SHAPES])
def test_the_text_of_each_answer_is_a_line_of_the_comment(shape: Shape) -> None:
    orders = shape.read()
    for text in [c.text for c in orders.commands] + [r.text for r in orders.refused]:
        assert text
        assert "\n" not in text


def test_threads_share_a_parser_that_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """markdown-it lists its rules at the first text: a thread that read another one meanwhile found
    none, and passed the command over."""
    commands_lines._markdown.cache_clear()
    commands_lines._markdown()

    def too_late(_ruler: Ruler[Any]) -> None:
        raise AssertionError("rules are listed while threads read")

    monkeypatch.setattr(Ruler, "__compile__", too_late)
    assert list(commands_lines.plain_lines("/build `api`\n\n- no\n")) == ["/build api"]


_PIECES = st.sampled_from(
    ["/build", "/pushwright ", "@pushwright ", "/ok-to-test ", "/skip ", "/promote ", "/logs ",
     "api", "*", "`", "```", "\n", "\r\n", "\r", "> ", "- ", "    ", "\t", "<!--", "-->", "[", "](",
     "<b>", ">>>\n", "  >>>>\n", "<blockquote>", "</blockquote>",
     "\\", '"', "'", "&#47;", "\u202e", "\u200b", "\x00", "\ud800", "branch:", "=", "--",
     "0123456789abcdef0123456789abcdef01234567", " to ", "|", "---", "#", "\u0130", "ﬁ"]
)  # fmt: skip
_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())), st.lists(_PIECES, max_size=30).map("".join)
)


@given(text=_TEXTS, place=st.sampled_from(Place), bare=st.booleans(), known=st.booleans())
def test_no_text_raises_and_every_order_is_in_the_table(
    text: str, place: Place, bare: bool, known: bool
) -> None:
    orders = read_comment(text, place, Manners(bare=bare), ("api", "web") if known else None)
    assert len(orders.commands) + len(orders.refused) <= MOST + 1
    for command in orders.commands:
        spec = BY_NAME[command.name]
        assert spec in TABLE
        assert place in spec.places
        assert len(command.text) <= LINE
        assert not known or set(command.images) <= {"api", "web"}
        assert "sha" not in command.options or len(str(command.options["sha"])) in (40, 64)
    assert all(one.why for one in orders.refused)


@given(text=_TEXTS)
def test_quoted_text_commands_nothing(text: str) -> None:
    quoted = "".join(f"> {line}\n" for line in text.replace("\r", "\n").split("\n"))
    assert not read_comment(quoted)


@given(text=st.text(st.characters(exclude_characters="/@＠／")))
def test_text_without_slash_and_at_commands_nothing(text: str) -> None:
    # An entity does not make one: it is text that somebody escaped.
    assert not read_comment(text)


@pytest.mark.parametrize(
    "piece",
    ["[", "![", "`a", "<", "*a ", "[a](", "&", "\\", "- ", "<!--", "/build\n", "/build api ", "@"],
)
def test_a_comment_of_the_largest_size_is_read_in_time(piece: str) -> None:
    text = "/build api\n\n" + (piece * LONGEST)[: LONGEST - 12]
    start = time.process_time()
    orders = read_comment(text)
    assert orders.commands[0].text == "/build api"
    # Far from what any of these takes; a parser with quadratic time would need minutes.
    assert time.process_time() - start < 20


def test_longer_comments_are_refused_only_where_they_command() -> None:
    prose = "word " * (LONGEST // 4)
    assert not read_comment(prose)
    # Words that only look like commands but for what they begin with.
    assert not read_comment("See below.\n/tmp is full\nStatus: done\nRebuild it\n" + prose)
    orders = read_comment(f"A log:\n{prose}\n/build api\n/retest\n")
    assert orders.commands == ()
    (refused,) = orders.refused
    assert "65536 characters" in refused.why
    assert refused.text == "/build api"
    # A million characters, as GitLab takes them: nothing is compared with it but its few commands.
    start = time.process_time()
    assert not read_comment("/abcd\n" * 160_000)
    assert time.process_time() - start < 20


def test_a_command_of_more_than_4096_characters_is_refused() -> None:
    orders = read_comment("/skip api " + "x" * LINE)
    assert orders.commands == ()
    assert "at most 4096" in orders.refused[0].why


def test_without_known_images_names_and_globs_stay() -> None:
    assert read_comment("/build ap* nope").commands[0].images == ("ap*", "nope")


# -- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", TABLE, ids=[spec.name for spec in TABLE])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("fork", [False, True])
@pytest.mark.parametrize("author", [False, True])
def test_who_may(spec: object, role: Role, author: bool, fork: bool) -> None:
    assert spec in TABLE
    one = next(each for each in TABLE if each is spec)
    order = list(Role)
    own = author and one.name in ({"retest", "cancel"} if fork else {"build", "retest", "cancel"})
    may = order.index(role) >= order.index(one.role) or own
    asker = Asker(role, author, fork)
    why = why_not(one, asker, needed(one))
    assert (why is None) == may
    assert (one in usable(asker)) == may
    if why is not None:
        assert f"needs {one.role} access" in why
        assert ("author" in why) == (one.author == "any" or (one.author == "own" and not fork))


def test_what_steers_builds_is_never_open_to_readers() -> None:
    open_to_all = dict.fromkeys((spec.name for spec in TABLE), Role.NONE)
    low = {spec.name for spec in TABLE if needed(spec, open_to_all) in (Role.NONE, Role.READ)}
    assert low == {"status", "logs", "why", "help"}


def test_a_rule_raises_and_never_lowers() -> None:
    build = BY_NAME["build"]
    assert needed(build, {"build": Role.MAINTAIN}) is Role.MAINTAIN
    assert needed(build, {"build": Role.MAINTAIN}, {"build": Role.WRITE}) is Role.MAINTAIN
    assert needed(build, {}, {"build": Role.ADMIN}) is Role.ADMIN
    assert needed(BY_NAME["promote"], {"promote": Role.WRITE}) is Role.WRITE


def test_the_author_loses_the_right_where_the_table_asks_for_more() -> None:
    author = Asker(Role.READ, author=True)
    assert why_not(BY_NAME["build"], author, Role.WRITE) is None
    assert "needs maintain access; you have read" in str(
        why_not(BY_NAME["build"], author, Role.MAINTAIN)
    )


def test_orders_that_are_not_allowed_become_refusals() -> None:
    orders = allowed(read_comment("/rebuild\n/status\n/nope"), Asker(Role.READ))
    assert [one.name for one in orders.commands] == ["status"]
    assert [one.name for one in orders.refused] == ["rebuild"]


def test_what_was_said_long_ago_changes_nothing() -> None:
    asked = read_comment("/build api\n/status\n/cancel")
    assert timely(asked, LATEST) == asked
    late = timely(asked, LATEST + 1)
    assert [one.name for one in late.commands] == ["status"]
    assert [(one.name, "say it again" in one.why) for one in late.refused] == [
        ("build", True),
        ("cancel", True),
    ]


def test_the_table_is_well_formed() -> None:
    words = [word for spec in TABLE for word in (spec.name, *spec.aliases)]
    assert len(set(words)) == len(words)
    for spec in TABLE:
        order = list(Role)
        assert order.index(spec.floor) <= order.index(spec.role)
        assert Slot.SHA not in spec.slots or spec.places == (Place.REQUEST,)
        assert spec.help
        assert spec.usage.startswith(f"/{spec.name}")

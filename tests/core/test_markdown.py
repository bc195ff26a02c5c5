"""Markdown in which nothing that others wrote can become anything but text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.logtext import plain
from bot.core.markdown import code, codes, fence, fitting, link, table, tail
from tests.core.markdown_reading import outside_of_code

TEXTS = st.text(alphabet=st.sampled_from("`|\\ ab<@#[](*_~\n\r\t\u202e\x1b\ud800é"), max_size=40)


@given(TEXTS)
def test_a_span_holds_all_of_its_text(text: str) -> None:
    assert outside_of_code(code(text)) == ""


@given(TEXTS)
def test_a_span_shows_the_text_and_nothing_else(text: str) -> None:
    line = " ".join(plain(text.replace("\n", " ")).split())
    span = code(text)
    ticks = span[: len(span) - len(span.lstrip("`"))]
    inner = span[len(ticks) : len(span) - len(ticks)]
    assert inner.strip(" ") == line.strip(" ")


@given(st.lists(TEXTS, max_size=6))
def test_no_line_ends_its_block(lines: list[str]) -> None:
    assert outside_of_code(fence(lines)) == ""


@given(st.lists(st.sampled_from(["/merge", "/close", "```", "````", "x", " /a"]), max_size=6))
def test_no_line_of_a_block_is_a_quick_action(lines: list[str]) -> None:
    """GitLab before 17.1 looks for them by regular expressions: a line of three backticks within
    ends a block for it, whatever the block began with."""
    shown = fence(lines).split("\n")
    assert not any(line.startswith("/") for line in shown)
    assert [line.strip() for line in shown[1:-1]] == [line.strip() for line in lines]


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_a_row_has_as_many_cells_as_its_head(cells: list[str]) -> None:
    shown = table(("one", "#two"), [[code(cell) for cell in cells]])
    head, marks, row = shown.split("\n")
    assert (head, marks) == ("| one | two |", "| --- | ---: |")
    bars = [n for n, c in enumerate(row) if c == "|" and row[n - 1 : n] != "\\"]
    assert len(bars) == 3


def test_spans() -> None:
    assert code("") == code(" \n ") == ""
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("x" * 400) == f"`{'x' * 299}…`"
    assert codes(["a", "", "b", "c"], most=2) == "`a`, `b`, and 1 more"


def test_links_lead_to_the_web_alone() -> None:
    assert link("x", "https://a.test/b?c=d") == "[x](https://a.test/b?c=d)"
    assert link("x", "https://a.test/(b) c|") == "[x](https://a.test/%28b%29%20c%7C)"
    assert link("x", "javascript:alert(1)") == "x"
    assert link("x", None) == "x"


def test_what_does_not_fit_is_left_out_whole() -> None:
    assert fitting(["a" * 10, "b" * 40], 30, "rest") == f"{'a' * 10}\n\nrest"
    assert fitting(["é" * 10, "b"], 20, "rest") == "rest", "bytes count"


@given(st.lists(TEXTS, max_size=8), st.integers(10, 120))
def test_a_text_is_never_longer_than_its_limit(parts: list[str], limit: int) -> None:
    safe = [plain(part) for part in parts]
    assert len(fitting(safe, limit, "rest").encode()) <= limit


def test_the_last_lines() -> None:
    assert tail(["a", "b", "c"], 2, 100) == ["b", "c"]
    assert tail(["a" * 50, "b", "c"], 3, 10) == ["b", "c"]
    assert tail(["x" * 400], 3, 1000) == ["x" * 299 + "…"]

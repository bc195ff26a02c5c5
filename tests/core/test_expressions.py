"""`${{ … }}` as GitHub evaluates it.

Facts: https://docs.github.com/actions/reference/workflows-and-actions/expressions.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.expressions import DEPTH, Found, evaluate, parse, text_of
from bot.core.tags_faults import Fault

NAMES = {
    "github.ref": "refs/heads/main",
    "github.ref_name": "main",
    "github.ref_type": "branch",
    "github.event_name": "push",
    "github.repository": "acme/api",
    "github.repository_owner": "acme",
    "github.event.repository.default_branch": "main",
}


def value_of(text: str) -> str:
    found = parse(text + " }}", 0)
    assert isinstance(found, Found), found
    assert found.end == len(text) + 3
    return text_of(evaluate(found.expression, NAMES))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.ref", "refs/heads/main"),
        ("GitHub . Ref", "refs/heads/main"),
        ("github.head_ref", ""),
        ("github.ref == 'refs/heads/main'", "true"),
        ("github.ref == 'REFS/heads/Main'", "true"),
        ("github.ref != 'refs/heads/main'", "false"),
        ("github.ref == format('refs/heads/{0}', 'main')", "true"),
        (
            "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)",
            "true",
        ),
        ("startsWith(github.ref, 'refs/HEADS/')", "true"),
        ("startsWith(github.ref, 'refs/tags/v')", "false"),
        ("endsWith(github.ref, '/main')", "true"),
        ("contains(github.ref, 'HEAD')", "true"),
        ("contains('abc', '')", "true"),
        ("github.event_name == 'push' && 'yes' || 'no'", "yes"),
        ("github.event_name == 'schedule' && 'yes' || 'no'", "no"),
        ("'' || 'other'", "other"),
        ("0 || null || false || 'last'", "last"),
        ("'a' && 0", "0"),
        ("!github.head_ref", "true"),
        ("!!github.ref", "true"),
        ("!'' == true", "true"),
        ("(1 == 1) != (1 == 2)", "true"),
        ("true == 1", "true"),
        ("null == 0", "true"),
        ("'' == 0", "true"),
        ("'1' == 1", "true"),
        ("'x' == 0", "false"),
        ("null == ''", "true"),
        ("true || false && false", "true"),
        ("null", ""),
        ("true", "true"),
        ("1.50", "1.5"),
        ("-3", "-3"),
        ("'it''s'", "it's"),
        ("'}}'", "}}"),
        ("format('{{{0}}} {1}{0}', 'a', 2)", "{a} 2a"),
    ],
)
def test_evaluates_as_github_does(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("secrets.TOKEN }}", 0, "`secrets.TOKEN` is not known"),
        ("  github.reff }}", 2, "`github.reff` is not known"),
        ("github.ref == env.X }}", 14, "`env.X` is not known"),
        ("github.event.inputs.tag }}", 0, "not known"),
        ("hashFiles('x') }}", 0, "the function `hashFiles` is not known"),
        ("github['ref'] }}", 6, "`[` is not supported"),
        ("1 < 2 }}", 2, "`<` is not supported"),
        ("'open }}", 0, "has no end"),
        ("github.ref", 10, "has no end"),
        ("}}", 0, "is empty"),
        ("github.ref github.sha }}", 11, "not expected here"),
        ("(true }}", 6, "`)` is expected"),
        ("== 1 }}", 0, "a value is expected"),
        ("startsWith('a') }}", 0, "takes 2 arguments"),
        ("format('{1}', 'a') }}", 0, "no argument 1"),
        ("format('{', 'a') }}", 0, "written twice"),
        ("github.* }}", 6, "`.` is not supported"),
    ],
)
def test_anything_else_is_a_fault_at_its_place(text: str, offset: int, part: str) -> None:
    fault = parse(text, 0)
    assert isinstance(fault, Fault)
    assert fault.offset == offset
    assert part in fault.message


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    fault = parse("github.reff }}", 0)
    assert isinstance(fault, Fault)
    assert fault.hint == "did you mean github.ref?"


@pytest.mark.parametrize("opening", ["(", "!", "format(", "true && ", "true || ", "1 == "])
def test_depth_is_bounded(opening: str) -> None:
    fault = parse(opening * 5000, 0)
    assert isinstance(fault, Fault)
    deep = parse(
        opening * (DEPTH + 2) + "1" + (")" * (DEPTH + 2)) * opening.endswith("(") + "}}", 0
    )
    assert isinstance(deep, Fault)
    assert f"at most {DEPTH} deep" in deep.message


ALPHABET = ["github", ".ref", "'", "(", ")", "!", "==", "&&", "||", " ", "}}", "1", "{0}", "format"]


@given(st.lists(st.one_of(st.sampled_from([*ALPHABET, ","]), st.text(max_size=3))))
def test_no_text_raises(parts: list[str]) -> None:
    found = parse("".join(parts), 0)
    if isinstance(found, Found):
        assert isinstance(text_of(evaluate(found.expression, NAMES)), str)
    else:
        assert 0 <= found.offset <= len("".join(parts))

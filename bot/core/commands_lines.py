"""The lines of a comment that may hold a command: text of plain paragraphs, as a reader sees it.

CommonMark decides what is code, a quote, a list, a heading, a table, HTML or a link; commands
are not looked for in any of them. https://spec.commonmark.org/0.31.2/
GitLab's quotes over several lines are left out on every host: who quotes so says nothing of it.
https://docs.gitlab.com/user/markdown/#multiline-blockquote
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

LONGEST: Final = 65_536
"""Characters of a comment that is read; GitHub takes no more, GitLab does."""

_MAY_COMMAND: Final = re.compile(r"(?:^|[\r\n])[^\w\r\n]*[/@]")
_QUOTE_FENCE: Final = re.compile(r"(>{3,})[ \t]*")
_QUOTE_TAG: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<end>/?)blockquote\b", re.IGNORECASE | re.ASCII | re.DOTALL
)
_WORDS_OF_TEXT: Final = frozenset({"text", "text_special", "code_inline"})


def may_command(comment: str) -> bool:
    """Whether it is worth a parse; cheap, and never False for a comment that holds a command."""
    return _MAY_COMMAND.search(comment) is not None


def plain_lines(comment: str) -> Iterator[str]:
    """The candidate lines, first to last: those that begin with plain text, `/` or `@` first.

    Code and links later in the line count with their text, so that `/build `api`` names an image.
    """
    if not may_command(comment):
        return
    tokens = _markdown().parse(comment[:LONGEST])
    quotes = 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "html_block":
            # What stands between two such blocks is Markdown, and a quote all the same.
            quotes = max(0, quotes + _quotes_opened(token.content))
        elif token.type == "inline" and before is not None and _top_paragraph(before):
            yield from _lines(token.children or []) if not quotes else ()


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    """Emphasis stays text (`/build *` names a glob), and what was escaped stays apart from it
    (`\\/build` is somebody who writes about the command)."""
    from markdown_it import MarkdownIt  # late: `pushwright tags` has to start at once

    made = MarkdownIt("commonmark").enable("table").disable(["emphasis", "text_join"])
    ended = ["paragraph", "reference", "blockquote", "list"]
    made.block.ruler.before("blockquote", "quote_fence", _quote_fence, {"alt": ended})
    # It lists its rules at the first text, and who reads another text meanwhile finds none of them:
    # a command was passed over, or what is code was none. So before any thread shares it.
    made.parse("text")
    return made


def _quote_fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`>>>` on a line of its own, to the next such line that is as long or to the end, as GitLab
    reads it. Nothing within is a command, so that nothing within is parsed."""
    opened = _fence_at(state, start)
    if opened and not silent:
        state.line = start + 1
        while state.line < end and not _outside(state, state.line):
            state.line += 1
            if _fence_at(state, state.line - 1) >= opened:
                break
    return opened > 0


def _outside(state: StateBlock, line: int) -> bool:
    """Whether a list item that we are in ended before the line."""
    return not state.isEmpty(line) and state.sCount[line] < state.blkIndent


def _fence_at(state: StateBlock, line: int) -> int:
    """How long the fence is that the line consists of; 0: it is none."""
    if state.is_code_block(line):
        return 0
    at = state.bMarks[line] + state.tShift[line]
    found = _QUOTE_FENCE.fullmatch(state.src, at, state.eMarks[line])
    return len(found[1]) if found else 0


def _quotes_opened(html: str) -> int:
    """How many more quotes are opened than closed; what stands in comments opens none."""
    ends = [found["end"] for found in _QUOTE_TAG.finditer(html)]
    return ends.count("") - ends.count("/")


def _top_paragraph(token: Token) -> bool:
    """A paragraph that stands in no list and no quote."""
    return token.type == "paragraph_open" and token.level == 0


def _lines(children: Sequence[Token]) -> Iterator[str]:
    line: list[Token] = []
    for child in children:
        if child.type in ("softbreak", "hardbreak"):
            yield from _candidate(line)
            line = []
        else:
            line.append(child)
    yield from _candidate(line)


def _candidate(line: Sequence[Token]) -> Iterator[str]:
    if not line or line[0].type != "text":
        return
    first = line[0].content.lstrip()
    visible = "".join(character for character in first[:100] if character.isprintable())
    if visible.startswith(("/", "@")):
        yield "".join(one.content for one in line if one.type in _WORDS_OF_TEXT).strip()

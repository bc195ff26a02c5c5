"""The one comment on a pull or merge request: when it is written, and what it says.

Only states are in it, no texts that change with time, so that one change is one write. What builds
and repositories say stands in code (`bot.core.markdown`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from bot.core.builds import BuildState
from bot.core.ids import BuildId, ImageKey
from bot.core.markdown import code, fence, fitting, link, tail
from bot.core.plans import ClaimKind
from bot.core.repoconfig import COMMENT_MODES, CommentMode
from bot.core.reports import StatusState
from bot.core.reports_details import effect_text, rows_of, since_text
from bot.core.reports_images import ImageState
from bot.core.reports_results import BAD, IMAGES, Measured, notes, result_table
from bot.core.reports_rows import ClaimLike, ImageLike
from bot.core.reproduction import build_lines, pull_line

MARKER: Final = "<!-- pushwright:report -->"
BODY: Final = 60_000
"""Bytes. GitHub takes 65,536 characters
(https://github.com/mshick/add-pr-comment/issues/93), GitLab a million."""
FAILURES: Final = 3
LOG_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Comment:
    """What the comment on a request is to say. `claim_id`: whose word it is, so that an older
    commit's never takes the place of a newer one's. `only_known`: change it where it is, make
    none."""

    number: int
    claim_id: int
    body: str
    only_known: bool


@dataclass(frozen=True, slots=True)
class Material:
    """What a comment is made of besides the claim. `logs`: last lines of builds that failed;
    `url`: the bot's public address, without a slash at the end; `start`: what commands begin with
    at the source."""

    states: Mapping[ImageKey, ImageState]
    url: str
    start: str = "/"
    measured: Mapping[BuildId, Measured] = field(default_factory=dict)
    logs: Mapping[BuildId, Sequence[str]] = field(default_factory=dict)


def request_number(claim: ClaimLike) -> int | None:
    return int(claim.name) if claim.kind is ClaimKind.REQUEST and claim.name.isdigit() else None


def comment_mode(claim: ClaimLike) -> CommentMode:
    """As it was decided with the claim; claims of before there were comments ask for none."""
    asked = claim.wish.get("comment")
    return next((mode for mode in COMMENT_MODES if mode == asked), "off")


def comment(claim: ClaimLike, mode: CommentMode, made: Material) -> Comment | None:
    """None: nothing to be said, or not yet. A request that was closed, and one for which there is
    nothing to build, only bring a comment up to date that is there."""
    number = request_number(claim)
    if number is None or claim.wish.get("observe"):
        return None
    states = [made.states[view.image] for view in claim.images if view.image in made.states]
    failed = any(one.final and one.state in BAD for one in states)
    wrong = bool(claim.wish.get("mistakes"))
    over = all(one.final for one in states)
    quiet = claim.state != "live" or (bool(claim.wish.get("nothing")) and not states)
    match mode:
        case "off":
            return None
        case "on-failure":
            if not (over or failed):
                return None
            quiet = quiet or not (failed or wrong)
        case "on-change":
            if not (over or failed):
                return None
        case "always":
            quiet = claim.state != "live"
        case _:
            assert_never(mode)
    return Comment(number, claim.id, _body(claim, states, made), quiet)


def _body(claim: ClaimLike, states: Sequence[ImageState], made: Material) -> str:
    views = {view.image: view for view in claim.images}
    page = f"{made.url}/reports/{claim.page}" if claim.page else None
    parts = [
        f"{MARKER}\n**pushwright** {code(claim.sha[:12])}: {_headline(claim, states)}",
        since_text(claim),
        _mistakes(claim),
        result_table(states, views, made.measured, made.url),
        notes(states, views),
        *_failures(states, made),
        effect_text(claim),
        _not_built(claim),
        _commands(states, views),
        f"{link('why', page)} each image was built or not · `{made.start}help`",
    ]
    return fitting(parts, BODY, f"The rest is on {link('the page of this report', page)}.")


def _headline(claim: ClaimLike, states: Sequence[ImageState]) -> str:
    if claim.wish.get("mistakes"):
        return "**the configuration has mistakes, nothing was built**"
    if claim.wish.get("waiting") and not states:
        return code(str(claim.wish["waiting"]))
    if claim.state != "live":
        return code(claim.text or claim.state)
    if not states:
        return code(str(claim.wish.get("nothing") or "nothing to build"))
    return _counted(states)


def _counted(states: Sequence[ImageState]) -> str:
    count = "1 image" if len(states) == 1 else f"{len(states)} images"
    bad = [one for one in states if one.final and one.state in BAD]
    if bad:
        return f"**{len(bad)} of {count} failed**"
    if not all(one.final for one in states):
        return f"{count} to build"
    taken = [one for one in states if one.state is StatusState.CANCELLED]
    return f"{len(taken)} of {count} cancelled" if taken else f"{count} built"


# -- below it --------------------------------------------------------------------------------


def _failures(states: Sequence[ImageState], made: Material) -> list[str]:
    """The last lines of the first builds that failed."""
    shown = []
    for state in [one for one in states if one.final and one.state in BAD][:FAILURES]:
        log = tail(made.logs.get(state.build, ()) if state.build else (), LOG_LINES, 4000)
        if log:
            shown.append(f"The last lines of {code(state.image)}:\n\n{fence(log)}")
    return shown


def _mistakes(claim: ClaimLike) -> str:
    rows = rows_of(claim.wish.get("mistakes"))
    lines = []
    for row in rows[:20]:
        place = f"{row.get('file')}:{row.get('line')}" if row.get("line") else str(row.get("file"))
        hint = f" ({code(str(row['hint']))})" if row.get("hint") else ""
        lines.append(f"- {code(place)} {code(str(row.get('message')))}{hint}")
    more = [f"- and {len(rows) - 20} more"] if len(rows) > 20 else []
    return "\n".join([*lines, *more])


def _not_built(claim: ClaimLike) -> str:
    rows = rows_of(claim.wish.get("skipped"))
    if not rows:
        return ""
    lines = [f"- {code(str(row.get('image')))}: {code(str(row.get('why')))}" for row in rows[:50]]
    more = [f"- and {len(rows) - 50} more"] if len(rows) > 50 else []
    return _folded("Not built", "\n".join([*lines, *more]))


def _commands(states: Sequence[ImageState], views: Mapping[ImageKey, ImageLike]) -> str:
    """How to pull and to reproduce what ended."""
    lines: list[str] = []
    needs = {str(key): found for key, view in views.items() if (found := _reference(view))}
    for state in states[:IMAGES]:
        view = views[state.image]
        if not state.final or state.build is None or view.build.state not in _BUILT:
            continue
        reference = _reference(view)
        lines.append(f"# {state.image}")
        if reference is not None and state.state is StatusState.SUCCESS:
            lines.append(pull_line(*reference.rsplit("@", 1)))
        lines += build_lines(view.build.recipe, needs)
    return _folded("Pull, or build the same", fence(lines, "sh")) if lines else ""


_BUILT: Final = (BuildState.SUCCEEDED, BuildState.FAILED, BuildState.ERROR)


def _reference(view: ImageLike) -> str | None:
    """`name@digest` of what was pushed."""
    outcome, push = view.build.outcome, view.build.recipe.get("push")
    if outcome is None or outcome.digest is None or not isinstance(push, Mapping):
        return None
    return f"{push.get('name')}@{outcome.digest}"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"

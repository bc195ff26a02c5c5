"""What the bot answers in comments: Markdown in which nothing that others wrote has any effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core.commands import PREFIX, Refusal, Spec
from bot.core.ids import BuildId, Digest, ImageKey, Role, Sha
from bot.core.markdown import code, codes, fence, fitting, link, table, tail
from bot.core.mistakes import counted
from bot.core.reports_images import live_state, withdrawn_state
from bot.core.reports_rows import ClaimLike, ImageLike
from bot.core.reports_rows import Known as _Known
from bot.core.rulings import Ruling, word

CLOSED: Final = "the request is closed; open it again first"
GHOST: Final = "the account of this comment is gone"
NOTHING_RUNS: Final = "nothing runs and nothing is queued"
NO_FORK: Final = "this request comes from the repository itself and needs no approval"
FILE_BROKEN: Final = "the default branch's file has mistakes; pushwright check-config names them"

Rules = Mapping[str, Sequence[Ruling]]
"""By image, as they were kept with the delivery that claimed the commit."""

_SECTIONS: Final = 60_000
"""Bytes of one comment; GitHub's bound is 65,536 characters."""


def marker(what: str) -> str:
    """The hidden first line by which a comment of ours is found again."""
    return f"<!-- {PREFIX}:{what} -->"


# -- why not -----------------------------------------------------------------------------------


def nothing_known(sha: Sha) -> str:
    return f"nothing is known of {sha[:12]} yet; try again in a moment"


def waits(sha: Sha, refused: str | None, start: str) -> str:
    """`start`, here and below: what commands begin with at the source."""
    if refused:
        return f"a fork's commit is never built here: {refused}"
    return (
        f"this commit of a fork waits for an approval; somebody with write access comments "
        f"{start}ok-to-test {sha}"
    )


def nothing_failed(sha: Sha, images: Sequence[ImageKey], start: str) -> str:
    names = ", ".join(images)
    return f"nothing failed for {sha[:7]} ({names}); {start}build does it again"


def built_well(image: ImageKey, *, over: bool) -> str:
    done = "succeeded" if over else "is still being built"
    return f"{image} {done}; the author of a fork builds again what failed or was cancelled"


def built_enough(images: Sequence[ImageKey], most: int) -> str:
    names = ", ".join(images)
    return (
        f"{names}: built {most} times since this commit was approved, which is all that the author "
        f"of a fork may ask for; somebody with write access may build it again"
    )


def approved_already(sha: Sha) -> str:
    return f"{sha[:12]} is approved already"


def not_approved(sha: Sha) -> str:
    return f"no approval of {sha[:12]} holds, so there is none to take back"


def no_untrusted(refused: str) -> str:
    return f"{refused}, so there is nothing to approve"


def approval_doubted(why: str, head: Sha, start: str) -> str:
    return f"{why}. Read the commit, then paste: {start}ok-to-test {head}"


def required_image(image: ImageKey, need: Role, role: Role) -> str:
    return f"{image} is required: skipping it needs {need} access; you have {role} access"


def no_build(sha: Sha) -> str:
    return f"no build of {sha[:12]} is known"


def no_success(image: ImageKey) -> str:
    return f"no build of {image} there succeeded, was pushed and came from trusted code"


def not_bound(name: str) -> str:
    return f"the central config does not let this repository write {name}"


def written_by_builds(reference: str) -> str:
    return f"{reference} is written by builds (`tags` of the file) and belongs to the newest"


def image_gone(reference: str) -> str:
    return f"the registry has no {reference} any more; build it again first"


def not_copied(reason: str) -> str:
    return f"the registry did not take it: {reason}"


def ambiguous(sha: Sha, keys: Sequence[str]) -> str:
    words = [key.replace("refs/heads/", "branch:").replace("refs/tags/", "tag:") for key in keys]
    return f"{sha[:12]} is the head of several; name one: {', '.join(sorted(words)[:10])}"


def not_head(key: str, sha: Sha, head: Sha | None) -> str:
    name = key.removeprefix("refs/heads/").removeprefix("refs/tags/")
    there = f"is at {head[:12]}" if head else "does not exist"
    return f"{name} {there}, not at {sha[:12]}"


def not_contained(key: str, sha: Sha) -> str:
    return (
        f"{key.removeprefix('refs/heads/')} does not contain {sha[:12]}; name a branch that does "
        f"(branch:<name>): what no branch of the repository contains may be a fork's, and is built "
        f"by its request alone"
    )


def skipped_by(login: str, reason: str | None) -> str:
    """The status text of an image that somebody skipped."""
    return f"skipped by @{login}: {reason}" if reason else f"skipped by @{login}"


def skipped_unseen(login: str) -> str:
    """The same where the reason is not for everybody who sees the status."""
    return f"skipped by @{login}; the reason is in an internal note"


def cancelled_by(login: str) -> str:
    return f"cancelled by @{login}"


def taken_back_by(login: str) -> str:
    return f"approval taken back by @{login}"


# -- answers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SkippedView:
    """An image of a claim that it does not build, and why."""

    image: str
    why: str
    required: bool


def skipped(claim: ClaimLike) -> list[SkippedView]:
    rows = claim.wish.get("skipped")
    if not isinstance(rows, list):
        return []
    return [
        SkippedView(str(row.get("image")), str(row.get("why")), bool(row.get("required")))
        for row in rows
        if isinstance(row, dict)
    ]


def status(
    claims: Sequence[ClaimLike], sha: Sha, images: Sequence[ImageKey], public_url: str
) -> str:
    """A row per image: state, tags, digest, and its page."""
    views = _views(claims)
    rows = [
        _status_row(claim, view, public_url)
        for view, claim in views
        if not images or view.image in images
    ]
    rows += [
        [code(one.image), "not built", "", "", code(one.why)]
        for one in _left_out(claims, {view.image for view, _ in views})
        if not images or one.image in images
    ]
    head = f"Builds of `{sha[:12]}`:"
    if not rows:
        return f"{head} none. {code(_said(claims))}".rstrip()
    return f"{head}\n\n{table(['image', 'state', 'tags', 'digest', ''], rows)}"


def _status_row(claim: ClaimLike, view: ImageLike, public_url: str) -> list[str]:
    tags = codes([tag.reference for tag in view.tags if tag.withheld is None])
    digest = _digest(view)
    page = link("page", f"{public_url.rstrip('/')}/builds/{view.build.id}")
    shown = code(f"{digest[:19]}…") if digest else ""
    return [code(view.image), code(_text(claim, view)), tags, shown, page]


def _digest(view: ImageLike) -> Digest | None:
    outcome = view.build.outcome
    return outcome.digest if outcome is not None else None


def _text(claim: ClaimLike, view: ImageLike) -> str:
    state = (
        live_state((view,), 0.0, _Known(), None)
        if claim.state == "live"
        else withdrawn_state(claim, view)
    )
    return state.text or str(view.build.state)


def _views(claims: Sequence[ClaimLike]) -> list[tuple[ImageLike, ClaimLike]]:
    """Each image once, as the newest claim has it, live ones first."""
    found: dict[ImageKey, tuple[ImageLike, ClaimLike]] = {}
    for claim in sorted(claims, key=lambda one: one.state != "live"):
        for view in claim.images:
            found.setdefault(view.image, (view, claim))
    return sorted(found.values(), key=lambda pair: pair[0].image)


def _left_out(claims: Sequence[ClaimLike], built: set[ImageKey]) -> list[SkippedView]:
    found: dict[str, SkippedView] = {}
    for claim in claims:
        for one in skipped(claim):
            if one.image not in built:
                found.setdefault(one.image, one)
    return list(found.values())


def _said(claims: Sequence[ClaimLike]) -> str:
    """What the newest claim says of itself."""
    for claim in claims:
        for key in ("waiting", "nothing"):
            if claim.wish.get(key):
                return str(claim.wish[key])
        wrong = claim.wish.get("mistakes")
        if isinstance(wrong, list) and wrong and isinstance(wrong[0], dict):
            many = counted(len(wrong))
            return f"{many} in the configuration, the first: {wrong[0].get('message')}"
    return "Nothing was planned for this commit." if not claims else ""


def why(claims: Sequence[ClaimLike], sha: Sha, images: Sequence[ImageKey], rules: Rules) -> str:
    """Each image with its verdict, the rule that decided, and what every rule said."""
    lines = [f"What was decided for `{sha[:12]}`:", ""]
    views = _views(claims)
    rows = [
        [code(view.image), "BUILD", code(view.why), _ruled(view.image, rules)]
        for view, _ in views
        if not images or view.image in images
    ]
    rows += [
        [code(one.image), "SKIP", code(one.why), _ruled(one.image, rules)]
        for one in _left_out(claims, {view.image for view, _ in views})
        if not images or one.image in images
    ]
    if rows:
        lines.append(table(["image", "", "why", "rules"], rows))
    said = _said(claims)
    if said:
        lines += ["", code(said)]
    trust = next((claim for claim in claims if claim.state == "live"), None)
    if trust is not None:
        lines += ["", f"Event: {code(_event(trust))}."]
    return "\n".join(lines)


def _ruled(image: str, rules: Rules) -> str:
    """`yes branches: branches main matched main; no paths: …`; `-` where a rule only informs."""
    found = rules.get(image, ())
    return "<br>".join(code(f"{word(one)} {one.rule}: {one.why}") for one in found)


def _event(claim: ClaimLike) -> str:
    return f"{claim.kind} {claim.name}"


def log(image: ImageKey, build: BuildId, lines: Sequence[str], public_url: str) -> str:
    """The tail of a log, folded, in a fence that nothing in it can close."""
    page = f"{public_url.rstrip('/')}/builds/{build}"
    if not lines:
        return f"{code(image)}: no line yet ({link('page', page)})"
    kept = tail(lines, len(lines), _SECTIONS // 2)
    title = f"{code(image)}: last {len(kept)} lines ({link('all', page)})"
    return f"{title}\n\n<details><summary>log</summary>\n\n{fence(kept)}\n\n</details>"


def refusals(found: Sequence[Refusal]) -> str:
    """Each line with its reason; as code, since both may hold what a stranger typed."""
    lines: list[str] = []
    for one in found[:10]:
        lines += [one.text[:200], f"    {one.why}"]
    return f"Not done:\n\n{fence(lines)}"


def settled(login: str) -> str:
    """What stands in the place of refusals once the same person commanded well."""
    return f"Settled: a later command of {code(login)} was accepted."


def help_table(specs: Sequence[Spec], start: str) -> str:
    """A row for each command that somebody may use."""
    rows = [[f"`{spec.written(start)}`", spec.help] for spec in specs]
    return table(["command", "what it does"], rows)


def accepted(notes: Sequence[str]) -> str:
    """Where the host takes no reaction."""
    return f"Accepted:\n\n{fence(notes)}"


def promotion(text: str) -> str:
    return fence(text.splitlines())


def reply(sections: Sequence[str], mark: str) -> str:
    """A whole comment, with its marker first."""
    return f"{marker(mark)}\n{fitting(sections, _SECTIONS, 'The rest was too long.')}"

"""Which statuses a commit is to carry, from its claims and builds as they are: pure, so that it can
be done again at any time.

The aggregate context always ends, and changes at most at accepted, at the first failure and at the
end. Contexts of images appear for images that are built, and always for required ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.core.ids import ImageKey, RepositoryId
from bot.core.naming import status_context
from bot.core.plans import ClaimKind
from bot.core.reports import CommitStatus, Fork, StatusState, fit
from bot.core.reports_images import ImageState, live_state, withdrawn_state
from bot.core.reports_rows import (
    ClaimLike,
    ImageLike,
    Known,
    Rendered,
    ReportLike,
    by_word,
    live_claims,
)
from bot.core.reports_texts import NOTHING, mistakes

HOLD_SECONDS = 5.0
"""How long "nothing to build" of a branch push is held back: the event of a pull request for the
same commit may be on its way, and a short green would open its merge gate."""

_UNKNOWN = Known()


def render(report: ReportLike, now: float, public_url: str, known: Known = _UNKNOWN) -> Rendered:
    """The statuses of one commit in one family of contexts. `now`: seconds since the epoch."""
    live = live_claims(report.claims)
    if not report.claims:
        return Rendered(())
    states = image_states(report, now, known)
    held = _held(report, live, now)
    writer = _Writer(report, public_url.rstrip("/"), known)
    statuses = [writer.image(state) for state in states.values() if state.text is not None]
    statuses += writer.required(live or report.claims, states)
    if held is None:
        deciding = _deciding(live, report.claims)
        statuses.insert(0, writer.aggregate(deciding, _decisive(deciding, report.claims, states)))
    times = [state.next_at for state in states.values() if state.next_at is not None]
    times += [held] if held is not None else []
    return Rendered(tuple(statuses), min(times, default=None))


def image_states(report: ReportLike, now: float, known: Known) -> dict[ImageKey, ImageState]:
    """Each image once: as the newest live claim that has it says, else as the newest other one."""
    wanted: dict[ImageKey, list[ImageLike]] = {}
    for claim in (one for one in by_word(report.claims) if one.state == "live"):
        for view in claim.images:
            views = wanted.setdefault(view.image, [])
            if not views or views[0].build.id == view.build.id:
                views.append(view)
    states: dict[ImageKey, ImageState] = {}
    for image, views in wanted.items():
        shown = known.shown.get(f"{status_context(image)}{report.family}")
        states[image] = live_state(views, now, known, shown)
    for claim in report.claims:
        for view in claim.images:
            if view.image not in states:
                states[view.image] = withdrawn_state(claim, view)
    for image, text in report.skips.items():
        build = states[image].build if image in states else None
        states[image] = ImageState(image, build, StatusState.SUCCESS, text, True)
    return states


def _deciding(live: Sequence[ClaimLike], claims: Sequence[ClaimLike]) -> Sequence[ClaimLike]:
    """The live claims whose word counts. A branch for which there is nothing to build does not turn
    a commit green whose request was withdrawn: opened again, its merge gate would stand open."""
    if any(claim.kind is not ClaimKind.BRANCH or not claim.wish.get("nothing") for claim in live):
        return live
    withdrawn = (one for one in claims if one.state != "live" and one.kind is ClaimKind.REQUEST)
    return () if any(claim.images for claim in withdrawn) else live


def _decisive(
    live: Sequence[ClaimLike],
    claims: Sequence[ClaimLike],
    states: Mapping[ImageKey, ImageState],
) -> list[ImageState]:
    """The images that count for the aggregate: those of live claims, where there are any."""
    counted = {view.image for claim in (live or claims) for view in claim.images}
    return [state for image, state in states.items() if image in counted]


def _held(report: ReportLike, live: Sequence[ClaimLike], now: float) -> float | None:
    """Until when a bare "nothing to build" waits; None: it does not."""
    default = report.repository.repository.default_branch
    bare = [
        claim
        for claim in live
        if claim.kind is ClaimKind.BRANCH
        and claim.name != default
        and claim.wish.get("nothing")
        and not claim.wish.get("observe")
    ]
    if not bare or len(bare) != len(live):
        return None
    until = max(claim.created_at for claim in bare) + HOLD_SECONDS
    return until if now < until else None


class _Writer:
    """Puts states into statuses of one commit."""

    def __init__(self, report: ReportLike, url: str, known: Known) -> None:
        self._report = report
        self._url = url
        self._known = known
        self._ref, self._fork = _place(report.claims)

    def _status(
        self, image: ImageKey | None, state: StatusState, text: str, url: str | None
    ) -> CommitStatus:
        context = f"{status_context(image)}{self._report.family}"
        return CommitStatus(context, state, fit(text), url, self._ref, fork=self._fork)

    def _page(self, state: ImageState | None) -> str | None:
        return f"{self._url}/builds/{state.build}" if state and state.build else None

    def image(self, state: ImageState) -> tuple[CommitStatus, bool]:
        text = state.text or ""
        return self._status(state.image, state.state, text, self._page(state)), state.final

    def required(
        self, claims: Iterable[ClaimLike], states: Mapping[ImageKey, ImageState]
    ) -> list[tuple[CommitStatus, bool]]:
        """Required images that nothing builds: their own status says why, in green."""
        found: dict[ImageKey, str] = {}
        for claim in claims:
            for one in _rows(claim.wish.get("skipped")):
                if one.get("required"):
                    found.setdefault(ImageKey(str(one.get("image"))), str(one.get("why")))
        return [
            (self._status(image, StatusState.SUCCESS, why, self._known.report_url), True)
            for image, why in found.items()
            if image not in states
        ]

    def aggregate(
        self, live: Sequence[ClaimLike], states: Sequence[ImageState]
    ) -> tuple[CommitStatus, bool]:
        over = all(state.final for state in states)
        wrong = [one for claim in live for one in _rows(claim.wish.get("mistakes"))]
        if wrong:
            text = mistakes(wrong)
            return self._status(None, StatusState.FAILURE, text, self._known.report_url), over
        bad = _bad(states)
        if bad:
            return self._failed(bad, over), over
        waiting = [str(claim.wish["waiting"]) for claim in live if claim.wish.get("waiting")]
        if waiting:
            url = self._known.report_url
            return self._status(None, StatusState.PENDING, waiting[0], url), False
        first = states[0] if states else None
        if not over:
            names = ", ".join(state.image for state in states)
            return (
                self._status(None, StatusState.PENDING, f"accepted: {names}", self._page(first)),
                False,
            )
        return self._settled(live, states), True

    def _failed(self, bad: Sequence[ImageState], over: bool) -> CommitStatus:
        first = bad[0]
        # Before the end nothing but the first failure: each further text would be another write.
        others = len(bad) - 1 if over else 0
        more = f" (+{others} more)" if others else ""
        text = f"{first.image}: {first.text}"
        room = 138 - len(more)
        cut = text if len(text) <= room else f"{text[: room - 1]}…"
        return self._status(None, first.state, cut + more, self._page(first))

    def _settled(self, live: Sequence[ClaimLike], states: Sequence[ImageState]) -> CommitStatus:
        taken = [state for state in states if state.state is StatusState.CANCELLED]
        if taken:
            text = taken[0].text or "cancelled"
            return self._status(None, StatusState.CANCELLED, text, self._page(taken[0]))
        if states:
            only = states[0]
            text = only.text or "ok" if len(states) == 1 else self._ok(states)
            return self._status(None, StatusState.SUCCESS, text, self._page(only))
        url = self._known.report_url
        if not live:
            return self._without_builds(url)
        nothing = [str(claim.wish["nothing"]) for claim in live if claim.wish.get("nothing")]
        text = nothing[0] if nothing else f"{NOTHING}: no image"
        return self._status(None, StatusState.SUCCESS, text, url)

    def _ok(self, states: Sequence[ImageState]) -> str:
        """A skipped image is not built, and green: that is said."""
        skips = self._report.skips
        names = ", ".join(state.image for state in states if state.image not in skips)
        said = [f"{one.image} {one.text}" for one in states if one.image in skips]
        return "; ".join([*([f"ok: {names}"] if names else []), *said])

    def _without_builds(self, url: str | None) -> CommitStatus:
        """Only withdrawn claims, and none had a build: what was said for good stays."""
        newest = self._report.claims[0]
        wrong = _rows(newest.wish.get("mistakes"))
        if wrong:
            return self._status(None, StatusState.FAILURE, mistakes(wrong), url)
        if newest.wish.get("nothing"):
            return self._status(None, StatusState.SUCCESS, str(newest.wish["nothing"]), url)
        return self._status(None, StatusState.CANCELLED, newest.text or "cancelled", url)


def _bad(states: Sequence[ImageState]) -> list[ImageState]:
    """Theirs before ours; within that the earliest, so that a text that stands keeps standing."""
    wrong = (StatusState.FAILURE, StatusState.ERROR)
    found = [state for state in states if state.final and state.state in wrong]
    over = all(state.final for state in states)
    return sorted(found, key=lambda one: (over and wrong.index(one.state), one.ended_at, one.image))


def _place(claims: Sequence[ClaimLike]) -> tuple[str | None, Fork | None]:
    """The branch or tag that holds the commit, and the fork where it lies in one: GitLab finds the
    pipeline by them. A branch of the repository itself goes before a fork's of the same commit."""
    live = [claim for claim in claims if claim.state == "live"]
    forks: list[tuple[str | None, Fork | None]] = []
    for claim in [*live, *claims]:
        named, fork = claim.wish.get("ref"), claim.wish.get("fork")
        ref = named if isinstance(named, str) and named else None
        if isinstance(fork, int) and claim.name.isdigit():
            forks.append((ref, Fork(RepositoryId(fork), int(claim.name))))
        elif ref is not None:
            return ref, None
        elif claim.kind in (ClaimKind.BRANCH, ClaimKind.TAG):
            return claim.name, None
    return forks[0] if forks else (None, None)


def _rows(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list | tuple):
        return []
    return [row for row in value if isinstance(row, Mapping)]

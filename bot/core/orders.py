"""What becomes of one command: pure, from what the store and the host say at this moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.core import reports_answers as answers
from bot.core.approvals import BUILDS, LAPSES_SECONDS, Approval, Asking, Revocation, Standing, doubt
from bot.core.builds import BuildState
from bot.core.commands import BY_NAME, MAINTAIN_FOR_REQUIRED, Command, Refusal
from bot.core.commands_access import ORDER, Asker
from bot.core.commands_parsing import resolved
from bot.core.events import Person
from bot.core.ids import BuildId, ImageKey, Role, Sha
from bot.core.plans import ClaimKind
from bot.core.promotion import GivenTag
from bot.core.reports_rows import ClaimLike, ImageLike


@dataclass(frozen=True, slots=True)
class Ask:
    """Plan the ref or request again. `only`: these images, whatever their filters say; `anyway`:
    all that the event can build, whatever changed; `again`: what succeeded, too."""

    only: tuple[ImageKey, ...] = ()
    anyway: bool = False
    again: bool = False
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop unfinished builds of the claims that nothing else wants; no images: all."""

    images: tuple[ImageKey, ...]


@dataclass(frozen=True, slots=True)
class Approve:
    approval: Approval


@dataclass(frozen=True, slots=True)
class Revoke:
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class Skip:
    """Show the image as success on this commit."""

    image: ImageKey
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Markdown for the comment that answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ShowLog:
    """The last lines of a build, still to be read."""

    image: ImageKey
    build: BuildId
    lines: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Copy a digest, still to be done: it needs the registry."""

    command: Command


@dataclass(frozen=True, slots=True)
class Promoted:
    """A digest was given more tags: the answer, and the journal's note. `refused`: references that
    the registry did not take."""

    text: str
    note: str
    tags: tuple[GivenTag, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Understood, and there is nothing to do."""

    text: str


@dataclass(frozen=True, slots=True)
class Refuse:
    why: str


Act = (
    Ask | Stop | Approve | Revoke | Skip | Answer | ShowLog | Promote | Promoted | Nothing | Refuse
)


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a comment stands, and who wrote it. `claims`: of that ref or request at that commit,
    newest first, withdrawn ones too. `refused`: why the executor runs no untrusted code."""

    kind: ClaimKind
    name: str
    sha: Sha
    asker: Asker
    person: Person
    claims: Sequence[ClaimLike]
    now: float
    public_url: str
    open: bool = True
    standing: Standing = field(default_factory=Standing)
    created_at: float | None = None
    told_head: Sha | None = None
    refused: str | None = None
    internal: bool = False
    """What stands in the comment is not for everybody: no public text may repeat it."""
    swept: bool = False
    """The comment's webhook was lost."""
    shared: frozenset[BuildId] = frozenset()
    """Builds that another ref or request wants as well."""
    rules: answers.Rules = field(default_factory=dict)

    @property
    def fork(self) -> bool:
        return self.asker.fork

    @property
    def live(self) -> Sequence[ClaimLike]:
        return [claim for claim in self.claims if claim.state == "live"]

    @property
    def newest(self) -> dict[ImageKey, ImageLike]:
        """Each image as the newest live claim has it."""
        views: dict[ImageKey, ImageLike] = {}
        for claim in self.live:
            for view in claim.images:
                views.setdefault(view.image, view)
        return views

    @property
    def images(self) -> tuple[ImageKey, ...]:
        """All images that are known of this commit, built or not."""
        found = [view.image for claim in self.claims for view in claim.images]
        for claim in self.claims:
            found += [ImageKey(one.image) for one in answers.skipped(claim)]
        return tuple(dict.fromkeys(found))


def decide(command: Command, here: Situation) -> Act:
    """What the command comes to. The asker was found to have the role for it."""
    if here.images:
        found = resolved(command, here.images)
        if isinstance(found, Refusal):
            return Refuse(found.why)
        command = found
    elif command.images and command.name not in ("build", "rebuild", "retest", "promote"):
        return Refuse(answers.nothing_known(here.sha))
    images = tuple(ImageKey(image) for image in command.images)
    if BY_NAME[command.name].floor is Role.WRITE and not here.open:
        return Refuse(answers.CLOSED)
    return _ACTS[command.name](command, here, images)


def _status(_command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    return Answer(answers.status(here.claims, here.sha, images, here.public_url))


def _why(_command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    return Answer(answers.why(here.claims, here.sha, images, here.rules))


def _built(command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    return _build(here, images, no_cache="no-cache" in command.options)


def _rebuild(_command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    return _build(here, images, no_cache=True)


def _build(here: Situation, images: tuple[ImageKey, ...], *, no_cache: bool) -> Act:
    if (refusal := _held(here)) is not None:
        return refusal
    if any(set(image) & set("*?[]!") for image in images):
        return Refuse(answers.nothing_known(here.sha))
    return Ask(images, anyway=not images, again=True, no_cache=no_cache)


def _held(here: Situation) -> Refuse | None:
    """A commit of a fork is built once somebody approved it, whoever asks. So is one that was
    trusted for who pushed it (`forks: writers`): who comments is somebody else."""
    if not here.fork or here.standing.approved(here.now):
        return None
    return Refuse(answers.waits(here.sha, here.refused, here.asker.start))


def _retest(_command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    if (refusal := _held(here) or _spent(here, images)) is not None:
        return refusal
    if images:
        return _build(here, images, no_cache=False)
    if not here.live:
        return Ask()  # what succeeded before is found again, not built again
    views = here.newest
    failed = [
        image
        for image, view in views.items()
        if view.build.state.final and view.build.state is not BuildState.SUCCEEDED
    ]
    if failed:
        return Ask(tuple(failed), again=True)
    if not views or any(claim.wish.get("mistakes") for claim in here.live):
        return Ask()
    return Nothing(answers.nothing_failed(here.sha, tuple(views), here.asker.start))


def _spent(here: Situation, images: tuple[ImageKey, ...]) -> Refuse | None:
    """What a fork's author can't build again: what succeeded or runs, and what was built so often
    since somebody approved the commit. Who reads their code for them says when that is enough."""
    if not here.fork or ORDER.index(here.asker.role) >= ORDER.index(Role.WRITE):
        return None
    last = {view.image: view for claim in reversed(here.claims) for view in claim.images}
    states = {image: view.build.state for image, view in (last | here.newest).items()}
    for image in images:
        if (state := states.get(image)) is None:
            continue
        if state is BuildState.SUCCEEDED or not state.final:
            return Refuse(answers.built_well(image, over=state.final))
    wanted = images or [one for one, state in states.items() if state is not BuildState.SUCCEEDED]
    spent = [image for image in wanted if here.standing.built.get(image, 0) >= BUILDS]
    return Refuse(answers.built_enough(spent, BUILDS)) if spent else None


def _cancel(_command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    """What is proven gets all of its tags: that is too late to stop."""
    running = [
        image
        for image, view in here.newest.items()
        if not view.build.state.final and view.build.state is not BuildState.TAGGING
        if view.build.id not in here.shared and (not images or image in images)
    ]
    return Stop(images) if running else Nothing(answers.NOTHING_RUNS)


def _ok_to_test(command: Command, here: Situation, _images: tuple[ImageKey, ...]) -> Act:
    return _revoke(here) if "cancel" in command.options else _approve(command, here)


def _approve(command: Command, here: Situation) -> Act:
    if not here.fork:
        return Nothing(answers.NO_FORK)
    if here.refused is not None:
        return Refuse(answers.no_untrusted(here.refused))
    if here.standing.approved(here.now):
        return Nothing(answers.approved_already(here.sha))
    sha = command.options.get("sha")
    asking = Asking(Sha(str(sha)) if sha else None, here.created_at, here.told_head, here.swept)
    wrong = doubt(asking, here.sha, here.standing)
    if wrong is not None:
        return Refuse(answers.approval_doubted(wrong, here.sha, here.asker.start))
    if here.person.id is None:
        return Refuse(answers.GHOST)
    return Approve(
        Approval(
            int(here.name),
            here.sha,
            here.person.id,
            here.person.login,
            str(here.asker.role),
            here.now,
            here.now + LAPSES_SECONDS,
        )
    )


def _revoke(here: Situation) -> Act:
    if not here.fork:
        return Nothing(answers.NO_FORK)
    if _held(here) is not None:
        return Nothing(answers.not_approved(here.sha))
    text = answers.taken_back_by(here.person.login)
    return Revoke(Revocation(int(here.name), here.sha, text))


def _skip(command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    (image,) = images
    required = any(view.required for claim in here.claims for view in claim.images
                   if view.image == image)  # fmt: skip
    required |= any(
        one.required for claim in here.claims for one in answers.skipped(claim)
        if one.image == image
    )  # fmt: skip
    need = MAINTAIN_FOR_REQUIRED
    if required and ORDER.index(here.asker.role) < ORDER.index(need):
        return Refuse(answers.required_image(image, need, here.asker.role))
    reason = command.options.get("reason")
    if reason and here.internal:
        return Skip(image, answers.skipped_unseen(here.person.login))
    return Skip(image, answers.skipped_by(here.person.login, str(reason) if reason else None))


def _promote(command: Command, _here: Situation, _images: tuple[ImageKey, ...]) -> Act:
    return Promote(command)


def _logs(command: Command, here: Situation, images: tuple[ImageKey, ...]) -> Act:
    """Of the named image, else of the first that went wrong, else of the first."""
    asked = command.options.get("lines")
    lines = asked if isinstance(asked, int) else 50
    views = here.newest or {
        view.image: view for claim in reversed(here.claims) for view in claim.images
    }
    if images:
        views = {image: view for image, view in views.items() if image in images}
    bad = [v for v in views.values() if v.build.state in (BuildState.FAILED, BuildState.ERROR)]
    view = next(iter(bad), None) or next(iter(views.values()), None)
    if view is None:
        return Refuse(answers.no_build(here.sha))
    return ShowLog(view.image, view.build.id, lines)


_ACTS: Final[Mapping[str, Callable[[Command, Situation, tuple[ImageKey, ...]], Act]]] = {
    "build": _built,
    "rebuild": _rebuild,
    "retest": _retest,
    "cancel": _cancel,
    "ok-to-test": _ok_to_test,
    "skip": _skip,
    "promote": _promote,
    "status": _status,
    "logs": _logs,
    "why": _why,
}

"""What one comment comes to, gathered for one transaction: effects, reaction, replies, journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from bot.core import reports_answers as answers
from bot.core.approvals import Approval, Revocation
from bot.core.centralconfig import RepositoryRule, Source
from bot.core.commands import BY_NAME, Command, Orders, Place, Refusal
from bot.core.commands_access import Asker, changes, needed, why_not
from bot.core.conversation import Reaction, Spot
from bot.core.events import CommentCreated, RequestHead
from bot.core.hints import SWEEP, Hint
from bot.core.ids import HostKind, Sha
from bot.core.orders import (
    Act,
    Answer,
    Approve,
    Ask,
    Nothing,
    Promote,
    Promoted,
    Refuse,
    Revoke,
    ShowLog,
    Situation,
    Skip,
    Stop,
)
from bot.core.plans import ClaimKind, family
from bot.flow import incoming
from bot.records import Delivery, IncomingDelivery, JournalEntry
from bot.records_talk import Obeyed, Reply, SkipImage, StopBuilds


@dataclass(frozen=True, slots=True)
class Heard:
    """A comment that is for us, from somebody whom we listen to."""

    delivery: Delivery
    event: CommentCreated
    orders: Orders
    source: Source
    rule: RepositoryRule

    @property
    def spot(self) -> Spot:
        event = self.event
        return Spot(event.comment_id, event.number, event.sha if event.number is None else None)

    @property
    def swept(self) -> bool:
        """Whether the sweep found it: its webhook was lost, and others may be."""
        return self.delivery.source == SWEEP

    @property
    def place(self) -> Place:
        return Place.COMMIT if self.event.number is None else Place.REQUEST

    @property
    def where(self) -> str:
        """For the journal."""
        event = self.event
        return f"request {event.number}" if event.number is not None else f"commit {event.sha}"

    @property
    def takes_reactions(self) -> bool:
        """GitLab has none on commits: https://docs.gitlab.com/api/emoji_reactions/"""
        return self.place is Place.REQUEST or self.source.kind is not HostKind.GITLAB


@dataclass(frozen=True, slots=True)
class Present:
    """Who asks, by what the host says now, and the request with whether it is open."""

    asker: Asker
    request: tuple[RequestHead, bool] | None

    def commit(self, event: CommentCreated) -> Sha:
        return self.request[0].head_sha if self.request is not None else event.sha or Sha("")


@dataclass(frozen=True, slots=True)
class Done:
    """One command and what became of it; `key` is that of its ref or request."""

    command: Command
    act: Act
    here: Situation
    key: str


def obeyed(
    heard: Heard, present: Present, done: Sequence[Done], refused: Sequence[Refusal], now: float
) -> Obeyed:
    """All of it."""
    wrong = [_helped(heard, present, one) for one in refused]
    wrong += [
        Refusal(one.command.text, one.act.why, one.command.name)
        for one in done
        if isinstance(one.act, Refuse)
    ]
    good = [one for one in done if not isinstance(one.act, Refuse)]
    notes = [_told(one) for one in good] + [_why(one) for one in wrong]
    reacts = heard.takes_reactions
    # What we write, everybody there can read: to an internal note there is a reaction alone.
    replies = () if heard.event.internal else _replies(heard, good, wrong)
    if not reacts and not replies:
        replies = (_reply(heard, _answer_mark(heard), [answers.accepted(notes)]),)
    return Obeyed(
        spot=heard.spot,
        person_id=heard.event.author.id or 0,
        note="; ".join(notes),
        reaction=_reaction(good, wrong) if reacts else None,
        hints=_hints(heard, good, now),
        stops=_stops(heard, good),
        approvals=_approvals(good),
        skips=_skips(good),
        promoted=tuple(
            tag for one in good if isinstance(one.act, Promoted) for tag in one.act.tags
        ),
        replies=replies,
        entries=_entries(heard, present, _privileged(good, wrong), now),
        settles=None if wrong else _reply(heard, _refused_mark(heard), [_settled(heard)]),
    )


def _helped(heard: Heard, present: Present, one: Refusal) -> Refusal:
    """A short id is refused with the line to paste, for who may approve."""
    if one.name != "ok-to-test" or present.request is None:
        return one
    if why_not(BY_NAME[one.name], present.asker, needed(BY_NAME[one.name])) is not None:
        return one
    head = present.commit(heard.event)
    return replace(one, why=answers.approval_doubted(one.why, head, heard.source.start))


def _reaction(good: Sequence[Done], wrong: Sequence[Refusal]) -> Reaction:
    if wrong or any(isinstance(one.act, Promoted) and one.act.refused for one in good):
        return Reaction.REFUSED
    if good and all(isinstance(one.act, Nothing) for one in good):
        return Reaction.NOTHING
    return Reaction.ACCEPTED


def _told(one: Done) -> str:
    return f"{one.command.text}: {_note(one.act)}"


def _why(one: Refusal) -> str:
    return f"{one.text}: refused, {one.why}"


def _note(act: Act) -> str:  # noqa: PLR0911 - the table of acts
    """For the journal and the delivery's row."""
    match act:
        case Ask(only, _, _, no_cache):
            return f"asked for {', '.join(only) or 'all'}{' without cache' if no_cache else ''}"
        case Stop():
            return "cancelled"
        case Approve(approval):
            return f"approved {approval.sha}"
        case Revoke():
            return "approval taken back"
        case Skip(image, _):
            return f"skipped {image}"
        case Promoted(note=note):
            return f"promoted {note}"
        case Answer() | ShowLog() | Promote():
            return "answered"
        case Nothing(text):
            return text
        case Refuse(why):
            return f"refused, {why}"
    assert_never(act)


# -- effects ---------------------------------------------------------------------------------


def _hints(heard: Heard, good: Sequence[Done], now: float) -> tuple[IncomingDelivery, ...]:
    found: list[IncomingDelivery] = []
    for position, one in enumerate(good):
        match one.act:
            case Ask(only, anyway, again, no_cache):
                hint = Hint(
                    heard.source.name,
                    heard.event.repository.id,
                    one.key,
                    only,
                    again=again,
                    by=heard.event.author.login,
                    anyway=anyway,
                    no_cache=no_cache,
                    sha=_past(heard, one),
                )
            case Approve() | Revoke():
                login = heard.event.author.login
                hint = Hint(heard.source.name, heard.event.repository.id, one.key, by=login)
            case _:
                continue
        spot = heard.spot
        place = f"{heard.source.name}:{heard.event.repository.id}:{heard.place}"
        name = f"comment:{place}:{spot.comment_id}:{position}"
        found.append(incoming(hint, name, now))
    return tuple(found)


def _past(heard: Heard, one: Done) -> Sha | None:
    """On a commit that commit is meant, whatever its branch's head is by then."""
    branch = heard.place is Place.COMMIT and one.here.kind is ClaimKind.BRANCH
    return one.here.sha if branch else None


def _approvals(good: Sequence[Done]) -> tuple[Approval | Revocation, ...]:
    found: list[Approval | Revocation] = []
    for one in good:
        match one.act:
            case Approve(approval):
                found.append(approval)
            case Revoke(revocation):
                found.append(revocation)
            case _:
                continue
    return tuple(found)


def _stops(heard: Heard, good: Sequence[Done]) -> tuple[StopBuilds, ...]:
    text = answers.cancelled_by(heard.event.author.login)
    sha = heard.event.sha if heard.place is Place.COMMIT else None
    return tuple(
        StopBuilds(one.here.kind, one.here.name, one.act.images, text, sha)
        for one in good
        if isinstance(one.act, Stop)
    )


def _skips(good: Sequence[Done]) -> tuple[SkipImage, ...]:
    return tuple(
        SkipImage(one.here.sha, family(one.here.kind), one.act.image, one.act.text)
        for one in good
        if isinstance(one.act, Skip)
    )


def _entries(
    heard: Heard, present: Present, notes: Sequence[str], now: float
) -> tuple[JournalEntry, ...]:
    """Every command that may change something, done or refused, with who asked."""
    event, person = heard.event, heard.event.author
    where = heard.where
    commit = present.commit(event)[:12]
    data = {"person": person.id, "login": person.login, "role": str(present.asker.role),
            "comment": event.comment_id, "where": where, "sha": commit}  # fmt: skip
    return tuple(
        JournalEntry(now, "command", f"@{person.login} on {where} at {commit}: {note}", data=data)
        for note in notes
    )


def _privileged(good: Sequence[Done], wrong: Sequence[Refusal]) -> list[str]:
    """What is journalled: commands that may change something, done or refused."""
    done = [_told(one) for one in good if changes(one.command.name)]
    return done + [_why(one) for one in wrong if one.name is not None and changes(one.name)]


# -- replies ---------------------------------------------------------------------------------


def _replies(heard: Heard, good: Sequence[Done], wrong: Sequence[Refusal]) -> tuple[Reply, ...]:
    """One comment of ours at most. Refusals alone stand in one place for each person, so that a
    stranger can't make us fill a conversation."""
    sections = [one.act.text for one in good if isinstance(one.act, Answer | Promoted)]
    mark = _answer_mark(heard) if sections else _refused_mark(heard)
    if wrong:
        sections.append(answers.refusals(wrong))
    return (_reply(heard, mark, sections),) if sections else ()


def _reply(heard: Heard, mark: str, sections: Sequence[str]) -> Reply:
    body = answers.reply(sections, mark)
    return Reply(answers.marker(mark), body, heard.spot.number, heard.spot.sha)


def _answer_mark(heard: Heard) -> str:
    return f"answer:{heard.spot.comment_id}"


def _refused_mark(heard: Heard) -> str:
    person, sha = heard.event.author.id, heard.spot.sha
    # Comments on commits are known by their marker alone, whichever commit they stand on.
    return f"refused:{person}" if sha is None else f"refused:{person}:{sha[:12]}"


def _settled(heard: Heard) -> str:
    return answers.settled(heard.event.author.login)

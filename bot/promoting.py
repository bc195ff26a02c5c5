"""`/promote`: a proven digest is given more tags, by copying its manifest; nothing is built.

Only tags that no build writes: those have one writer already, who knows whom they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from bot.core import reports_answers as answers
from bot.core.binding import may_write
from bot.core.commands import Command
from bot.core.ids import Digest, ImageKey, Sha
from bot.core.orders import Promoted, Refuse
from bot.core.promotion import GivenTag, Promotion, promoted, tag_refused
from bot.core.repoconfig import CONFIG_FILE, RepoConfig
from bot.core.repofile import parse_repo_file
from bot.flow import Ports
from bot.obeying import Heard
from bot.ports import GitHost, NotFound, Permanent, Registry, Temporary
from bot.records import BuildRow, JournalEntry, LeasedRepository, LeaseLost
from bot.records_talk import BegunPromotion, PromotedTag

LEASE = 30.0


class Promoter:
    """Promotes for one comment; the repository's lease makes it the only one who does."""

    def __init__(self, ports: Ports, registry: Registry, host: GitHost) -> None:
        self._ports = ports
        self._registry = registry
        self._host = host

    def promote(
        self, command: Command, heard: Heard, leased: LeasedRepository, commit: Sha
    ) -> Promoted | Refuse:
        """Raises Temporary where a registry or the host does not answer."""
        wanted = command.options.get("to")
        tags = tuple(wanted) if isinstance(wanted, tuple) else ()
        allowed = self._allowed(leased)
        if isinstance(allowed, Refuse):
            return allowed
        for tag in tags:
            why = tag_refused(tag, allowed)
            if why is not None:
                return Refuse(why)
        build = self._source(command, leased, commit)
        if isinstance(build, Refuse):
            return build
        return self._copied(build, tags, heard, leased)

    def _allowed(self, leased: LeasedRepository) -> tuple[str, ...] | Refuse:
        """What the default branch's file says now."""
        repository = leased.row.repository
        branch = repository.default_branch
        head = self._host.resolve_ref(repository, f"refs/heads/{branch}") if branch else None
        text = self._host.read_file(repository, CONFIG_FILE, head) if head else None
        if text is None:
            return ()
        config = parse_repo_file(text, CONFIG_FILE)
        if not isinstance(config, RepoConfig):
            return Refuse(answers.FILE_BROKEN)
        return config.promote

    def _source(self, command: Command, leased: LeasedRepository, commit: Sha) -> BuildRow | Refuse:
        """The proven success of a trusted build that was named."""
        (image,) = (ImageKey(one) for one in command.images)
        store, row_id, options = self._ports.store, leased.row.id, command.options
        if "from-digest" in options:
            found = store.successes(row_id, image, digest=Digest(str(options["from-digest"])))
        elif "from-tag" in options:
            digest = self._tagged(row_id, image, str(options["from-tag"]))
            found = store.successes(row_id, image, digest=digest) if digest else ()
        else:
            sha = options.get("from-sha")
            found = store.successes(row_id, image, sha=Sha(str(sha)) if sha else commit)
        return found[0] if found else Refuse(answers.no_success(image))

    def _tagged(self, row_id: int, image: ImageKey, tag: str) -> Digest | None:
        known = self._ports.store.successes(row_id, image)
        return self._registry.digest(names_of(known[0])[0], tag) if known else None

    def _copied(
        self, build: BuildRow, tags: tuple[str, ...], heard: Heard, leased: LeasedRepository
    ) -> Promoted | Refuse:
        names, digest = names_of(build), build.digest
        if digest is None:
            return Refuse(answers.no_success(build.image))
        wrong = self._not_ours(names, tags, heard)
        if wrong is not None:
            return Refuse(wrong)
        wanted = tuple(GivenTag(name, tag, names[0], digest) for name in names for tag in tags)
        before = self._begin(wanted, heard, leased)
        refused = self._write(wanted)
        given = tuple(one for one in wanted if one.reference not in refused)
        if not given:
            return Refuse(next(iter(refused.values())))
        old = {one.reference: before[one.reference] for one in given}
        ours = self._promotable(leased.row.id, build.image, old.values())
        done = Promotion(build.image, digest, build.sha, old, refused, ours)
        text = answers.promotion(promoted(done, heard.source.start))
        left = "".join(f"; {reference} refused" for reference in refused)
        return Promoted(text, f"{digest} to {', '.join(tags)}{left}", given, tuple(refused))

    def _write(self, wanted: Sequence[GivenTag]) -> dict[str, str]:
        """By reference, why the registry did not take it."""
        refused: dict[str, str] = {}
        for one in wanted:
            try:
                self._registry.copy(one.from_name, one.digest, one.name, one.tag)
            except NotFound:
                refused[one.reference] = answers.image_gone(f"{one.from_name}@{one.digest}")
            except Permanent as error:  # a refused tag among them
                refused[one.reference] = answers.not_copied(str(error))
        return refused

    def _not_ours(self, names: tuple[str, ...], tags: tuple[str, ...], heard: Heard) -> str | None:
        """Why one of the names or tags is not to be written."""
        central = self._ports.central()
        for name in names:
            if not may_write(heard.rule, central, heard.event.repository.path, name):
                return answers.not_bound(name)
            for tag in tags:
                if self._ports.store.tag_known(name, tag):
                    return answers.written_by_builds(f"{name}:{tag}")
        return None

    def _begin(
        self, wanted: tuple[GivenTag, ...], heard: Heard, leased: LeasedRepository
    ) -> Mapping[str, Digest | None]:
        """What the tags were before the comment. It is kept before the first is written: where a
        registry fails half way the comment is handled again, and finds tags of its own there."""
        before = {one.reference: self._registry.digest(one.name, one.tag) for one in wanted}
        was = ", ".join(f"{one} ({f'was {old}' if old else 'new'})" for one, old in before.items())
        who = f"@{heard.event.author.login} on {heard.where}"
        text = f"{who}: promoting {wanted[0].from_name}@{wanted[0].digest} to {was}"
        entry = JournalEntry(self._ports.clock.now(), "promotion", text, leased.row.id)
        comment = f"{leased.row.id}:{heard.place}:{heard.spot.comment_id}"
        return self._ports.store.begin_promotion(
            leased, BegunPromotion(comment, wanted, before), entry
        )

    def _promotable(
        self, row_id: int, image: ImageKey, digests: Iterable[Digest | None]
    ) -> frozenset[Digest]:
        store = self._ports.store
        return frozenset(
            one for one in digests if one and store.successes(row_id, image, digest=one)
        )


class PromotionKeeper:
    """Reads each promoted tag back once, a lease after it was given, and puts right what a worker
    that stalled wrote late, or what the registry lost."""

    def __init__(self, ports: Ports, registry: Registry) -> None:
        self._ports = ports
        self._registry = registry

    def step(self) -> bool:
        due = self._ports.store.due_promotions(self._ports.clock.now(), LEASE, 8)
        for promoted_tag in due:
            with suppress(LeaseLost):
                self._ports.store.promotion_checked(promoted_tag, self._kept(promoted_tag))
        return bool(due)

    def _kept(self, promoted_tag: PromotedTag) -> float | None:
        """When to look again; None: never."""
        given, now = promoted_tag.given, self._ports.clock.now()
        try:
            shown = self._registry.digest(given.name, given.tag)
            if shown is None or (shown != given.digest and shown in promoted_tag.ours):
                self._registry.copy(given.from_name, given.digest, given.name, given.tag)
                self._told(promoted_tag, "was put right", shown)
            elif shown != given.digest:
                self._told(promoted_tag, "was moved by somebody else and is left as it is", shown)
        except Temporary as error:
            return now + (error.after or min(300.0, 2.0 ** min(promoted_tag.tries, 9)))
        except Permanent as error:  # refused, or the image is gone
            self._told(promoted_tag, f"could not be put right: {error}", None)
        return None

    def _told(self, promoted_tag: PromotedTag, what: str, shown: Digest | None) -> None:
        given = promoted_tag.given
        text = f"{given.name}:{given.tag} (promoted to {given.digest}) {what}; it was {shown}"
        row_id = promoted_tag.repository.id
        now = self._ports.clock.now()
        self._ports.store.journal(JournalEntry(now, "promoted-tag", text, row_id))


def names_of(build: BuildRow) -> tuple[str, ...]:
    names = build.plan.get("names")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()

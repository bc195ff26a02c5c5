"""Everything that is read from a host before a plan is made. Webhooks are hints: what a ref or a
request is now, its host's API says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.core.access import trust_of
from bot.core.approvals import approved_before
from bot.core.centralconfig import CentralConfig, RepositoryRule
from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    MergeGroupRequested,
    Repository,
    RequestChanged,
    RequestClosed,
    TagDeleted,
    TagPushed,
)
from bot.core.facts import (
    ChangedPaths,
    EventFacts,
    KnownPaths,
    NoConfig,
    PlannedEvent,
    UnknownPaths,
)
from bot.core.hints import Hint
from bot.core.ids import Digest, ImageKey, Role, Sha, Trust
from bot.core.mistakes import Mistake
from bot.core.repoconfig import CONFIG_FILE, Image, RepoConfig
from bot.core.repofile import parse_repo_file
from bot.ports import Clock, Executor, GitHost, NotFound, Permanent, Temporary
from bot.records import RepositoryRow, RepositoryState
from bot.storage import Store

_VISIBLE_WITHIN = 60.0
"""Seconds that a host may need until its API shows what its webhook told."""


class NotVisibleYet(Temporary):
    """The API still shows what was before the push."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is being decided: the delivery's event in its repository, at one state of the store."""

    event: PlannedEvent
    row: RepositoryRow
    state: RepositoryState
    rule: RepositoryRule
    received_at: float
    hint: Hint | None = None

    @property
    def repository(self) -> Repository:
        return self.row.repository


class Reader:
    """Reads facts with one host client; lives as long as one delivery is handled."""

    def __init__(
        self,
        host: GitHost,
        store: Store,
        central: CentralConfig,
        executor: Executor,
        clock: Clock,
    ) -> None:
        self._host = host
        self._store = store
        self._central = central
        self._executor = executor
        self._clock = clock

    def facts(self, subject: Subject) -> EventFacts:
        """Raises Temporary (ask again later) or Permanent."""
        event, head = self._confirm(subject)
        brought = named_commit(subject.event)
        subject = replace(subject, event=event)
        trust = self._trust(subject, brought)
        known = subject.state.refs.get(_ref_key(event) or "")
        approved, before = self._approvals(subject)
        facts = EventFacts(
            source=subject.row.source,
            event=event,
            repository=subject.repository,
            central=self._central,
            rule=subject.rule,
            config=(),
            now=datetime.fromtimestamp(self._clock.now(), UTC),
            trust=trust,
            head=head,
            known=known.sha if known is not None else None,
            message=event.message if isinstance(event, BranchPushed) else None,
            claims=subject.state.claims,
            refused=self._executor.refuses(trusted=trust is Trust.TRUSTED),
            only=subject.hint.only if subject.hint else (),
            anyway=bool(subject.hint and subject.hint.anyway),
            no_cache=bool(subject.hint and subject.hint.no_cache),
            past=_past(subject, event, head),
            approved=approved,
            approved_before=before,
        )
        commit = named_commit(event)
        if commit is None:
            return facts
        config = self._config(subject, commit, trust)
        proposed = self._proposed(subject, config, trust)
        facts = replace(facts, config=config, proposed=proposed)
        if not isinstance(config, RepoConfig):
            return replace(facts, git_tags=self._git_tags(subject))
        both = proposed.images if isinstance(proposed, RepoConfig) else ()
        return replace(
            facts,
            commit_date=self._commit_date(subject, config, commit),
            changed=self._changed(subject, (*both, *config.images)),
            git_tags=self._git_tags(subject),
            last_digests=self._last_digests(subject, config, trust),
        )

    def _approvals(self, subject: Subject) -> tuple[bool, Sha | None]:
        """Whether somebody approved the very commit that the request shows now, and which other one
        was approved before."""
        event, known = subject.event, subject.state.approvals
        if not isinstance(event, RequestChanged):
            return False, None
        key, head = f"request/{event.request.number}", event.request.head_sha
        holds = known.get((key, head), 0.0) > self._clock.now()
        return holds, approved_before(known, key, head)

    def _confirm(self, subject: Subject) -> tuple[PlannedEvent, Sha | None]:
        """The event as it stands now, and the head that the API shows."""
        match subject.event:
            case BranchPushed() | BranchDeleted() as event:
                return self._confirm_branch(subject, event)
            case TagPushed() | TagDeleted() as event:
                return self._confirm_tag(subject, event)
            case RequestChanged() | RequestClosed() as event:
                return self._confirm_request(subject, event)
            case event:
                return event, None

    def _confirm_tag(
        self, subject: Subject, event: TagPushed | TagDeleted
    ) -> tuple[PlannedEvent, Sha | None]:
        repository = subject.repository
        sha = self._host.resolve_ref(repository, f"refs/tags/{event.tag}")
        if sha is not None:
            base = event.base_branch if isinstance(event, TagPushed) else None
            return TagPushed(event.repository, event.sender, event.tag, sha, base_branch=base), sha
        if isinstance(event, TagPushed) and self._young(subject):
            raise NotVisibleYet(f"tag {event.tag} is not visible yet", 2.0)
        return TagDeleted(repository, event.sender, event.tag), None

    def _confirm_branch(
        self, subject: Subject, event: BranchPushed | BranchDeleted
    ) -> tuple[PlannedEvent, Sha | None]:
        repository = subject.repository
        head = self._host.resolve_ref(repository, f"refs/heads/{event.branch}")
        if isinstance(event, BranchDeleted):
            if head is None:
                return event, None
            commit = self._host.commit(repository, head)
            message = commit.message if commit else None
            return BranchPushed(
                event.repository, event.sender, event.branch, head, None, message
            ), head
        if head == event.sha:
            return event, head
        if head == event.before and self._young(subject):
            raise NotVisibleYet(f"{repository.path} still shows what was before the push", 2.0)
        if head is None:
            return BranchDeleted(repository, event.sender, event.branch, event.sha), None
        return event, head

    def _confirm_request(
        self, subject: Subject, event: RequestChanged | RequestClosed
    ) -> tuple[PlannedEvent, Sha | None]:
        repository = subject.repository
        found = self._host.request(repository, event.request.number)
        if found is None:
            return RequestClosed(repository, event.sender, event.request, merged=False), None
        request, is_open = found
        if not is_open:
            merged = isinstance(event, RequestClosed) and event.merged
            return RequestClosed(repository, event.sender, request, merged), None
        action = event.action if isinstance(event, RequestChanged) else "reopened"
        return RequestChanged(event.repository, event.sender, action, request), request.head_sha

    def _young(self, subject: Subject) -> bool:
        return self._clock.now() - subject.received_at < _VISIBLE_WITHIN

    def _trust(self, subject: Subject, brought: Sha | None) -> Trust:
        """`brought`: the commit that the delivery itself named."""
        event = subject.event
        if not isinstance(event, RequestChanged):
            return Trust.TRUSTED
        author = sender = Role.NONE
        if self._central.trust.forks == "writers" and event.fork:
            person = event.request.author
            author = self._host.role(subject.repository, person.id, person.login)
            sender = self._host.role(subject.repository, event.sender.id, event.sender.login)
        return trust_of(event, self._central.trust, author, sender, brought=brought)

    def _config(
        self, subject: Subject, commit: Sha, trust: Trust
    ) -> RepoConfig | NoConfig | tuple[Mistake, ...]:
        at = commit
        if trust is Trust.UNTRUSTED and isinstance(subject.event, RequestChanged):
            base = self._host.resolve_ref(
                subject.repository, f"refs/heads/{subject.event.request.base_branch}"
            )
            if base is None:
                return NoConfig(dockerfile=False)
            at = base
        try:
            text = self._host.read_file(subject.repository, CONFIG_FILE, at)
            if text is None:
                dockerfile = self._host.read_file(subject.repository, "Dockerfile", at)
                return NoConfig(dockerfile=dockerfile is not None)
        except NotFound as error:
            raise Temporary(f"commit {at[:12]} can't be read: {error}", 5.0) from error
        except Permanent as error:
            return (Mistake(CONFIG_FILE, 0, 0, f"the file can't be read: {error}"),)
        return parse_repo_file(text, CONFIG_FILE)

    def _proposed(
        self, subject: Subject, config: RepoConfig | NoConfig | tuple[Mistake, ...], trust: Trust
    ) -> RepoConfig | NoConfig | tuple[Mistake, ...] | None:
        """The file in an untrusted head itself: what it would change is told. It holds for nothing,
        so what can't be read is left out."""
        event = subject.event
        if trust is Trust.TRUSTED or not isinstance(event, RequestChanged):
            return None
        head = event.request.head_sha
        try:
            text = self._host.read_file(subject.repository, CONFIG_FILE, head)
        except Permanent:
            return None
        if text is None:
            return None if isinstance(config, NoConfig) else NoConfig(dockerfile=True)
        found = parse_repo_file(text, CONFIG_FILE)
        return None if found == config else found

    def _changed(self, subject: Subject, images: Sequence[Image]) -> dict[ImageKey, ChangedPaths]:
        event = subject.event
        if isinstance(event, BranchPushed):
            wanting = [i for i in images if i.on.push and i.on.push.paths.given]
            compare = _remembered(lambda base: self._since(subject, base, event.sha))
            return {i.key: compare(self._base(subject, event, i)) for i in wanting}
        if isinstance(event, RequestChanged):
            wanting = [i for i in images if i.on.pull_request and i.on.pull_request.paths.given]
            if not wanting:
                return {}
            paths = self._host.request_paths(subject.repository, event.request.number)
            return {image.key: paths for image in wanting}
        return {}

    def _base(self, subject: Subject, event: BranchPushed, image: Image) -> Sha | None:
        """The commit that the branch's image was last good at; a new branch: where it forked."""
        known = subject.state.bases.get((f"refs/heads/{event.branch}", image.key))
        default = subject.repository.default_branch
        if known is not None or default is None or event.branch == default:
            return known
        head = self._host.resolve_ref(subject.repository, f"refs/heads/{default}")
        if head is None:
            return None
        return self._host.merge_base(subject.repository, head, event.sha)

    def _since(self, subject: Subject, base: Sha | None, sha: Sha) -> ChangedPaths:
        if base is None:
            return UnknownPaths("no commit to compare with")
        if base == sha:
            return KnownPaths(())
        if self._host.is_ancestor(subject.repository, base, sha) is not True:
            return UnknownPaths(f"{base[:7]} is not an ancestor")
        return self._host.changed_paths(subject.repository, base, sha)

    def _commit_date(self, subject: Subject, config: RepoConfig, sha: Sha) -> datetime | None:
        if not any(_dated(image) for image in config.images):
            return None
        commit = self._host.commit(subject.repository, sha)
        return commit.date if commit else None

    def _git_tags(self, subject: Subject) -> tuple[str, ...]:
        if not isinstance(subject.event, TagPushed):
            return ()
        refs = self._host.refs(subject.repository)
        return tuple(r.removeprefix("refs/tags/") for r in refs if r.startswith("refs/tags/"))

    def _last_digests(
        self, subject: Subject, config: RepoConfig, trust: Trust
    ) -> dict[ImageKey, tuple[str, Digest]]:
        refs = [key for key in (_ref_key(subject.event), _default(subject)) if key]
        needed = {need.image for image in config.images for need in image.needs}
        found = {
            image: self._store.last_digest(subject.row.id, image, trust, refs)
            for image in sorted(needed)
        }
        return {image: last for image, last in found.items() if last is not None}


def named_commit(event: PlannedEvent) -> Sha | None:
    """The commit that an event names as what its ref or request shows."""
    match event:
        case BranchPushed() | TagPushed() | MergeGroupRequested():
            return event.sha
        case RequestChanged():
            return event.request.head_sha
        case _:
            return None


def _past(subject: Subject, event: PlannedEvent, head: Sha | None) -> bool:
    """Whether a person asked for a commit of a branch that its head followed."""
    asked = subject.hint.sha if subject.hint else None
    return asked is not None and isinstance(event, BranchPushed) and event.sha != head


def _ref_key(event: PlannedEvent) -> str | None:
    match event:
        case BranchPushed():
            return f"refs/heads/{event.branch}"
        case TagPushed():
            return f"refs/tags/{event.tag}"
        case RequestChanged():
            return f"request/{event.request.number}"
        case _:
            return None


def _dated(image: Image) -> bool:
    """Whether anything of the image depends on the commit's date."""
    lines = [entry.text for entry in (*image.tags, *image.flavor)]
    texts = [*lines, *image.args.values(), *image.labels.values(), *image.annotations.values()]
    return image.oci_labels == "full" or any("commit_date" in text for text in texts)


def _default(subject: Subject) -> str | None:
    branch = subject.repository.default_branch
    return f"refs/heads/{branch}" if branch else None


def _remembered(
    compare: Callable[[Sha | None], ChangedPaths],
) -> Callable[[Sha | None], ChangedPaths]:
    """Images often share a base: each is compared once."""
    known: dict[Sha | None, ChangedPaths] = {}

    def ask(base: Sha | None) -> ChangedPaths:
        if base not in known:
            known[base] = compare(base)
        return known[base]

    return ask

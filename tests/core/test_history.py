"""Histories of pushes, deliveries, results and withdrawals, against what must be true at rest.

The model below stands for the store and the registry, in a few lines; every decision in it is made
by the functions under test: `plan` and `ownership.decide`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.events import BranchDeleted, RequestClosed
from bot.core.facts import LiveClaim, PlannedEvent
from bot.core.ids import Digest, Sha
from bot.core.ownership import Owner, TagKey, Take, decide
from bot.core.planning import plan
from bot.core.plans import ClaimKind, ClaimWish, PlannedImage, SequenceOrder, TagWish
from tests.core.scene import ANNA, REPOSITORY, config, facts, pushed, requested, tagged

CONFIG = config("""\
version: 1
images:
  api:
    on: {push: {branches: ["**"], tags: ["v*"]}, pull_request: {}}
    tags: ["type=ref,event=branch", "type=ref,event=pr", "type=semver,pattern={{version}}"]
""")
STEP = 10


@dataclass
class Claim:
    wish: ClaimWish
    sequence: int
    live: bool = True

    def is_of(self, kind: ClaimKind, name: str) -> bool:
        return self.wish.kind is kind and self.wish.name == name


@dataclass
class World:
    """Heads and tags of the host, and what the bot remembers. Builds: identity to state."""

    heads: dict[str, Sha] = field(default_factory=dict)
    git_tags: list[str] = field(default_factory=list)
    refs: dict[str, tuple[Sha | None, int]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    builds: dict[str, str] = field(default_factory=dict)
    tags: dict[str, Owner] = field(default_factory=dict)
    sequence: int = 0
    commits: int = 0

    def commit(self, key: str) -> Sha:
        self.commits += 1
        self.heads[key] = Sha(f"{self.commits:040x}")
        return self.heads[key]

    def deliver(self, key: str, event: PlannedEvent) -> None:
        """One delivery, handled now: the host's API shows what it shows now."""
        known = self.refs.get(key)
        found = plan(
            replace(
                facts(event, config=CONFIG),
                head=self.heads.get(key),
                known=known[0] if known else None,
                git_tags=tuple(self.git_tags),
                claims=tuple(self._live()),
            )
        )
        for seen in found.seen:
            row = self.refs.get(seen.key)
            if row is None or row[0] != seen.sha:
                self.sequence += STEP
                self.refs[seen.key] = (seen.sha, self.sequence)
        for one in found.withdraw:
            for claim in self.claims:
                if claim.is_of(one.kind, one.name) and claim.wish.sha != one.keep:
                    claim.live = False
        for wish in found.claims:
            self._claim(key, wish)
        self._stop()

    def _live(self) -> list[LiveClaim]:
        return [
            LiveClaim(n, one.wish.kind, one.wish.name, one.wish.sha, one.sequence, unfinished=True)
            for n, one in enumerate(self.claims)
            if one.live
        ]

    def _claim(self, key: str, wish: ClaimWish) -> None:
        same = [
            one
            for one in self.claims
            if one.is_of(wish.kind, wish.name) and one.wish.sha == wish.sha
        ]
        shown, place = self.refs.get(key, (None, self.sequence))
        if shown != wish.sha:
            place = max((one.sequence for one in same), default=place - 1)
        if any(one.live and one.sequence == place for one in same):
            return
        claim = Claim(wish, place)
        self.claims.append(claim)
        for image in wish.images:
            if self.builds.get(image.identity) in (None, "failed", "cancelled"):
                self.builds[image.identity] = "running"
            if self.builds[image.identity] == "succeeded":
                self._tag(claim, image)

    def _stop(self) -> None:
        """A build that nobody claims is cancelled."""
        wanted = {one.identity for claim in self.claims if claim.live for one in claim.wish.images}
        for identity, state in self.builds.items():
            if state == "running" and identity not in wanted:
                self.builds[identity] = "cancelled"

    def end(self, identity: str, *, well: bool) -> None:
        if self.builds[identity] != "running":
            return
        self.builds[identity] = "succeeded" if well else "failed"
        for claim in sorted(self.claims, key=lambda one: one.sequence):
            for image in claim.wish.images:
                if well and claim.live and image.identity == identity:
                    self._tag(claim, image)

    def _tag(self, claim: Claim, image: PlannedImage) -> None:
        digest = digest_of(claim.wish.sha)
        for wish in image.tags:
            key = _key(wish, claim.sequence)
            owner = self.tags.get(wish.tag)
            if wish.withheld is None and isinstance(decide(wish.tag, owner, key), Take):
                self.tags[wish.tag] = Owner(key, digest)

    def running(self) -> list[str]:
        return [identity for identity, state in self.builds.items() if state == "running"]

    def sweep(self) -> None:
        """What the reconciler finds: heads that ref state does not know, and refs that are gone."""
        for key, sha in list(self.heads.items()):
            if key.startswith("refs/heads/") and self.refs.get(key, (None, 0))[0] != sha:
                self.deliver(key, pushed(key.removeprefix("refs/heads/"), sha))
        for key, (known, _) in list(self.refs.items()):
            if known is not None and key.startswith("refs/heads/") and key not in self.heads:
                name = key.removeprefix("refs/heads/")
                self.deliver(key, BranchDeleted(REPOSITORY, ANNA, name, known))


def _key(wish: TagWish, sequence: int) -> TagKey:
    if isinstance(wish.order, SequenceOrder):
        return TagKey("sequence", "", "", sequence)
    return TagKey("version", wish.order.key, wish.order.version, sequence)


def digest_of(sha: Sha) -> Digest:
    return Digest(f"sha256:{sha}")


BRANCHES = ["main", "dev"]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_however_deliveries_come_the_branch_tag_is_the_heads(data: st.DataObject) -> None:
    """Late, repeated, lost and reordered; builds end in any order; a sweep finds what was lost."""
    world = World()
    waiting: list[tuple[str, PlannedEvent]] = []
    right: set[Sha] = set()
    for _ in range(data.draw(st.integers(1, 14))):
        action = data.draw(st.sampled_from(["push", "push", "deliver", "lose", "again", "end"]))
        if action == "push":
            branch = data.draw(st.sampled_from(BRANCHES))
            key = f"refs/heads/{branch}"
            before = world.heads.get(key)
            sha = world.commit(key)
            waiting.append((key, replace(pushed(branch, sha), before=before)))
        elif action == "end" and world.running():
            world.end(data.draw(st.sampled_from(world.running())), well=data.draw(st.booleans()))
        elif waiting:
            at = data.draw(st.integers(0, len(waiting) - 1))
            if action in ("deliver", "again"):
                world.deliver(*waiting[at])
            if action in ("deliver", "lose"):
                del waiting[at]
        for branch in BRANCHES:
            head = world.heads.get(f"refs/heads/{branch}", Sha(""))
            there = branch in world.tags and world.tags[branch].digest == digest_of(head)
            assert there or head not in right, "a tag that shows the head stays there"
            right |= {head} if there else set()
    world.sweep()
    failed = {identity for identity, state in world.builds.items() if state == "failed"}
    while world.running():
        world.end(data.draw(st.sampled_from(world.running())), well=True)
    for branch in BRANCHES:
        last = world.heads.get(f"refs/heads/{branch}")
        if last is None:
            assert branch not in world.tags
            continue
        built = {
            image.identity
            for claim in world.claims
            if claim.live and claim.wish.sha == last
            for image in claim.wish.images
        }
        assert built, "every head is claimed at rest"
        if not built & failed:
            assert world.tags[branch].digest == digest_of(last)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=8))
def test_a_branch_tag_is_its_newest_success(history: list[tuple[bool, int]]) -> None:
    """Pushes in order, results in any order: the newest commit that built well has the tag."""
    world = World()
    order: list[tuple[int, Sha, bool]] = []
    key, before = "refs/heads/main", None
    for well, when in history:
        sha = world.commit(key)
        world.deliver(key, replace(pushed("main", sha), before=before))
        before = sha
        order.append((when, sha, well))
    for _, sha, well in sorted(order):
        for claim in list(world.claims):
            if claim.wish.sha == sha:
                world.end(claim.wish.images[0].identity, well=well)
    good = [sha for _, sha, well in order if well]
    assert {name: owner.digest for name, owner in world.tags.items()} == (
        {"main": digest_of(good[-1])} if good else {}
    )


VERSIONS = ["1.0.0", "1.0.1", "1.9.6", "1.10.0", "2.0.0-rc.1", "2.0.0", "2.3.0"]
FINAL_ORDER = ["1.0.0", "1.0.1", "1.9.6", "1.10.0", "2.0.0", "2.3.0"]


@settings(deadline=None, max_examples=100)
@given(
    st.permutations(VERSIONS),
    st.sets(st.sampled_from(VERSIONS)),
    st.sets(st.sampled_from(VERSIONS), max_size=3),
    st.randoms(),
)
def test_latest_never_goes_back(
    order: list[str], broken: set[str], old: set[str], chance: object
) -> None:
    """Git tags pushed and built in any order, some of them failing; `old` ones were there before
    us and are never built."""
    world = World(git_tags=[f"v{version}" for version in old])
    order = [version for version in order if version not in old]
    seen: list[int] = []
    ends: list[str] = []
    for version in order:
        key = f"refs/tags/v{version}"
        world.git_tags.append(f"v{version}")
        world.deliver(key, tagged(f"v{version}", world.commit(key)))
        ends.append(version)
    getattr(chance, "shuffle")(ends)  # noqa: B009  (hypothesis' random has no public type)
    for version in ends:
        for claim in world.claims:
            if claim.wish.name == f"v{version}":
                world.end(claim.wish.images[0].identity, well=version not in broken)
        if "latest" in world.tags:
            seen.append(FINAL_ORDER.index(world.tags["latest"].key.version))
    assert seen == sorted(seen)
    floor = max((FINAL_ORDER.index(version) for version in old & set(FINAL_ORDER)), default=-1)
    assert all(at > floor for at in seen)
    if FINAL_ORDER[-1] not in broken | old:
        assert world.tags["latest"].key.version == FINAL_ORDER[-1]
    assert {name for name in world.tags if name != "latest"} == set(VERSIONS) - broken - old


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["close", "open", "end", "delete"]), max_size=6))
def test_withdrawing_one_claim_never_stops_what_another_wants(actions: list[str]) -> None:
    world = World()
    branch, request = "refs/heads/topic", "request/7"
    sha = world.commit(branch)
    world.heads[request] = sha
    world.deliver(branch, pushed("topic", sha))
    world.deliver(request, requested(7, sha))
    (identity,) = world.builds
    for action in actions:
        if action == "close":
            world.heads.pop(request, None)
            event = RequestClosed(REPOSITORY, ANNA, requested(7, sha).request, merged=True)
            world.deliver(request, event)
        elif action == "open":
            world.heads[request] = sha
            world.deliver(request, requested(7, sha, "reopened"))
        elif action == "delete":
            world.heads.pop(branch, None)
            world.deliver(branch, BranchDeleted(REPOSITORY, ANNA, "topic", sha))
        else:
            world.end(identity, well=True)
        live = [claim for claim in world.claims if claim.live]
        if live:
            assert world.builds[identity] in ("running", "succeeded")
        else:
            assert world.builds[identity] in ("cancelled", "succeeded")


def test_what_a_force_push_removed_loses_its_name_to_the_head() -> None:
    world = World()
    key = "refs/heads/main"
    first = world.commit(key)
    world.deliver(key, pushed("main", first))
    second = world.commit(key)
    world.deliver(key, replace(pushed("main", second, forced=True), before=first))
    one, two = (claim.wish.images[0].identity for claim in world.claims)
    world.end(two, well=True)
    world.end(one, well=True)
    assert world.tags["main"].digest == digest_of(second)
    world.heads[key] = first
    world.deliver(key, replace(pushed("main", first, forced=True), before=second))
    assert world.tags["main"].digest == digest_of(first)


def test_a_delivery_that_comes_late_never_takes_the_name_from_the_head() -> None:
    world = World()
    key = "refs/heads/main"
    first = world.commit(key)
    second = world.commit(key)
    world.deliver(key, replace(pushed("main", second), before=first))
    world.end(world.claims[0].wish.images[0].identity, well=True)
    world.deliver(key, pushed("main", first))
    world.end(world.claims[1].wish.images[0].identity, well=True)
    assert world.tags["main"].digest == digest_of(second)

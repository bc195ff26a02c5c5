"""After any history, once it has come to rest, every tag and status is what an oracle says that
knows the bot's promises and none of its code.

What happens is drawn at random from fixed seeds: pushes, force pushes, tags, requests, closes,
builds that end in any order and any way, lost and repeated webhooks, hosts and registries that are
away, workers that stop after any call.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.core.builds import OutcomeClass
from bot.core.ids import Digest, HostKind
from tests.fakes.executor_memory import Die, Ending, Fail, Hold, Succeed, Vanish
from tests.fakes.githost.model import Request
from tests.scenarios.stops import stopping, until_stopped
from tests.scenarios.world import ONE_IMAGE, World, opened

CONFIG = """\
version: 1
images:
  shop:
    on:
      push: {branches: ["**"], tags: ["v*"]}
      pull_request: {}
    tags: ["type=ref,event=branch", "type=ref,event=pr", "type=semver,pattern={{version}}"]
"""
BROKEN = Fail(OutcomeClass.STEP, "RUN make failed (exit 2)")
FINAL = {"success", "failure", "error", "cancelled"}


@dataclass
class History:
    """`good` says of a commit whether it can be built: that belongs to the commit, whatever the
    machines do meanwhile."""

    world: World
    chance: random.Random
    good: dict[str, bool] = field(default_factory=dict)
    heads: dict[str, list[str]] = field(default_factory=dict)
    """By branch, each head that it had."""
    versions: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    count: int = 0

    def begin(self) -> None:
        world = self.world
        world.configure(limits={"builds": 9, "builds-per-repository": 9})
        sha = world.push(ONE_IMAGE | {".pushwright.yaml": CONFIG})
        self._record("main", sha, good=True)
        world.run(60)

    # -- what may happen -----------------------------------------------------------------------

    def push(self) -> None:
        branch = self.chance.choice(["main", "one", "two"])
        self.count += 1
        good = self.chance.random() < 0.8
        sha = self.world.push({"file": f"{self.count}\n"}, branch)
        self._record(branch, sha, good=good)

    def force_push(self) -> None:
        branch = self.chance.choice(list(self.heads))
        self.count += 1
        sha = self.world.repository.git.commit(
            {"file": f"{self.count}\n"}, "Forced", [self.heads["main"][0]]
        )
        self.world.refs(**{f"heads/{branch}": sha})
        self._record(branch, sha, good=True)

    def tag(self) -> None:
        sha = self.chance.choice(self.chance.choice(list(self.heads.values())))
        version = f"1.{self.chance.randrange(4)}.{self.chance.randrange(100)}"
        if version not in self.versions:
            self.versions[version] = sha
            self.world.tag_commit(f"v{version}", sha)

    def open(self) -> None:
        branches = [b for b in self.heads if b != "main"]
        taken = {r.head_branch for r in self.requests if r.open}
        if free := [branch for branch in branches if branch not in taken]:
            self.requests.append(self.world.request(self.chance.choice(free)))

    def close(self) -> None:
        if live := [request for request in self.requests if request.open]:
            self.world.close_request(self.chance.choice(live))

    def end_builds(self) -> None:
        """Some of what runs ends, in any order: as its commit is, or by the platform's fault."""
        running = [run for run in self.world.runs() if not run.ended]
        for run in self.chance.sample(running, min(len(running), 2)):
            run.ending = self._ending(run.sha)
            if self.chance.random() < 0.15:
                faults: list[Ending] = [Die(), Vanish()]
                run.ending = self.chance.choice(faults)

    def lose_webhooks(self) -> None:
        self.world.host.hooks.lose(self.chance.randrange(1, 4))

    def repeat_webhooks(self) -> None:
        sent = self.world.host.hooks.deliveries
        for delivery in self.chance.sample(sent, min(len(sent), 3)):
            self.world.host.hooks.redeliver(delivery)

    def host_away(self) -> None:
        self.world.host.faults.outage = not self.world.host.faults.outage

    def registry_away(self) -> None:
        self.world.images.down = not self.world.images.down

    def stop_a_worker(self) -> None:
        self.world.host.hooks.wait()
        calls, before = self.chance.randrange(1, 40), self.chance.random() < 0.5
        doomed = self.world.new_bot(stopping(self.world.store, calls, before=before))
        until_stopped(doomed.settle)
        self.world.restart()

    def work(self) -> None:
        self.world.settle()

    def time_passes(self) -> None:
        self.world.clock.turn(self.chance.choice([0.5, 3.0, 31.0, 61.0, 301.0]))

    def play(self, turns: int) -> None:
        usual: list[Callable[[], None]] = [
            self.push, self.tag, self.open, self.end_builds, self.end_builds, self.work, self.work,
            self.time_passes, self.stop_a_worker,
        ]  # fmt: skip
        seldom = [self.force_push, self.close, self.lose_webhooks, self.repeat_webhooks]
        rare = [self.host_away, self.registry_away]
        for _ in range(turns):
            self.chance.choice(self.chance.choices([usual, seldom, rare], [8, 2, 1])[0])()

    def rest(self) -> None:
        """All is up again, every build ends as its commit is, and the sweep has come by."""
        world = self.world
        world.host.faults.clear()
        world.images.down = False
        world.host.hooks.lose(0)
        for _ in range(4):
            for run in world.runs():
                if isinstance(run.ending, Hold):
                    run.ending = self._ending(run.sha)
            world.run(330)
        assert all(not isinstance(run.ending, Hold) for run in world.runs())

    def _ending(self, sha: str) -> Ending:
        return Succeed() if self.good[sha] else BROKEN

    def _record(self, branch: str, sha: str, *, good: bool) -> None:
        self.good[sha] = good
        self.heads.setdefault(branch, []).append(sha)

    # -- what must be true then ----------------------------------------------------------------

    def check(self) -> None:
        world = self.world
        builds = world.builds()
        assert all(build.state.final for build in builds), "all is at rest"
        ours = [b for b in builds if b.state == "error"]
        tags = world.tags()
        for branch, heads in self.heads.items():
            self._check_branch(branch, heads, tags, ours={b.sha for b in ours})
        for request in self.requests:
            self._check_request(request, tags)
        self._check_versions(tags)
        self._check_statuses()
        for run in world.runs():
            assert run.spec.name in world.executor.forgotten, "nothing is left behind"

    def _built(self, sha: str) -> Digest:
        return self.world.built("shop", sha)

    def _check_branch(
        self, branch: str, heads: list[str], tags: dict[str, Digest], ours: set[str]
    ) -> None:
        head = heads[-1]
        if self.good[head] and head not in ours:
            assert tags[branch] == self._built(head), f"{branch} is at its head"
        elif branch in tags:
            earlier = [sha for sha in heads[:-1] if self._ever_built(sha)]
            assert tags[branch] in [self._built(sha) for sha in earlier]

    def _ever_built(self, sha: str) -> bool:
        return any(run.digest for run in self.world.executor.of("shop", sha))

    def _check_request(self, request: Request, tags: dict[str, Digest]) -> None:
        head, tag = request.head_sha, f"pr-{request.number}"
        if request.open and self.good[head] and self.world.state(head) == "success":
            assert tags[tag] == self._built(head)
        if tag in tags:
            heads = self.heads[request.head_branch]
            assert tags[tag] in [self._built(sha) for sha in heads if self._ever_built(sha)]

    def _check_versions(self, tags: dict[str, Digest]) -> None:
        def key(version: str) -> tuple[int, ...]:
            return tuple(map(int, version.split(".")))

        for version, sha in self.versions.items():
            if self.good[sha] and self.world.state(sha, " (tag)") == "success":
                assert tags[version] == self._built(sha)
            if not self.good[sha]:
                assert version not in tags
        highest = max(self.versions, key=key, default=None)
        if highest is not None and highest in tags:
            assert tags["latest"] == tags[highest], "the highest version has it"
        elif highest is not None:
            assert "latest" not in tags or tags["latest"] != tags.get("main")

    def _check_statuses(self) -> None:
        """Each head and each tagged commit ends, and green is only what was built."""
        world = self.world
        heads = {heads[-1] for heads in self.heads.values()}
        heads |= {r.head_sha for r in self.requests if r.open}
        for sha in heads:
            assert world.state(sha) in FINAL, f"{sha[:7]} is {world.status(sha)}"
        for sha, good in self.good.items():
            for suffix in ("", " (tag)"):
                for context in (suffix, f"/shop{suffix}"):
                    state, text = world.status(sha, context)
                    assert state in FINAL | {""}, f"{sha[:7]}{context} is {state}: {text}"
                    if state == "success":
                        assert good
                        assert self._ever_built(sha)
            if not good and self._ended(sha) and sha in heads:
                assert world.state(sha) == "failure"
                assert "RUN make failed" in world.status(sha)[1]
            if good and sha in heads and self._ever_built(sha):
                assert world.state(sha) == "success", world.status(sha)

    def _ended(self, sha: str) -> bool:
        return any(isinstance(run.ending, Fail) for run in self.world.executor.of("shop", sha))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))]
)
def test_any_history_comes_to_the_rest_that_the_oracle_says(
    kind: HostKind, seed: int, tmp_path: Path
) -> None:
    with opened(kind, tmp_path) as world:
        history = History(world, random.Random(seed))
        history.begin()
        world.executor.usual = Hold()
        history.play(60)
        history.rest()
        history.check()

"""No commit of a fork ever starts that nobody with write access approved, or whose approval was
taken back, whatever strangers and members write, push and close, and whatever gets lost. The oracle
knows what a person who commented could see, and none of the bot's code."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.model import Comment, Request
from tests.fakes.githost.model import Repository as FakeRepository
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, opened

OTHERS = ("rita", "mallory", "nobody")
CANCEL = "/ok-to-test cancel"
LINES = (
    "/ok-to-test", "/ok-to-test", "/ok-to-test {head}", "/ok-to-test {head}", "/ok-to-test {old}",
    "/ok-to-test {head:.12}",
    "/build", "/rebuild api", "/retest", "/retest api", "/build api\n/retest", "/cancel",
    "/promote api to prod", "/ok-to-test {head}\n/build api", "@pushwright ok-to-test",
    CANCEL,
)  # fmt: skip


@dataclass
class Story:
    """`reviewed`: commits that a writer approved by their full id, or bare while they were the
    head, and did not take back since. `seen`: how many starts were looked at."""

    talk: Talk
    chance: random.Random
    fork: FakeRepository
    request: Request
    heads: list[str] = field(default_factory=list)
    reviewed: set[str] = field(default_factory=set)
    writer: bool = True
    seen: int = 0
    taken_back: int = 0

    def push(self) -> None:
        self.talk.fork_commit(self.fork)
        self.heads.append(self.request.head_sha)

    def comment(self) -> None:
        self.say(self.chance.choice(("ada", "ada", "ada", *OTHERS)), self.chance.choice(LINES))

    def change_of_mind(self) -> None:
        self.say("ada", self.chance.choice(("/ok-to-test", "/ok-to-test {head}")))
        self.chance.choice((self.settle, self.time_passes, self.check))()
        self.say("ada", CANCEL)

    def say(self, by: str, line: str) -> None:
        head, writer = self.request.head_sha, by == "ada" and self.writer
        body = line.format(head=head, old=self.chance.choice(self.heads))
        approves = body in ("/ok-to-test", "@pushwright ok-to-test")
        if writer and (approves or f"/ok-to-test {head}" in body):
            self.reviewed.add(head)
        sent = self.talk.send(body, self.request, by=by)
        if writer and body == CANCEL:
            self.await_taking_back(sent)

    def await_taking_back(self, sent: Comment) -> None:
        """From the moment that the host shows it done, nothing of the head starts any more."""
        world = self.talk.world
        world.settle()
        for _ in range(120):
            if self.talk.reaction(sent):
                break
            world.clock.turn(1.0)
            world.settle()
        self.check()
        assert self.talk.reaction(sent)
        if self.talk.reaction(sent) != "refused":
            self.reviewed.discard(self.request.head_sha)
            self.taken_back += self.talk.reaction(sent) == "accepted"

    def turn_the_role(self) -> None:
        self.writer = not self.writer
        role = "write" if self.writer else "read"
        self.talk.world.settle()
        self.talk.world.host.set_role(self.talk.world.repository, "ada", role)

    def close_and_open(self) -> None:
        world = self.talk.world
        world.close_request(self.request)
        world.host.change_request(world.repository, self.request, "reopened")

    def lose_webhooks(self) -> None:
        with self.talk.world.lost_webhooks():
            self.push()

    def time_passes(self) -> None:
        self.talk.world.run(self.chance.choice((1, 40, 700)))

    def settle(self) -> None:
        self.talk.world.settle()

    def check(self) -> None:
        started = [run.sha for run in self.talk.world.runs()[self.seen :]]
        assert set(started) & set(self.heads) <= self.reviewed
        self.seen += len(started)


@pytest.mark.timeout(600)
@ANY_HOST
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (4, 8))]
)
def test_nothing_runs_that_nobody_approved(kind: HostKind, tmp_path: Path, seed: int) -> None:
    with opened(kind, tmp_path) as world:
        world.executor.untrusted = True
        world.configure(commands={"per-minute": 1000})
        talk = Talk(world)
        talk.people()
        world.push(FILES)
        world.run()
        story = Story(talk, random.Random(seed), *talk.fork_request())
        story.heads.append(story.request.head_sha)
        acts = [story.comment] * 6 + [story.push] * 2 + [story.settle, story.time_passes] * 3
        acts += [story.lose_webhooks, story.close_and_open, story.turn_the_role]
        acts += [story.change_of_mind] * 3
        for _ in range(60):
            story.chance.choice(acts)()
            story.check()
        world.run(1000)
        story.check()
        ran = {run.sha for run in world.runs()} & set(story.heads)
        assert ran
        assert len(story.reviewed) < len(story.heads)
        assert story.taken_back

"""People who comment, and what they see: the words of the scenarios about commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from bot.core.reports_comment import MARKER
from tests.fakes.githost.model import Comment, Request
from tests.fakes.githost.model import Repository as FakeRepository
from tests.fakes.githost.web import Json
from tests.scenarios.world import FILES, World

BOT = "pushwright"
WORDS = {"rocket": "accepted", "confused": "refused", "+1": "nothing", "thumbsup": "nothing"}


@dataclass(frozen=True)
class Talk:
    """`ada` writes, `olga` maintains, `rita` reads, `mallory` owns a fork and has no role."""

    world: World

    def people(self) -> Self:
        """With them in the repository."""
        host, repository = self.world.host, self.world.repository
        for login, role in (("ada", "write"), ("olga", "maintain"), ("rita", "read")):
            host.set_role(repository, login, role)
        return self

    def say(
        self, body: str, request: Request | None = None, *, sha: str | None = None, by: str = "ada"
    ) -> Comment:
        """A comment, and everything that follows from it at once."""
        comment = self.send(body, request, sha=sha, by=by)
        self.world.settle()
        return comment

    def send(
        self, body: str, request: Request | None = None, *, sha: str | None = None, by: str = "ada"
    ) -> Comment:
        number = request.number if request is not None else None
        return self.world.host.comment(self.world.repository, body, number=number, sha=sha, by=by)

    def tell(self, comment: Comment, change: Callable[[Json], object]) -> None:
        """The comment's webhook as `change` leaves it, and everything that follows from it."""
        host, repository = self.world.host, self.world.repository
        for event, payload in host._events.comment(repository, comment):
            change(payload)
            host.hooks.send(repository, event, payload)
        self.world.settle()

    def reaction(self, comment: Comment) -> str:
        """What the bot says came of it; "" where it says nothing yet."""
        found = [WORDS[word] for word in self.reactions(comment) if word != "eyes"]
        assert len(found) <= 1, "a comment is acknowledged once"
        return found[0] if found else ""

    def reactions(self, comment: Comment) -> list[str]:
        """The host's words for all of the bot's, oldest first."""
        found = self.world.host.reactions(self.world.repository, comment.id)
        return [word for word, login in found if login == BOT]

    def replies(self) -> list[str]:
        """Bodies of the bot's answers without their markers, oldest first. The comment that tells
        of the builds is none."""
        said = self.world.host.all_comments(self.world.repository)
        found = [comment.body for comment in said if comment.author.login == BOT]
        found = [body for body in found if not body.startswith(MARKER)]
        assert all(body.startswith("<!-- pushwright:") for body in found)
        return [body.partition("\n")[2] for body in found]

    def told(self, request: Request) -> str:
        """The bot's one comment that tells of the request's builds; "" where there is none."""
        said = self.world.host.comments(self.world.repository, request.number)
        own = [one.body for one in said if one.author.login == BOT]
        found = [body for body in own if body.startswith(MARKER)]
        assert len(found) <= 1
        return found[0] if found else ""

    def refusal(self, sha: str, by: str) -> str:
        """What the bot's one comment on the commit says of that person's refusals; "": none."""
        start = f"<!-- pushwright:refused:{self.world.host.person(by).id}:"
        said = self.world.host.all_comments(self.world.repository)
        own = [one.body for one in said if one.author.login == BOT and one.sha == sha]
        found = [body.partition("\n")[2] for body in own if body.startswith(start)]
        assert len(found) <= 1
        return found[0] if found else ""

    def fork_request(
        self, branch: str = "topic", by: str = "mallory"
    ) -> tuple[FakeRepository, Request]:
        """A fork with one commit on `branch`, and its open request."""
        host, base = self.world.host, self.world.repository
        fork = host.fork(base, f"{by}/shop")
        self.fork_commit(fork, branch, by)
        return fork, host.open_request(base, branch, head=fork, by=by)

    def waiting_fork(self) -> Request:
        """A fork's request that was said to wait a while ago, in a repository with images."""
        self.world.executor.untrusted = True
        self.world.push(FILES)
        self.world.run()
        _, made = self.fork_request()
        self.world.run(30)
        return made

    def fork_commit(self, fork: FakeRepository, branch: str = "topic", by: str = "mallory") -> str:
        self.world.clock.turn(0.001)
        text = f"{self.world.clock.now()}"
        return self.world.host.commit(fork, branch, {"services/api/main.py": text}, by=by)

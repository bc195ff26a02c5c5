"""Records the deliveries of a real Gitea into `gitea/` beside this file.

    python -m tests.payloads.gitea_recording

Gitea's own address is written as https://gitea.example.com. Numbers, commits and times are those of
that run: look at the difference, then `python -m tests.payloads.catalogue`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.gitea.process import GiteaProcess, Person
from tests.needs import gitea as need_gitea

HERE = Path(__file__).parent / "gitea"
EVENTS = ["push", "create", "delete", "pull_request", "issue_comment", "pull_request_comment"]
EVENTS += ["release", "repository", "issues", "status"]


@dataclass
class Inbox:
    """What arrived: (event type, document), in order of arrival."""

    url: str = ""
    arrived: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.arrived.append((self.headers["X-Gitea-Event-Type"], json.loads(body)))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/forge"
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()


class Recorder:
    """Does one thing after another and writes the one delivery of each that is asked for."""

    def __init__(self, gitea: GiteaProcess, inbox: Inbox, folder: Path) -> None:
        self.gitea = gitea
        self.inbox = inbox
        self.folder = folder
        self.ada = gitea.person("ada")
        self.eve = gitea.person("eve")

    def api(self, method: str, path: str, body: object = None, by: Person | None = None) -> Any:
        return self.gitea.api(method, path, body, by=by or self.ada)

    def git(self, *arguments: str, by: str = "ada") -> str:
        who = ["-c", f"user.name={by}", "-c", f"user.email={by}@example.com"]
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, *files: str) -> None:
        for name in files:
            (self.folder / name).write_text(message)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def remote(self, person: Person, path: str) -> str:
        return self.gitea.url.replace("://", f"://{person.login}:{person.token}@") + f"/{path}.git"

    def record(self, event: str, case: str, **wanted: object) -> None:
        """The newest delivery of that event whose document has those values."""

        def found() -> list[Any]:
            return [
                document
                for kind, document in self.inbox.arrived
                if kind == event and all(document.get(k) == v for k, v in wanted.items())
            ]

        limit = time.monotonic() + 30
        while not found():
            if time.monotonic() > limit:
                came = [kind for kind, _ in self.inbox.arrived]
                raise TimeoutError(f"{event} {case} did not arrive, only {came}")
            time.sleep(0.05)
        text = json.dumps(found()[-1], indent=1, ensure_ascii=False)
        text = text.replace(self.gitea.url, "https://gitea.example.com")
        (HERE / f"{event}.{case}.json").write_text(text + "\n")
        self.inbox.arrived.clear()


def record_all(one: Recorder) -> None:
    one.api("POST", "/user/repos", {"name": "shop", "description": "A shop", "private": False})
    hook = {"type": "gitea", "active": True, "events": EVENTS}
    config = {"url": one.inbox.url, "content_type": "json", "secret": "recorded"}
    made = one.api("POST", "/repos/ada/shop/hooks", {**hook, "config": config})
    one.git("init", "-q", "-b", "main")
    one.git("remote", "add", "origin", one.remote(one.ada, "ada/shop"))
    pushes(one, made["id"])
    tags(one)
    requests(one)
    forks(one)
    one.api("POST", "/repos/ada/shop/releases", {"tag_name": "v1.0.0", "name": "One"})
    one.record("release", "published")


def pushes(one: Recorder, hook: int) -> None:
    one.commit("First", "Dockerfile")
    one.git("push", "-q", "origin", "main")
    one.record("push", "branch-created", ref="refs/heads/main")
    one.commit("Second\n\nWith a body", "Dockerfile")
    one.git("push", "-q", "origin", "main")
    one.record("push", "branch")
    one.api("POST", f"/repos/ada/shop/hooks/{hook}/tests")
    one.record("push", "test-button")
    one.git("commit", "-q", "--amend", "-m", "Second, amended")
    one.git("push", "-q", "-f", "origin", "main")
    one.record("push", "forced")
    one.git("push", "-q", "origin", "main:refs/heads/feat/ü+x")
    one.record("create", "branch")
    one.git("push", "-q", "origin", ":refs/heads/feat/ü+x")
    one.record("delete", "branch")


def tags(one: Recorder) -> None:
    one.git("tag", "light")
    one.git("push", "-q", "origin", "light")
    one.record("push", "tag", ref="refs/tags/light")
    one.git("tag", "-a", "v1.0.0", "-m", "One")
    one.git("push", "-q", "origin", "v1.0.0")
    one.record("push", "tag-annotated", ref="refs/tags/v1.0.0")
    one.git("push", "-q", "origin", ":refs/tags/light")
    one.record("push", "tag-deleted", ref="refs/tags/light")
    one.git("push", "-q", "origin", "light")
    one.record("create", "tag", ref_type="tag")
    one.git("push", "-q", "origin", ":refs/tags/light")
    one.record("delete", "tag", ref_type="tag")


def requests(one: Recorder) -> None:
    one.git("checkout", "-q", "-b", "topic")
    one.commit("Topic", "topic")
    one.git("push", "-q", "origin", "topic", "main:base")
    wish = {"head": "topic", "base": "main", "title": "WIP: A topic", "body": "what it is"}
    number = one.api("POST", "/repos/ada/shop/pulls", wish)["number"]
    path = f"/repos/ada/shop/pulls/{number}"
    one.record("pull_request", "opened-draft", action="opened")
    one.api("PATCH", path, {"title": "A topic"})
    one.record("pull_request", "ready", action="edited")
    one.api("PATCH", path, {"title": "A topic, renamed"})
    one.record("pull_request", "edited-title", action="edited")
    one.api("PATCH", path, {"base": "base"})
    one.record("pull_request", "retargeted", action="edited")
    one.commit("More", "topic")
    one.git("push", "-q", "origin", "topic")
    one.record("pull_request_sync", "synchronized")
    label = one.api("POST", "/repos/ada/shop/labels", {"name": "build me", "color": "#00aabb"})
    labels = f"/repos/ada/shop/issues/{number}/labels"
    one.api("POST", labels, {"labels": [label["id"]]})
    one.record("pull_request_label", "label_updated", action="label_updated")
    one.api("DELETE", labels)
    one.record("pull_request_label", "label_cleared", action="label_cleared")
    comments(one, number)
    one.api("PATCH", path, {"state": "closed"})
    one.record("pull_request", "closed", action="closed")
    one.api("PATCH", path, {"state": "open"})
    one.record("pull_request", "reopened", action="reopened")
    head = one.git("rev-parse", "topic")
    state = {"state": "success", "context": "pushwright", "description": "built"}
    one.api("POST", f"/repos/ada/shop/statuses/{head}", state)
    one.record("status", "created")
    one.api("POST", f"{path}/merge", {"Do": "merge"})
    one.record("pull_request", "merged", action="closed")


def comments(one: Recorder, number: int) -> None:
    comment = {"body": "/build api\n\nplease"}
    made = one.api("POST", f"/repos/ada/shop/issues/{number}/comments", comment, one.eve)
    one.record("pull_request_comment", "created", action="created")
    one.api("PATCH", f"/repos/ada/shop/issues/comments/{made['id']}", {"body": "/cancel"}, one.eve)
    one.record("pull_request_comment", "edited", action="edited")
    one.api("DELETE", f"/repos/ada/shop/issues/comments/{made['id']}", by=one.eve)
    one.record("pull_request_comment", "deleted", action="deleted")
    issue = one.api("POST", "/repos/ada/shop/issues", {"title": "An issue"})["number"]
    one.api("POST", f"/repos/ada/shop/issues/{issue}/comments", {"body": "/build"})
    one.record("issue_comment", "on-issue", action="created")
    review = {"body": "well", "event": "COMMENT", "comments": []}
    one.api("POST", f"/repos/ada/shop/pulls/{number}/reviews", review, one.eve)
    one.record("pull_request_review_comment", "reviewed")


def forks(one: Recorder) -> None:
    one.api("POST", "/repos/ada/shop/forks", {}, one.eve)
    one.git("checkout", "-q", "main")
    one.commit("From a fork", "fork")
    one.git("push", "-q", one.remote(one.eve, "eve/shop"), "main:patch")
    wish = {"head": "eve:patch", "base": "main", "title": "From a fork"}
    one.api("POST", "/repos/ada/shop/pulls", wish, one.eve)
    one.record("pull_request", "opened-from-fork", action="opened")
    one.api("DELETE", "/repos/eve/shop", by=one.eve)
    one.record("pull_request", "closed-with-its-fork", action="closed")
    # Without any write access: https://docs.gitea.com/usage/issues-prs/agit-setup
    one.git("push", "-q", one.remote(one.eve, "ada/shop"), "HEAD:refs/for/main/topic-of-eve")
    one.record("pull_request", "opened-by-agit", action="opened")


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pushwright-recording-") as folder:
        place = Path(folder)
        (place / "work").mkdir()
        with GiteaProcess(place / "gitea", need_gitea()) as gitea, receiver() as inbox:
            record_all(Recorder(gitea, inbox, place / "work"))


if __name__ == "__main__":
    main()

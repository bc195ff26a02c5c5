"""Git over HTTP on loopback: the real `git http-backend` behind http.server, with tokens."""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.fakes.loopback import Certificate, Loopback

ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "HOME": "/nonexistent",
}


def git(*arguments: str, cwd: Path) -> str:
    """Run git with a clean configuration; its output. CalledProcessError if it fails."""
    done = subprocess.run(["git", *arguments], cwd=cwd, env=ENV, check=True, capture_output=True)
    return done.stdout.decode().strip()


class GitServer(Loopback):
    """Serves bare repositories below `root`. `tokens`: password by repository path; `broken`: paths
    that answer 503; `requests`: request lines with the user that was named in each;
    `certificate`: for TLS."""

    def __init__(self, root: Path, certificate: Certificate | None = None) -> None:
        self.root = root
        self.tokens: dict[str, str] = {}
        self.broken: set[str] = set()
        self.requests: list[str] = []
        self.numbers = itertools.count(1)
        super().__init__(self._handler(), certificate)

    def repository(self, name: str) -> Repository:
        return Repository(self, name)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._serve(self)

            def do_POST(self) -> None:
                outer._serve(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass  # the requests are kept in `requests`

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        user, password = _basic(handler.headers.get("Authorization", ""))
        self.requests.append(f"{handler.command} {handler.path} user={user}")
        name = path.strip("/").partition(".git/")[0] + ".git"
        if name in self.broken:
            handler.send_error(503)
            return
        if name in self.tokens and self.tokens[name] != password:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="git"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        env = {
            **ENV,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, check=False
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        handler.send_response(int(fields.pop("Status", "200").split()[0]))
        for field, value in fields.items():
            handler.send_header(field, value)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)


def _basic(header: str) -> tuple[str, str]:
    if not header.startswith("Basic "):
        return "", ""
    user, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return user, password


class Repository:
    """A bare repository and a work tree to commit from."""

    def __init__(self, server: GitServer, name: str) -> None:
        self.name = f"{name}.git"
        self.url = f"{server.url}/{self.name}"
        self.bare = server.root / self.name
        self.work = server.root / f"{name}.work"
        self.bare.mkdir(parents=True)
        git("init", "-q", "--bare", "-b", "main", cwd=self.bare)
        self.allow_any(True)
        self.work.mkdir(parents=True)
        git("init", "-q", "-b", "main", cwd=self.work)

    def allow_any(self, yes: bool) -> None:
        """Whether commits may be fetched by id, as GitHub and GitLab allow."""
        git("config", "uploadpack.allowAnySHA1InWant", str(yes).lower(), cwd=self.bare)
        git("config", "uploadpack.allowReachableSHA1InWant", str(yes).lower(), cwd=self.bare)
        git("config", "protocol.version", "2" if yes else "0", cwd=self.bare)

    def commit(self, files: Mapping[str, str | bytes | None], branch: str = "main") -> str:
        """Write (None: remove) and commit to `branch`; the commit's id."""
        for path, content in files.items():
            file = self.work / path
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        git("add", "-A", cwd=self.work)
        git("commit", "-q", "--allow-empty", "-m", "c", cwd=self.work)
        git("push", "-q", "-f", str(self.bare), f"HEAD:refs/heads/{branch}", cwd=self.work)
        return git("rev-parse", "HEAD", cwd=self.work)

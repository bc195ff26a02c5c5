"""Git's smart HTTP through the real `git http-backend`, with the host's rules about who may."""

from __future__ import annotations

import base64
import binascii
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from tests.fakes.githost.bare import git_environment
from tests.fakes.githost.model import LEVELS, Person, Repository, Token, World
from tests.fakes.githost.web import Answer, Asked

_SERVICES = ("info/refs", "git-upload-pack", "git-receive-pack")
_LIMIT = 256 * 1024 * 1024

Pushed = Callable[[Repository, Person, dict[str, str], dict[str, str], list[str]], None]
"""Called after a push with the refs before and after and the push options."""


@dataclass(frozen=True, slots=True)
class GitHttp:
    world: World
    pushed: Pushed

    def serves(self, path: str) -> bool:
        return self._split(path) is not None

    @staticmethod
    def _split(path: str) -> tuple[str, str] | None:
        for service in _SERVICES:
            if path.endswith("/" + service):
                name = unquote(path[1 : -len(service) - 1])
                return name.removesuffix(".git"), service
        return None

    def answer(self, asked: Asked) -> Answer:  # noqa: PLR0911 - one line per rule of access
        split = self._split(asked.path)
        if split is None:
            return Answer(404)
        path, service = split
        writes = "git-receive-pack" in (service, asked.one("service"))
        repository = self.world.by_path(path)
        if repository is None and (moved := self.world.by_path(path, former=True)):
            target = f"/{moved.path}.git/{service}"
            if asked.query:
                target += "?service=" + asked.one("service")
            return Answer(301, headers=[("Location", target)])
        token = self._token(asked)
        if token is None and (repository is None or repository.private or writes):
            return Answer(401, headers=[("WWW-Authenticate", 'Basic realm="Git"')])
        if repository is None:
            return Answer(404, b"not found")
        permission = "contents:write" if writes else "contents:read"
        level = LEVELS["write" if writes else "read"]
        if token is not None and not self.world.may(token, repository, level, permission):
            return Answer(403 if writes else 404, b"not allowed")
        if service != "git-receive-pack":
            return self._backend(repository, service, asked)
        return self._receive(repository, token, asked)

    def _token(self, asked: Asked) -> Token | None:
        scheme, _, value = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            text = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.world.valid_token(text.partition(":")[2])

    def _receive(self, repository: Repository, token: Token | None, asked: Asked) -> Answer:
        if token is None:
            return Answer(401)
        with self.world.changing():
            before = repository.git.refs()
            answer = self._backend(repository, "git-receive-pack", asked)
            after = repository.git.refs()
            self.pushed(repository, token.person, before, after, repository.git.push_options())
        return answer

    def _backend(self, repository: Repository, service: str, asked: Asked) -> Answer:
        query = "&".join(f"{name}={values[-1]}" for name, values in asked.query.items())
        environment = git_environment() | {
            "GIT_PROJECT_ROOT": str(repository.git.folder.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{repository.git.folder.name}/{service}",
            "REQUEST_METHOD": asked.method,
            "QUERY_STRING": query,
            "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.body)),
            "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
            "HTTP_GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
            "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
            "REMOTE_USER": "pusher",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=asked.body,
            capture_output=True,
            check=False,
            env=environment,
        )
        return _cgi(done.stdout[:_LIMIT])


def _cgi(output: bytes) -> Answer:
    head, _, body = output.partition(b"\r\n\r\n")
    status, headers = 200, []
    for line in head.split(b"\r\n"):
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        elif name:
            headers.append((name, value.strip()))
    return Answer(status if head else 500, body, headers)

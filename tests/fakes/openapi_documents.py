"""Where the published documents come from, and the checks of requests that they give.

`python -m tests.fakes.openapi_documents` fetches GitHub's into the cache folder.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import yaml

from bot.core.ids import HostKind
from tests.fakes.githost.gitlab_parameters import wrong_by_documentation
from tests.fakes.githost.happenings import Check
from tests.fakes.githost.web import Asked
from tests.fakes.openapi import METHODS, Json, Requests, operations

PACKAGE = "@octokit/openapi@23.0.2"
INTEGRITY = (
    "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5e"
    "ZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
)
_MEMBER = "package/generated/api.github.com.json"
GET_IT = "install npm, then run: python -m tests.fakes.openapi_documents"

_NEEDED = (
    "/app",
    "/app-manifests/{code}/conversions",
    "/app/hook/config",
    "/app/hook/deliveries",
    "/app/installations",
    "/app/installations/{installation_id}/access_tokens",
    "/installation/repositories",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/check-runs",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    "/repos/{owner}/{repo}/collaborators/{username}/permission",
    "/repos/{owner}/{repo}/comments/{comment_id}",
    "/repos/{owner}/{repo}/comments/{comment_id}/reactions",
    "/repos/{owner}/{repo}/commits/{commit_sha}/comments",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/commits/{ref}/status",
    "/repos/{owner}/{repo}/commits/{ref}/statuses",
    "/repos/{owner}/{repo}/compare/{basehead}",
    "/repos/{owner}/{repo}/contents/{path}",
    "/repos/{owner}/{repo}/git/commits/{commit_sha}",
    "/repos/{owner}/{repo}/git/ref/{ref}",
    "/repos/{owner}/{repo}/git/tags/{tag_sha}",
    "/repos/{owner}/{repo}/hooks",
    "/repos/{owner}/{repo}/hooks/{hook_id}",
    "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries",
    "/repos/{owner}/{repo}/hooks/{hook_id}/pings",
    "/repos/{owner}/{repo}/installation",
    "/repos/{owner}/{repo}/issues/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/files",
    "/repos/{owner}/{repo}/statuses/{sha}",
    "/user",
    "/user/repos",
    "/user/{account_id}",
    "/users/{username}",
)
"""What the client may ask; any other request is a mistake."""


def _folder() -> Path:
    chosen = os.environ.get("PUSHWRIGHT_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "pushwright"


def _index_file() -> Path:
    version = PACKAGE.rpartition("@")[2]
    needed = hashlib.sha256("\n".join(_NEEDED).encode()).hexdigest()[:8]
    return _folder() / f"github-openapi-{version}-{needed}.json"


def fetch() -> Path | None:
    """The trimmed document's file, fetched where it is missing; None where that can't be done."""
    target = _index_file()
    if target.exists():
        return target
    if shutil.which("npm") is None:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "github-openapi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            packed = _pack()
            if packed is None:
                return None
            part = target.with_suffix(".part")
            part.write_text(json.dumps(_trimmed(packed)))
            part.replace(target)
    return target


def _pack() -> bytes | None:
    """The package as npm gives it. Raises ValueError where it is not the one that we pinned."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", PACKAGE, "--silent", "--fetch-retries=1"]
        done = subprocess.run(command, cwd=scratch, check=False, capture_output=True, timeout=100)
        files = list(Path(scratch).glob("*.tgz"))
        if done.returncode != 0 or len(files) != 1:
            return None
        packed = files[0].read_bytes()
    digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise ValueError(f"{PACKAGE} is not what was pinned: sha512-{digest}")
    return packed


def _trimmed(packed: bytes) -> Json:
    """Only what describes requests of the operations that we need."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile(_MEMBER)
        if member is None:
            raise ValueError(f"{PACKAGE} has no {_MEMBER}")
        document = json.load(member)
    kept: Json = {"paths": {}, "components": {}}
    for path in _NEEDED:
        item = document["paths"][path]
        kept["paths"][path] = {
            method: {k: item[method][k] for k in ("parameters", "requestBody") if k in item[method]}
            for method in METHODS
            if method in item
        }
    waiting = re.findall(r'"\$ref": "([^"]+)"', json.dumps(kept))
    while waiting:
        _, kind, group, name = waiting.pop().split("/", 3)
        holder = kept[kind].setdefault(group, {})
        if name not in holder:
            holder[name] = document[kind][group][name]
            waiting += re.findall(r'"\$ref": "([^"]+)"', json.dumps(holder[name]))
    return kept


@cache
def github_requests() -> Requests | None:
    """None where the document can't be had on this machine."""
    file = fetch()
    return None if file is None else Requests(operations(json.loads(file.read_text())))


@cache
def gitlab_requests() -> Requests | None:
    """None where PUSHWRIGHT_GITLAB_OPENAPI names no file."""
    name = os.environ.get("PUSHWRIGHT_GITLAB_OPENAPI")
    if not name:
        return None
    document = yaml.load(
        Path(name).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return Requests(operations(document))


_ALIAS = re.compile(r"/repositories/\d+(?=/|$)")


def _github(asked: Asked) -> str | None:
    known = github_requests()
    if known is None:
        return None
    # `/repositories/{id}` is where GitHub's redirects and page links lead; the document lists
    # what lies below it under the other name.
    path = _ALIAS.sub("/repos/owner/name", asked.path, count=1)
    return known.wrong(asked.method, path, asked.query, asked.body)


_UNLISTED = re.compile(
    r"/projects(/[^/]+/(events|repository/(merge_base|commits/[0-9a-f]+/discussions.*)))?"
)
"""Documented at docs.gitlab.com, and not among the operations of the OpenAPI file; the table of
parameters holds them all the same. https://docs.gitlab.com/api/discussions/#commits"""


def _gitlab(asked: Asked) -> str | None:
    wrong = wrong_by_documentation(asked.method, asked.path, asked.query, asked.body)
    known = gitlab_requests()
    if wrong or known is None or _UNLISTED.fullmatch(asked.path):
        return wrong
    return known.wrong(asked.method, "/api/v4" + asked.path, asked.query, asked.body)


def request_check(kind: HostKind) -> Check:
    """The check of all requests to a fake host of that kind, by what this machine has."""
    return _github if kind is HostKind.GITHUB else _gitlab


if __name__ == "__main__":
    sys.exit(0 if fetch() else f"npm is needed to fetch {PACKAGE}")

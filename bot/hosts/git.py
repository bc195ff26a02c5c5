"""git against a host: refs of a repository by `git ls-remote`, one request and no API quota.

The credential reaches git through an inherited pipe, behind a credential helper that is bound to
the one host: it is in no argument, no environment variable, no address and no file.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from bot.core.ids import Sha
from bot.hosts.transport import quoted
from bot.ports import CloneCredential, Forbidden, HostError, NotFound, Temporary

_SECONDS: Final = 60.0
_BYTES: Final = 64 * 1024 * 1024
_ERROR_BYTES: Final = 64 * 1024
_LINE: Final = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\t(refs/(?:heads|tags)/[^\x00-\x20\x7f]+)")
_PEELED: Final = b"^{}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository's address (http or https, without a name in it) and how to get there."""

    url: str
    ca_file: str | None = None
    proxy: str | None = None


def remote_url(host_url: str, path: str) -> str:
    """The address of a repository: the host from our config, only the path from outside."""
    return f"{host_url.rstrip('/')}/{quote(path, safe='/')}.git"


def ls_remote(
    remote: Remote, credential: CloneCredential | None, seconds: float = _SECONDS
) -> Mapping[str, Sha]:
    """Heads and tags by full name with their commits, annotated tags peeled.

    Names that are not UTF-8 are left out: no API of either host can say them. Raises NotFound
    where the repository is not there or has moved, Forbidden, Temporary.
    """
    return parse_refs(
        run(
            ["ls-remote", "--heads", "--tags", "--", remote.url],
            remote,
            credential,
            seconds=seconds,
        )
    )


def run(
    arguments: Sequence[str],
    remote: Remote,
    credential: CloneCredential | None,
    folder: str = "/",
    seconds: float = _SECONDS,
) -> bytes:
    """What `git` with these arguments writes to its standard output, run in a folder.

    Raises NotFound where the repository is not there or has moved, Forbidden, Temporary.
    """
    reader = _pipe(credential)
    try:
        output, errors, code = _run(
            arguments, _environment(remote, reader), reader, folder, seconds
        )
    finally:
        if reader is not None:
            os.close(reader)
    if code != 0:
        raise _error(arguments[0], errors, credential)
    return output


def parse_refs(output: bytes) -> dict[str, Sha]:
    """The lines of `git ls-remote`; the `^{}` line of an annotated tag names its commit."""
    plain: dict[bytes, bytes] = {}
    peeled: dict[bytes, bytes] = {}
    for line in output.split(b"\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        oid, name = found[1], found[2]
        if name.endswith(_PEELED):
            peeled[name.removesuffix(_PEELED)] = oid
        else:
            plain[name] = oid
    refs: dict[str, Sha] = {}
    for name, oid in (plain | peeled).items():
        with suppress(UnicodeDecodeError):
            refs[name.decode()] = Sha(oid.decode())
    return refs


def _pipe(credential: CloneCredential | None) -> int | None:
    """The reading end of a pipe that already holds the credential, as git wants it."""
    if credential is None:
        return None
    reader, writer = os.pipe()
    text = f"username={credential.username}\npassword={credential.password}\n".encode()
    if text.count(b"\n") != 2 or len(text) > 4096:
        os.close(reader)
        os.close(writer)
        raise Forbidden("the clone credential holds a line break or is longer than 4 KiB")
    os.write(writer, text)
    os.close(writer)
    return reader


def _environment(remote: Remote, reader: int | None) -> dict[str, str]:
    """git's whole environment. Settings come through it, for arguments are public."""
    settings = {
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": "20",
        "core.hooksPath": os.devnull,
    }
    if remote.ca_file:
        settings["http.sslCAInfo"] = remote.ca_file
    if remote.proxy:
        settings["http.proxy"] = remote.proxy
    if reader is not None:
        parts = urlsplit(remote.url)
        helper = f'!f() {{ if test "$1" = get; then cat /dev/fd/{reader}; fi; }}; f'
        settings[f"credential.{parts.scheme}://{parts.netloc}.helper"] = helper
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.lower() in ("path", "no_proxy", "http_proxy", "https_proxy", "all_proxy")
    }
    environment |= {
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_ALLOW_PROTOCOL": "http:https",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (name, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def _run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    reader: int | None,
    folder: str,
    seconds: float,
) -> tuple[bytes, bytes, int]:
    git = shutil.which("git")
    if git is None:
        raise Temporary("the worker needs `git` on its PATH to list refs; install it")
    process = subprocess.Popen(
        [git, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        pass_fds=() if reader is None else (reader,),
        start_new_session=True,
    )
    try:
        output, errors = _collect(arguments[0], process, seconds)
        return output, errors, process.wait(timeout=5)
    except subprocess.TimeoutExpired as error:
        raise Temporary(f"`git {arguments[0]}` closed its output and did not end") from error
    finally:
        # The whole session: git's HTTP transport is a process of its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _collect(command: str, process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes]:
    """Both outputs, within the time and the size that we grant."""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - told to Popen
    output, errors = bytearray(), bytearray()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Temporary(f"`git {command}` took longer than {seconds:.0f} s")
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(output) > _BYTES:
                raise Temporary(f"`git {command}` writes more than 64 MiB")
            del errors[:-_ERROR_BYTES]
    return bytes(output), bytes(errors)


def _error(command: str, errors: bytes, credential: CloneCredential | None) -> HostError:
    secret = credential.password if credential else ""
    text = quoted(errors.decode("utf-8", "replace"), secret)
    message = f"`git {command}` failed: {text}"
    lower = text.lower()
    if any(
        words in lower
        for words in ("not found", "error: 404", "error: 301", "unable to update url")
    ):
        return NotFound(message)
    if any(words in lower for words in ("authentication failed", "could not read", "error: 403")):
        return Forbidden(f"{message} (the credential needs to read the repository's contents)")
    return Temporary(message)

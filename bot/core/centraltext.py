"""Single fields of the central config: addresses, file paths, patterns that bind names."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from urllib.parse import urlsplit

from bot.core.fieldtext import Problem, plain
from bot.core.globs import parse_glob
from bot.core.naming import name_fault

HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*"
)
REGISTRY_HOST = re.compile(rf"(?:{HOST.pattern}|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
SOURCE_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
RESERVED_SOURCES = frozenset({"sweep", "manual"})
PLAIN_HTTP_HOSTS = frozenset({"localhost"})


def source_name(text: str) -> str | Problem:
    if text in RESERVED_SOURCES:
        return Problem("this name is the bot's own", "choose another one")
    if len(text) > 40 or not SOURCE_NAME.fullmatch(text):
        return Problem("a source's name is lower-case letters, digits and '-', at most 40")
    return text


def address(text: str) -> str | Problem:
    """An http(s) address without user, query and fragment; a final `/` is dropped."""
    if isinstance(problem := plain(text), Problem):
        return problem
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return Problem("this is no address", "an address is written https://git.example.com")
    if parts.scheme not in ("http", "https") or not _is_host(parts.hostname) or port == 0:
        return Problem("this is no address", "an address is written https://git.example.com")
    if "@" in parts.netloc or "?" in text or "#" in text:
        return Problem("an address has no user, query or fragment", "secrets are read from files")
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", parts.path) or ".." in parts.path:
        return Problem("the address's path holds characters that are not allowed")
    return text.rstrip("/")


def is_plain_http(text: str) -> bool:
    """Whether what is sent there can be read on the way: http, and not to this machine."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme != "http" or host in PLAIN_HTTP_HOSTS:
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _is_host(host: str | None) -> bool:
    if not host or len(host) > 253:
        return False
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    return HOST.fullmatch(host) is not None


def file_path(text: str) -> str | Problem:
    """A path; relative ones are made absolute by the config's folder later."""
    if isinstance(problem := plain(text), Problem):
        return problem
    if text.startswith(("~", "$", "-")) or "-----BEGIN" in text:
        return Problem("this is no path", "write an absolute path or one relative to this file")
    return posixpath.normpath(text)


def app_id(text: str) -> str | Problem:
    found = re.fullmatch(r"[A-Za-z0-9._]{1,64}", text)
    return text if found else Problem("an App's id is a number, its client id begins with Iv")


def login(text: str) -> str | Problem:
    found = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}(?:\[bot\])?", text)
    return text if found else Problem("a login is letters, digits, '.', '_' and '-'")


def registry_host(text: str) -> str | Problem:
    if not REGISTRY_HOST.fullmatch(text):
        return Problem("a registry is written ghcr.io or registry.local:5000, without https://")
    return text.lower()


def registry(text: str) -> str | Problem:
    """A registry's host, perhaps with a path: what the repository's path is put behind."""
    host, slash, path = text.partition("/")
    if isinstance(found := registry_host(host), Problem):
        return found
    if slash and (fault := name_fault(f"{found}/{path}")):
        return Problem(fault)
    if not _has_host(found):
        return Problem("the registry's host is missing", f"write docker.io/{found}")
    return f"{found}/{path}" if slash else found


def docker_host(text: str) -> str | Problem:
    if re.fullmatch(r"unix:///[^\s\x00-\x1f]+", text):
        return text
    if re.fullmatch(rf"tcp://{REGISTRY_HOST.pattern}", text):
        return text
    return Problem("a daemon is written unix:///var/run/docker.sock or tcp://host:2376")


def pattern(text: str) -> str | Problem:
    found = parse_glob(text)
    if isinstance(found, Problem):
        return found
    return Problem("patterns with ! are not allowed here") if found.excludes else text


def repository_pattern(text: str) -> str | Problem:
    """`path` or `source:path`."""
    source, mark, path = text.partition(":")
    if mark and not (SOURCE_NAME.fullmatch(source) or source == "*"):
        return Problem("before : stands the name of a source")
    found = pattern(path if mark else text)
    if isinstance(found, Problem):
        return found
    if text.startswith(("http:", "https:", "/")) or "//" in text:
        return Problem("a repository is written acme/api or source:acme/api")
    return text


def image_pattern(text: str) -> str | Problem:
    """Names that may be written. The registry's host is spelt out: no pattern reaches another."""
    found = pattern(text)
    if isinstance(found, Problem):
        return found
    host, slash, _ = text.partition("/")
    if not slash or not REGISTRY_HOST.fullmatch(host) or not _has_host(host):
        return Problem("the pattern begins with a registry's host", "write ghcr.io/acme/**")
    if text != text.lower():
        return Problem("image names are lower case", f"write {text.lower()}")
    return text


def _has_host(host: str) -> bool:
    """Docker's rule of what is a host and not the first part of a path on Docker Hub."""
    return "." in host or ":" in host or host == "localhost"

"""What a registry's "no" means, and in which words it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from bot.ports import Forbidden, HostError, NotFound, Permanent, TagRefused, Temporary

ERROR_LIMIT = 64 * 1024
"""Bytes of an error's body that are read."""

_LONGEST_WAIT = 3600.0
_SHOWN = 300
_TEMPORARY = frozenset({408, 425, 429})
_REFUSES_TAGS = frozenset({400, 403, 405, 409, 412})
# ECR ImageTagAlreadyExistsException, Harbor and Artifact Registry "immutable", Nexus "does not
# allow updating", ACR "writeEnabled", GitLab and Docker Hub "protected"/"immutable".
_IMMUTABLE = re.compile(
    r"immutab|TAG_INVALID|TagAlreadyExists|TAG_ALREADY_EXISTS|writeEnabled|protected tag"
    r"|does not allow updating|cannot be (?:overwritten|updated)|tag [^\n]{0,200}already exists",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What was asked for, in a user's words: `words` fit after "refused to"."""

    host: str
    words: str
    right: str
    """What the credential must allow: "pull", "push" or "delete"."""
    repository: str = ""
    writes_tag: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def translate(
    refusal: Refusal, purpose: Purpose, *, now: float, secrets: Iterable[str] = ()
) -> HostError:
    """The error to raise. `now`: seconds since the epoch, for Retry-After dates.

    secrets: texts that must not appear even where the registry repeats them.
    """
    said = words_of(refusal.body, secrets)
    answer = f"{refusal.status}{': ' + said if said else ''}"
    status, host = refusal.status, purpose.host
    if status in _TEMPORARY or status >= 500:
        after = retry_after(refusal.headers.get("Retry-After"), now)
        kind = "limits its requests" if status == 429 else "is in trouble"
        return Temporary(f"registry {host} {kind} ({answer}); asked to {purpose.words}", after)
    if purpose.writes_tag and status in _REFUSES_TAGS and _IMMUTABLE.search(said):
        return TagRefused(f"registry {host} refused to {purpose.words} ({answer})")
    if status in (401, 403):
        return Forbidden(
            f"registry {host} refused to {purpose.words} ({answer}): give bot-auth-file "
            f"credentials with {purpose.right} on {purpose.repository or host}"
        )
    if status == 404:
        return NotFound(f"registry {host} has nothing to {purpose.words} ({answer})")
    if status == 413:
        return Permanent(
            f"registry {host} takes no body of this size to {purpose.words} ({answer}): "
            "raise the limit of the proxy before it (nginx: client_max_body_size)"
        )
    return Permanent(f"registry {host} refused to {purpose.words} ({answer})")


def words_of(body: bytes, secrets: Iterable[str] = ()) -> str:
    """What an error's body says, in one line of at most 300 printable characters."""
    text = body[:ERROR_LIMIT].decode("utf-8", "replace")
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[hidden]")
    listed = _listed(text)
    line = " ".join(" ".join(listed or [text]).split())
    line = "".join(c for c in line if c.isprintable())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def error_codes(body: bytes) -> frozenset[str]:
    """The codes of the distribution specification in an error's body."""
    return frozenset(code for code, _ in _errors(body.decode("utf-8", "replace")))


def _listed(text: str) -> list[str]:
    return [f"{code} {message}".strip() for code, message in _errors(text)]


def _errors(text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return []
    found = []
    for error in errors[:5]:
        if isinstance(error, dict):
            code, message = error.get("code"), error.get("message")
            found.append(
                (code if isinstance(code, str) else "", message if isinstance(message, str) else "")
            )
    return found


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait, 0 to 3600, from seconds or an HTTP date; None where it says neither.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = (header or "").strip()[:100]
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), _LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)

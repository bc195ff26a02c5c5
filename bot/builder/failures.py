"""What a failed build means: pure functions from BuildKit's own error fields to a class.

A step's output never decides: it can print anything. Its exit code decides nothing either but that
the step failed, for `RUN exit 137` is as easily written as any other line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.builder.classes import BuildClass
from bot.builder.dockerfile import Stage, instruction_of
from bot.builder.outcome import BuildFailed, Position
from bot.builder.progress import Vertex


@dataclass(frozen=True, slots=True)
class Evidence:
    """`text`: the client's own last words; `last_lines`: the failed step's, redacted, for people.

    `killed`: processes that the kernel ended for lack of memory meanwhile, anywhere on this
    machine: whose they were it doesn't say.
    """

    vertices: Sequence[Vertex]
    text: str
    code: int
    dockerfile: str
    stages: list[Stage]
    last_lines: str = ""
    killed: int = 0


_EXIT = re.compile(
    r"(?:did not complete successfully|executor failed running \[.*\]): .*", re.DOTALL
)
_EXIT_CODE = re.compile(r"exit code: (\d+)\Z")
_NO_MEMORY = re.compile(r"cannot allocate memory\Z")
_PLACE = re.compile(r"^[^\n:]+:(\d+)\n-{4,}$", re.MULTILINE)
_PARSE_LINE = re.compile(r"parse error (?:on )?line (\d+)|Syntax error .* line:? (\d+)")
_TARGET = re.compile(r'target stage "?([^"\n]*?)"? could not be found')
_DOCKERFILE = re.compile(
    r"dockerfile parse error|failed to create LLB definition|unknown instruction|"
    r"no build stage in current context|file with no instructions|cannot be empty|"
    r"failed to parse|invalid reference format|circular dependency|should not be blank|"
    r"failed to read dockerfile|dockerfile line|invalid from flag|unsupported frontend",
    re.IGNORECASE,
)
_MISSING = re.compile(r'"([^"]+)":? not found|lstat (\S+): no such file|failed to walk (\S+):')
_DENIED = re.compile(
    r"\b40[13]\b|unauthorized|denied|forbidden|authorization failed|authentication required|"
    r"no basic auth credentials|insufficient_scope",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"\b(?:429|5\d\d) [A-Z]|status(?: code)?:? (?:429|5\d\d)|toomanyrequests|too many requests|"
    r"connection refused|connection reset|i/o timeout|no route to host|network is unreachable|"
    r"TLS handshake|timeout awaiting|server misbehaving|deadline exceeded|\bEOF\b|broken pipe|"
    r"\b413\b|Client\.Timeout|request canceled",
    re.IGNORECASE,
)
_ABSENT = re.compile(r"not found|manifest unknown|name unknown|no such host", re.IGNORECASE)
_CACHE_LOST = re.compile(
    r"blob (?:\S+ )?not found|content digest \S+: not found|failed to copy: .*not found|"
    r"blob unknown|could not fetch content descriptor|failed to get reader from content store|"
    r"httpReadSeeker: .*\b404\b|unexpected status from GET request to \S+/blobs/\S+: 404",
    re.IGNORECASE | re.DOTALL,
)
_DAEMON = re.compile(
    r"error reading from server|transport is closing|Cannot connect to the Docker daemon|"
    r"code = Unavailable|closed network connection|server has closed the|docker\.sock|d\.sock: ",
)
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_BASE = re.compile(
    r"^\[internal\] load metadata for (\S+)|^resolve image config for (\S+)|\] FROM (\S+)"
)
_PUSH = re.compile(r"^(?:exporting to |pushing |exporting cache)")


def lost_cache(evidence: Evidence) -> bool:
    """A layer that a cache record names is gone: https://github.com/moby/buildkit/issues/2836."""
    vertex = _failed(evidence)
    if vertex is not None and _EXIT.search(vertex.error):
        return False
    return bool(_CACHE_LOST.search(vertex.error if vertex else evidence.text))


def classify(evidence: Evidence) -> BuildFailed:
    """The class, a sentence that says what to do, and the Dockerfile's line where there is one."""
    vertex = _failed(evidence)
    error = vertex.error if vertex else _last_words(evidence.text)
    case = _Case(evidence, vertex, error, _position(evidence, vertex))
    for rule in (_exited, _no_space, _lost_daemon, _unknown_target, _pushing, _base, _step):
        failure = rule(case)
        if failure is not None:
            return failure
    return _whole(case)


@dataclass(frozen=True, slots=True)
class _Case:
    """`vertex`: the one that failed, None where the client tells no more than `error`."""

    evidence: Evidence
    vertex: Vertex | None
    error: str
    place: Position | None

    @property
    def instruction(self) -> str:
        """The failed step's text; empty for what is no Dockerfile step."""
        return self.vertex.step.text if self.vertex and self.vertex.step else ""


def push_failure(error: str) -> BuildFailed:
    """`error`: what the client said about a push."""
    said = error[-400:]
    if _NO_SPACE.search(error):
        return BuildFailed(BuildClass.OUT_OF_DISK, f"no space left for the push: {said}")
    if re.search(r"\b413\b", error):
        return BuildFailed(
            BuildClass.REGISTRY_UNAVAILABLE,
            f"the registry, or a proxy before it, takes no layer of this size: {said}",
        )
    if _BUSY.search(error) and not re.search(r"\b40[13]\b", error):
        return BuildFailed(BuildClass.REGISTRY_UNAVAILABLE, f"the registry did not take it: {said}")
    if _DENIED.search(error) or _ABSENT.search(error):
        return BuildFailed(
            BuildClass.PUSH_DENIED,
            "the registry refused the push (does the repository exist there, and may the "
            f"configured credential write to it?): {said}",
        )
    return BuildFailed(BuildClass.REGISTRY_UNAVAILABLE, f"the push failed: {said}")


def _failed(evidence: Evidence) -> Vertex | None:
    """The vertex that failed first; those that were cancelled for it don't count."""
    for vertex in evidence.vertices:
        if not vertex.error or vertex.name.startswith("importing cache"):
            continue
        if not re.search(r"context cancell?ed", vertex.error):
            return vertex
    return None


def _exited(case: _Case) -> BuildFailed | None:
    if not case.instruction or not _EXIT.search(case.error):
        return None
    code = _EXIT_CODE.search(case.error)
    said = f"\n{case.evidence.last_lines}" if case.evidence.last_lines else ""
    killed = code is not None and code[1] == "137" and case.evidence.killed > 0
    if killed or _NO_MEMORY.search(case.error):
        why = "was killed, most likely for" if killed else "was killed for"
        return BuildFailed(
            BuildClass.OUT_OF_MEMORY,
            f"`{_short(case.instruction)}` {why} lack of memory: raise "
            f"`resources.memory` or let the step need less{said}",
            case.place,
        )
    how = f"exit {code[1]}" if code else case.error[-200:]
    return BuildFailed(
        BuildClass.STEP, f"{_short(case.instruction)} failed ({how}){said}", case.place
    )


def _no_space(case: _Case) -> BuildFailed | None:
    if not _NO_SPACE.search(case.error):
        return None
    said = f"no space left for the build: {case.error[-300:]}"
    return BuildFailed(BuildClass.OUT_OF_DISK, said, case.place)


def _lost_daemon(case: _Case) -> BuildFailed | None:
    if not _DAEMON.search(case.error):
        return None
    said = f"the connection to dockerd broke: {case.error[-300:]}"
    return BuildFailed(BuildClass.DOCKERD_DOWN, said)


def _unknown_target(case: _Case) -> BuildFailed | None:
    target = _TARGET.search(case.error)
    if target is None:
        return None
    names = ", ".join(stage.name for stage in case.evidence.stages)
    known = f"; {case.evidence.dockerfile} has {names}" if names else ""
    said = f"there is no build stage {target[1]!r}{known}"
    return BuildFailed(BuildClass.UNKNOWN_TARGET, said)


def _pushing(case: _Case) -> BuildFailed | None:
    pushing = case.vertex is not None and _PUSH.match(case.vertex.name)
    if pushing or "failed to push" in case.error:
        return push_failure(case.error)
    tried = any(vertex.name.startswith("pushing ") for vertex in case.evidence.vertices)
    if case.vertex is None and tried and "manifest unknown" in case.error:
        # buildx on dockerd 20.10 overlooks a push that failed and asks for the image's digest then
        said = f"the registry did not keep the pushed image: {case.error[-300:]}"
        return BuildFailed(BuildClass.REGISTRY_UNAVAILABLE, said)
    return None


def _base(case: _Case) -> BuildFailed | None:
    base = _BASE.search(case.vertex.name) if case.vertex else None
    if base is None:
        return None
    image = next(filter(None, base.groups()))
    error, said = case.error, case.error[-300:]
    if "no such host" in error:
        kind, text = BuildClass.BASE_NOT_FOUND, f"the registry of {image} has no address"
    elif _BUSY.search(error) and not re.search(r"\b40[134]\b", error):
        kind, text = BuildClass.REGISTRY_UNAVAILABLE, f"could not read the base image {image}"
    elif _DENIED.search(error):
        kind = BuildClass.BASE_FORBIDDEN
        text = f"the base image {image} does not exist, or the credential may not read it"
    elif _ABSENT.search(error):
        kind, text = BuildClass.BASE_NOT_FOUND, f"the base image {image} does not exist"
    else:
        kind, text = BuildClass.DOCKERFILE, f"the base image {image}"
    return BuildFailed(kind, f"{text}: {said}", case.place)


def _step(case: _Case) -> BuildFailed | None:
    what = case.instruction
    if not what:
        return None
    missing = _MISSING.search(case.error)
    if missing and what.upper().startswith(("COPY", "ADD")):
        name = next(filter(None, missing.groups()))
        return BuildFailed(
            BuildClass.CONTEXT,
            f"`{_short(what)}`: {name} is not in the build context "
            "(is the path right, and not in .dockerignore?)",
            case.place,
        )
    return BuildFailed(BuildClass.STEP, f"`{_short(what)}`: {case.error[-400:]}", case.place)


def _whole(case: _Case) -> BuildFailed:
    said = case.error[-500:]
    if _BUSY.search(case.error) and not _DOCKERFILE.search(case.error):
        return BuildFailed(BuildClass.REGISTRY_UNAVAILABLE, said, case.place)
    if _DOCKERFILE.search(case.error) or case.place is not None:
        return BuildFailed(BuildClass.DOCKERFILE, said, case.place)
    return BuildFailed(BuildClass.INTERNAL, f"the build client failed: {said}")


def _position(evidence: Evidence, vertex: Vertex | None) -> Position | None:
    said = _PLACE.search(evidence.text)
    if said is not None:
        return Position(evidence.dockerfile, int(said[1]), _keyword_at(evidence, int(said[1])))
    if vertex is not None and vertex.step is not None:
        found = instruction_of(evidence.stages, vertex.step)
        if found is not None:
            return Position(evidence.dockerfile, found.line, found.keyword)
    if vertex is not None and (base := _BASE.search(vertex.name)):
        return _from_line(evidence, next(filter(None, base.groups())))
    parse = _PARSE_LINE.search(evidence.text)
    if parse is not None:
        return Position(evidence.dockerfile, int(next(filter(None, parse.groups()))))
    return None


def _from_line(evidence: Evidence, image: str) -> Position | None:
    for stage in evidence.stages:
        base = stage.base if ":" in stage.base.rpartition("/")[2] else f"{stage.base}:latest"
        if image in (stage.base, base, f"docker.io/{base}", f"docker.io/library/{base}"):
            return Position(evidence.dockerfile, stage.line, "FROM")
    return None


def _keyword_at(evidence: Evidence, line: int) -> str | None:
    for stage in evidence.stages:
        if stage.line == line:
            return "FROM"
        for found in stage.numbered:
            if found.line == line:
                return found.keyword
    return None


def _last_words(text: str) -> str:
    """The line that begins with ERROR, else the last one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("---")]
    for line in reversed(lines):
        if line.startswith("ERROR: "):
            return line[7:]
    return lines[-1] if lines else "it said nothing"


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}…"

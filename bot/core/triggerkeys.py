"""The keys of `on` in `.pushwright.yaml`: GitHub's words and GitHub's meaning."""

from __future__ import annotations

from bot.core.fieldtext import Problem
from bot.core.forms import (
    NUMBERS,
    ByShape,
    Choice,
    Fields,
    Flag,
    Form,
    Key,
    Listing,
    Record,
    Text,
    Turned,
)
from bot.core.globs import parse_glob
from bot.core.mistakes import Mark, Notes


def _pattern(text: str) -> str | Problem:
    found = parse_glob(text)
    return found if isinstance(found, Problem) else text


PATTERNS = Listing(Text("pattern", _pattern, NUMBERS), alone=True)

BRANCHES = Key("branches", PATTERNS, "Branches that are built; `!` excludes.", "all")
BRANCHES_IGNORE = Key("branches-ignore", PATTERNS, "Branches that are not built.", "none")
TAGS_FILTER = Key("tags", PATTERNS, "Git tags that are built; `!` excludes.", "all")
TAGS_IGNORE = Key("tags-ignore", PATTERNS, "Git tags that are not built.", "none")
PATHS = Key(
    "paths",
    PATTERNS,
    "Build only if one of the changed files matches. Never asked for tags.",
    "all",
)
PATHS_IGNORE = Key(
    "paths-ignore", PATTERNS, "Changed files that do not count; beats `paths`.", "none"
)
TARGETS = Key("branches", PATTERNS, "Target branches of the requests that are built.", "all")
TARGETS_IGNORE = Key(
    "branches-ignore", PATTERNS, "Target branches whose requests are not built.", "none"
)
DRAFTS = Key("drafts", Flag(), "Whether drafts are built.", "`true`")

PUSH_RULE = Record(
    "on push", (BRANCHES, BRANCHES_IGNORE, TAGS_FILTER, TAGS_IGNORE, PATHS, PATHS_IGNORE)
)
REQUEST_RULE = Record(
    "on pull_request",
    (TARGETS, TARGETS_IGNORE, PATHS, PATHS_IGNORE, DRAFTS),
    later=frozenset({"types"}),
)
_LATER_EVENTS = ("release", "schedule", "base-image", "comment", "api")


def nothing_written(mark: Mark) -> Fields:
    return Fields({}, {}, mark)


PUSH_EVENT = Key(
    "push",
    ByShape("a mapping of filters", mapping=PUSH_RULE, nothing=nothing_written),
    "Pushes of branches and tags. Without filters all of them.",
    "never",
)
REQUEST_EVENT = Key(
    "pull_request",
    ByShape("a mapping of filters", mapping=REQUEST_RULE, nothing=nothing_written),
    "Pull and merge requests.",
    "never",
)
ON_RECORD = Record(
    "on",
    (PUSH_EVENT, REQUEST_EVENT),
    later=frozenset(_LATER_EVENTS),
    renamed={
        "merge_request": "merge requests are named pull_request, on GitLab too",
        "merge-request": "merge requests are named pull_request, on GitLab too",
        "merge_requests": "merge requests are named pull_request, on GitLab too",
        "pull_request_target": "it is named pull_request; untrusted heads never see secrets",
    },
)
_EVENT_NAME: Choice[str] = Choice(
    ("push", "pull_request"), _LATER_EVENTS, {"merge_request": "pull_request"}
)


def _named_events(names: tuple[str, ...], mark: Mark, _notes: Notes) -> Fields:
    marks = dict.fromkeys(names, mark)
    return Fields({name: nothing_written(mark) for name in names}, marks, mark)


_EVENT_LIST: Form[Fields] = Turned(Listing(_EVENT_NAME, alone=True), _named_events)
ON_FORM: Form[Fields] = ByShape(
    "`push`, `pull_request`, a list of them, or a mapping",
    scalar=_EVENT_LIST,
    sequence=_EVENT_LIST,
    mapping=ON_RECORD,
)

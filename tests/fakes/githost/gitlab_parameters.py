"""What GitLab's documentation says that each request may hold: a table, and a check by it.

Sources: https://docs.gitlab.com/api/projects/, /api/commits/, /api/repository_files/,
/api/repositories/, /api/branches/, /api/tags/, /api/merge_requests/, /api/notes/, /api/members/,
/api/users/, /api/emoji_reactions/, /api/discussions/, /api/events/, /api/project_webhooks/,
/api/personal_access_tokens/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PROJECT = "/projects/{id}"
_REPOSITORY = _PROJECT + "/repository"
_MERGE_REQUEST = _PROJECT + "/merge_requests/{iid}"

NUMBER = r"\d+"
FLAG = r"true|false"
SHA = r"[0-9a-f]{40}|[0-9a-f]{64}"
ANY = r"(?s:.*)"
SOME = r"(?s:.+)"
SHORT = r"(?s:.{0,255})"
SORT = r"asc|desc"
PAGES = {"page": NUMBER, "per_page": r"[1-9]\d?|100"}
BOOLEAN = r"True|False"
"""Of a JSON body, as Python shows it."""

_HOOKS = _PROJECT + "/hooks"
_HOOK = {
    "url": r"https?://.+",
    "token": SOME,
    "signing_token": r"whsec_.+",
    "enable_ssl_verification": BOOLEAN,
    "push_events": BOOLEAN,
    "tag_push_events": BOOLEAN,
    "merge_requests_events": BOOLEAN,
    "note_events": BOOLEAN,
    "releases_events": BOOLEAN,
    "push_events_branch_filter": ANY,
}


@dataclass(frozen=True, slots=True)
class Documented:
    """Names and the form of their values; `required` are names of either."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


REQUESTS = (
    Documented("GET", "/user"),
    Documented("GET", "/users/{id}"),
    Documented(
        "GET",
        "/projects",
        {
            "membership": FLAG,
            "archived": FLAG,
            "min_access_level": NUMBER,
            "order_by": r"id|name|path|created_at|updated_at|last_activity_at",
            "sort": SORT,
            **PAGES,
        },
    ),
    Documented("GET", _PROJECT),
    Documented("GET", _REPOSITORY + "/files/{file}", {"ref": SOME}, required=frozenset({"ref"})),
    Documented("GET", _REPOSITORY + "/tree", {"path": ANY, "ref": SOME, **PAGES}),
    Documented("GET", _REPOSITORY + "/commits/{sha}"),
    Documented(
        "GET",
        _REPOSITORY + "/commits/{sha}/statuses",
        {"ref": SOME, "name": SOME, "all": FLAG, "pipeline_id": NUMBER, **PAGES},
    ),
    Documented(
        "POST",
        _PROJECT + "/statuses/{sha}",
        body={
            "state": r"pending|running|success|failed|canceled|skipped",
            "ref": SOME,
            "name": SHORT,
            "context": SHORT,
            "target_url": SHORT,
            "description": SHORT,
            "coverage": r"\d+(\.\d+)?",
            "pipeline_id": NUMBER,
        },
        required=frozenset({"state"}),
    ),
    Documented("GET", _REPOSITORY + "/branches/{name}"),
    Documented("GET", _REPOSITORY + "/tags/{name}"),
    Documented(
        "GET",
        _REPOSITORY + "/compare",
        {"from": SOME, "to": SOME, "straight": FLAG},
        required=frozenset({"from", "to"}),
    ),
    Documented(
        "GET", _REPOSITORY + "/merge_base", {"refs[]": SOME}, required=frozenset({"refs[]"})
    ),
    Documented(
        "GET",
        _PROJECT + "/events",
        {
            "action": r"created|updated|closed|reopened|pushed|commented|merged|joined|left"
            r"|destroyed|expired|approved",
            "target_type": r"issue|milestone|merge_request|note|project|snippet|user",
            "before": r"\d{4}-\d{2}-\d{2}",
            "after": r"\d{4}-\d{2}-\d{2}",
            "sort": SORT,
            **PAGES,
        },
    ),
    Documented(
        "GET",
        _PROJECT + "/merge_requests",
        {
            "state": r"opened|closed|locked|merged|all",
            "scope": r"created_by_me|assigned_to_me|all",
            "order_by": r"created_at|title|merged_at|updated_at|label_priority|popularity|priority",
            "sort": SORT,
            **PAGES,
        },
    ),
    Documented("GET", _MERGE_REQUEST),
    Documented("GET", _MERGE_REQUEST + "/diffs", PAGES),
    Documented(
        "GET",
        _MERGE_REQUEST + "/notes",
        {"sort": SORT, "order_by": r"created_at|updated_at", **PAGES},
    ),
    Documented(
        "POST", _MERGE_REQUEST + "/notes", body={"body": SOME}, required=frozenset({"body"})
    ),
    Documented("GET", _MERGE_REQUEST + "/notes/{note}"),
    Documented(
        "PUT", _MERGE_REQUEST + "/notes/{note}", body={"body": SOME}, required=frozenset({"body"})
    ),
    Documented(
        "POST",
        _MERGE_REQUEST + "/notes/{note}/award_emoji",
        body={"name": r"[a-z0-9_+-]+"},
        required=frozenset({"name"}),
    ),
    Documented("GET", _REPOSITORY + "/commits/{sha}/discussions", PAGES),
    Documented(
        "POST",
        _REPOSITORY + "/commits/{sha}/discussions",
        body={"body": SOME, "created_at": SOME, "position": ANY},
        required=frozenset({"body"}),
    ),
    Documented(
        "PUT",
        _REPOSITORY + "/commits/{sha}/discussions/{discussion}/notes/{note}",
        body={"body": SOME},
        required=frozenset({"body"}),
    ),
    Documented("GET", _PROJECT + "/members/all/{user}"),
    Documented("GET", "/personal_access_tokens/self"),
    Documented("GET", _HOOKS, PAGES),
    Documented("POST", _HOOKS, body=_HOOK, required=frozenset({"url"})),
    Documented("PUT", _HOOKS + "/{hook}", body=_HOOK, required=frozenset({"url"})),
    Documented("GET", _HOOKS + "/{hook}/events", {"status": SOME, **PAGES}),
    Documented("POST", _HOOKS + "/{hook}/test/push_events"),
)


def wrong_by_documentation(
    method: str, path: str, query: Mapping[str, list[str]], body: bytes
) -> str | None:
    """What the documentation does not allow in a request, or None."""
    for known in REQUESTS:
        expression = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(known.path))
        if known.method != method or not re.fullmatch(expression, path):
            continue
        fields: Mapping[str, object] = json.loads(body) if body else {}
        mistakes = [f"lacks {name}" for name in known.required - set(query) - set(fields)]
        for name, values in query.items():
            mistakes += [_wrong(name, value, known.query) for value in values]
        mistakes += [_wrong(name, value, known.body) for name, value in fields.items()]
        found = [mistake for mistake in mistakes if mistake]
        return f"{method} {path}: {'; '.join(found)}" if found else None
    return f"{method} {path}: no such request is documented"


def _wrong(name: str, value: object, known: Mapping[str, str]) -> str:
    form = known.get(name)
    if form is None:
        return f"unknown parameter {name}"
    return "" if re.fullmatch(form, str(value)) else f"{name}: {value!r} is not {form}"

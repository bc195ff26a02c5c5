"""One push from its webhook to its tags, as anyone outside sees it: the host's statuses, the bot's
pages as JSON, the registry's tags. Nothing is read from inside the bot.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.demo.githost import SHOP
from tests.demo.machine import Machine
from tests.demo.screen import Screen
from tests.demo.story import Event

WAIT = 120.0
FINAL = {"success", "failure", "error", "failed", "canceled"}
COLOURS = {"success": "green", "pending": "blue", "running": "blue"}
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")

Document = Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """What was seen before, so that each thing is told once."""

    statuses: dict[int, tuple[str, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    builds: set[str] = field(default_factory=set)


class Watch:
    """Follows one push. Afterwards `states`, `texts`, `plan`, `builds` hold what came of it."""

    def __init__(self, machine: Machine, screen: Screen, event: Event, seen: Seen) -> None:
        self._machine = machine
        self._screen = screen
        self._event = event
        self._seen = seen
        self._moves: dict[str, str] = {}
        self._pages: dict[str, str] = {}
        self._told: set[str] = set()
        self.states: dict[str, str] = {}
        self.texts: list[str] = []
        self.plan: Document = {}
        self.builds: dict[str, Document] = {}

    def follow(self, sha: str) -> None:
        """Tell of everything until the event has come to rest, two minutes at most."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            self._statuses(sha)
            if not self.plan:
                self._read_plan()
            self._read_builds()
            self._read_tags()
            if self._at_rest():
                return
            time.sleep(0.1)

    def _at_rest(self) -> bool:
        over = all(self.states.get(image) in FINAL for image in self._event.states)
        return over and bool(self.plan) and all(build["final"] for build in self.builds.values())

    def _statuses(self, sha: str) -> None:
        names = {
            f"pushwright{'/' + image if image else ''}{self._event.family}": image
            for image in ("", "api", "web")
        }
        for status in self._machine.statuses(sha):
            now = (status.state, status.description or "")
            if status.context not in names or self._seen.statuses.get(status.id) == now:
                continue
            self._seen.statuses[status.id] = now
            self.states[names[status.context]] = status.state
            self.texts.append(now[1])
            if status.target_url:
                self._pages[names[status.context]] = status.target_url
            said = f"{status.context}  {status.state}  {now[1]}"
            self._screen.line("status", said, COLOURS.get(status.state, "red"))
            url = status.target_url or ""
            if status.state in FINAL and url and url not in self._told:
                self._told.add(url)
                self._screen.line("page", url, "dim")

    # -- the bot's pages -----------------------------------------------------------------------

    def _read_plan(self) -> None:
        """A status leads to a build's page or to the plan's; a build's names the plan's."""
        for url in self._pages.values():
            page = url if "/reports/" in url else self._page_of(url)
            found = _get(f"{page}.json") if page else None
            if found:
                self.plan = found
                self._tell_plan(found)
                return

    def _page_of(self, url: str) -> str:
        claims = (_get(f"{url}.json") or {}).get("wanted_by", [])
        wanted = [c["page"] for c in claims if (c["kind"], c["name"]) == self._event.ref]
        return f"{self._machine.url}/reports/{wanted[0]}" if wanted else ""

    def _tell_plan(self, plan: Document) -> None:
        self._screen.line("event", plan["title"])
        for one in plan["images"]:
            self._screen.line("plan", f"{one['image']}: build, {one['why']}")
        for one in plan["skipped"]:
            self._screen.line("plan", f"{one['image']}: skip, {one['why']}")
        for one in plan["mistakes"]:
            hint = f" ({one['hint']})" if one["hint"] else ""
            self._screen.line("mistake", f"{_place(one)} {one['message']}{hint}", "red")

    def _read_builds(self) -> None:
        for planned in self.plan.get("images", ()):
            image = planned["image"]
            if self.builds.get(image, {}).get("final"):
                continue
            found = _get(f"{self._machine.url}/builds/{planned['build']}.json")
            if found is None:
                continue
            self.builds[image] = found
            if found["id"] in self._seen.builds:
                self._screen.line("build", f"{image}  built before from this commit: used again")
                continue
            if self._moves.get(image) != found["state"]:
                self._moves[image] = found["state"]
                digest = f"  {found['digest'][:19]}" if found["final"] and found["digest"] else ""
                self._screen.line("build", f"{image}  {found['state']}{digest}")
            if found["final"]:
                self._seen.builds.add(found["id"])
                self._tell_steps(image, found["steps"])

    def _tell_steps(self, image: str, steps: list[Document]) -> None:
        """One line each of those that stand in the Dockerfile."""
        for step in steps:
            if step["line"] is None:
                continue
            how = {"yes": "cached", "no": "built"}.get(step["hit"], "")
            how, colour = ("failed", "red") if step["error"] else (how, "dim")
            took = f"{step['seconds']:.1f} s" if step["seconds"] else ""
            name = _DIGEST.sub("", step["name"])
            told = f"{image:<4}{step['line']:>4}  {how:<6}  {took:>6}  {name}"
            self._screen.line("step", told, colour, whole=False)

    # -- the registry --------------------------------------------------------------------------

    def _read_tags(self) -> None:
        for image in ("api", "web"):
            name = f"{SHOP}/{image}"
            for tag in (_get(f"{self._machine.registry.url}/v2/{name}/tags/list") or {}).get(
                "tags"
            ) or ():
                # `git-…` are the references that builds push; people's tags are set by the bot.
                digest = "" if tag.startswith("git-") else self.digest(image, tag)
                before = self._seen.tags.get(f"{name}:{tag}", "")
                if digest and digest != before:
                    self._seen.tags[f"{name}:{tag}"] = digest
                    moved = f", was {before[7:19]}" if before else ""
                    self._screen.line("tag", f"{name}:{tag} is {digest[:19]}{moved}", "green")

    def digest(self, image: str, tag: str) -> str:
        """What the registry holds under a tag; "" for nothing."""
        url = f"{self._machine.registry.url}/v2/{SHOP}/{image}/manifests/{tag}"
        request = urllib.request.Request(url, method="HEAD", headers={"Accept": _MANIFESTS})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return str(answer.headers["Docker-Content-Digest"])
        except OSError:
            return ""

    # -- the verdict ---------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        """What is not as the event expects."""
        event = self._event
        found = [
            f"{image or 'pushwright'}: expected {state}, got {self.states.get(image, 'nothing')}"
            for image, state in event.states.items()
            if self.states.get(image) != state
        ]
        said = " ".join(self.texts)
        found += [f"no status says {part!r}" for part in event.told if part not in said]
        places = [_place(one) for one in self.plan.get("mistakes", ())]
        found += [
            f"the page shows no mistake at {part}"
            for part in event.mistakes
            if not any(place.startswith(part) for place in places)
        ]
        for image, tags in event.tags.items():
            digest = self.builds.get(image, {}).get("digest")
            found += [
                f"{image}:{tag} does not name what was built, {digest}"
                for tag in tags
                if not digest or self.digest(image, tag) != digest
            ]
        return found + [
            f"{image}: {self.hits()} steps from the cache, expected {wanted}"
            for image, wanted in event.hits.items()
            if not self._hit(image, wanted)
        ]

    def _hit(self, image: str, wanted: str) -> bool:
        build = self.builds.get(image, {})
        hits, _, steps = _hits(build) if build else (0, True, 0)
        return steps > 0 and (hits == steps if wanted == "all" else 0 < hits < steps)

    def hits(self) -> str:
        """Steps from the cache, of all builds together: "2 of 3"; "2+ of 3" where the builder does
        not tell of each step; "" where nothing was built."""
        counted = [_hits(build) for build in self.builds.values()]
        steps = sum(each[2] for each in counted)
        if not steps:
            return ""
        more = "" if all(each[1] for each in counted) else "+"
        return f"{sum(each[0] for each in counted)}{more} of {steps}"


def _hits(build: Document) -> tuple[int, bool, int]:
    """Steps from the cache, whether that is known of every step, and all steps. The plain progress
    of docker 20.10 marks some hits only."""
    steps = int(build["cache_steps"] or 0)
    if build["cache_hits"] is not None:
        return int(build["cache_hits"]), True, steps
    return sum(step["hit"] == "yes" for step in build["steps"]), False, steps


def _place(mistake: Document) -> str:
    numbers = (str(mistake[key]) for key in ("line", "column") if mistake[key] is not None)
    return ":".join((mistake["file"], *numbers))


def _get(url: str) -> Document | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: Document = json.load(answer)
            return found
    except (urllib.error.URLError, OSError, ValueError):
        return None

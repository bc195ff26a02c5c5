"""The pushes of the demo, and what each must come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.core.ids import HostKind
from tests.demo import sample
from tests.demo.machine import Machine

OK = "success"


@dataclass(frozen=True, slots=True)
class Event:
    """One push. `states`: image ("" for the aggregate) to the state that its status must reach;
    `tags`: image to the tags that must name its digest afterwards; `told`: parts of status texts;
    `mistakes`: places that the config's page must show; `hits`: image to "all" or "some"."""

    title: str
    push: Callable[[Machine], str]
    states: Mapping[str, str]
    ref: tuple[str, str] = ("branch", "main")
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    hits: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return " (tag)" if self.ref[0] == "tag" else ""


def events(machine: Machine) -> list[Event]:
    failed = "failed" if machine.kind is HostKind.GITLAB else "failure"
    api = "services/api/"
    base = machine.base
    return [
        Event(
            "first push: two images, nothing cached",
            lambda m: m.push(sample.first(base), "First"),
            {"api": OK, "web": OK, "": OK},
            tags={"api": ("main",), "web": ("main",)},
        ),
        Event(
            "one line changed in api",
            lambda m: m.push({f"{api}app.txt": "hello, again\n"}, "Greet again"),
            {"api": OK, "": OK},
            tags={"api": ("main",)},
            hits={"api": "some"},
        ),
        Event(
            "a file of a stage that is not used",
            lambda m: m.push({f"{api}dev.txt": "for developers only\n"}, "Notes"),
            {"api": OK, "": OK},
            tags={"api": ("main",)},
            hits={"api": "all"},
        ),
        Event(
            "tag v1.2.3: versions and latest move",
            lambda m: m.push_tag("v1.2.3"),
            {"api": OK, "web": OK, "": OK},
            ref=("tag", "v1.2.3"),
            tags={"api": ("1.2.3", "1.2", "latest"), "web": ("1.2.3", "latest")},
        ),
        Event(
            "a Dockerfile whose last step fails",
            lambda m: m.push({f"{api}Dockerfile": sample.BROKEN.format(base=base)}, "Break"),
            {"api": failed, "": failed},
            told=("services/api/Dockerfile:6",),
        ),
        Event(
            "a config with mistakes",
            lambda m: m.push({".pushwright.yaml": sample.BROKEN_CONFIG}, "Typo"),
            {"": failed},
            told=(".pushwright.yaml:4",),
            mistakes=(".pushwright.yaml:4:5", ".pushwright.yaml:6:"),
        ),
    ]

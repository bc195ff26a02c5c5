"""Which components of an installed bot come up in which version, and which run in two at once."""

from __future__ import annotations

import time
from concurrent.futures import Future

from tests.cluster.e2e.installation import Installation


class Sightings:
    """What runs in the bot's namespace, looked at again and again. `order`: component and version
    as they came up; `together`: components that ran in two versions at once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.order: list[tuple[str, str]] = []
        self.together: set[str] = set()

    def look(self) -> None:
        for component in ("migrate", "web", "worker"):
            pods = self._installation.pods(component)
            for pod in pods:
                if (one := (component, _version(pod))) not in self.order:
                    self.order.append(one)
            if len({_version(pod) for pod in pods if pod["status"]["phase"] == "Running"}) == 2:
                self.together.add(component)


def watch(upgrade: Future[str], seen: Sightings, *, to_its_end: bool = False) -> None:
    """Until two versions of the worker run, or until the upgrade is through."""
    while not upgrade.done():
        seen.look()
        if "worker" in seen.together and not to_its_end:
            return
        time.sleep(0.1)
    upgrade.result()
    assert to_its_end, "it was through before two versions of the worker were seen"


def _version(pod: dict[str, object]) -> str:
    spec = pod["spec"]
    assert isinstance(spec, dict)
    return str(spec["containers"][0]["image"]).rpartition(":")[2]

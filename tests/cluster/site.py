"""A node's place on this machine: network, mount and process namespaces that go as one.

The node has interfaces, routes and iptables chains of its own, and mounts that nobody else sees. A
veth pair joins it to the machine. When its first process ends, the kernel ends all others of the
namespace and drops their mounts, chains and interfaces: so nothing has to be undone by hand.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.cluster.leftovers import Claim
from tests.cluster.programs import PATH, Component, find_program

HOST = "10.212.255.1"  # the machine's end of the pair: apiserver and registry listen here
NODE = "10.212.255.2"
PODS = "10.212.0.0/17"
LINK = "pw-cluster0"


class Site:
    """Root only. `start()` makes it, `stop()` ends every process in it by its first one's pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.claim = Claim(folder)
        self._holder: Component | None = None
        self._pid = 0

    def start(self) -> None:
        """RuntimeError where another node runs on this machine."""
        self.claim.take()
        pause = find_program("pause")
        argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        script = 'mount --make-rshared / && exec "$0"'
        self._holder = Component("site", [*argv, "sh", "-c", script, str(pause)], self.folder)
        self._holder.start()
        self._holder.wait_until(self._found_child, "the node's namespaces were there", 10)
        self._join()

    def _found_child(self) -> bool:
        holder = self._holder
        assert holder is not None
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        with suppress(OSError):
            if not (found := children.read_text().split()):
                return False
            self._pid = int(found[0])
            return Path(f"/proc/{self._pid}/comm").read_text().strip() == "pause"
        return False

    def _join(self) -> None:
        peer = f"{LINK}p"
        _ip("link", "add", LINK, "type", "veth", "peer", "name", peer)
        _ip("link", "set", peer, "netns", str(self._pid), "name", "eth0")
        _ip("address", "add", f"{HOST}/30", "dev", LINK)
        _ip("link", "set", LINK, "up")
        _ip("route", "add", PODS, "via", NODE)
        for line in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{NODE}/30", "dev", "eth0"],
            ["ip", "link", "set", "eth0", "up"],
            ["ip", "route", "add", "default", "via", HOST],
            ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"],
        ):
            subprocess.run(self.inside(line), check=True, env={"PATH": PATH}, timeout=10)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """`argv` as it has to be called to run within the node."""
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--net", "--pid", "--wd=/", "--"]
        return [*enter, *argv]

    def component(
        self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Component:
        """A program of the node, not started yet."""
        return Component(name, self.inside(argv), self.folder, env)

    def stop(self) -> None:
        """End all processes within; the link goes with them. A second call does nothing."""
        if self._holder is not None:
            with suppress(ProcessLookupError):
                if self._pid:
                    os.kill(self._pid, signal.SIGKILL)
            self._holder.stop()
            self._holder = None
        self.claim.release()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, env={"PATH": PATH}, timeout=10)

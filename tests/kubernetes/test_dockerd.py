"""The script that starts dockerd, run by real shells on a tree like /proc, /sys and /etc."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bot.executors.kubernetes.dockerd import SCRIPT, flags, hosts_toml
from tests.needs import need

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
DEFAULT = "eth7\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
LOCAL = "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
OURS = "/kubepods/pod1/c1"


class Tree:
    """Files below `root`; `start` runs the script in a process that is in the cgroup `inside`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.write("proc/mounts", "overlay / overlay rw 0 0\n/dev/sda1 /var/lib/docker ext4 rw\n")
        self.write("proc/net/route", ROUTE + LOCAL + DEFAULT)
        self.write("sys/class/net/eth7/mtu", "1410\n")
        self.write("bin/dockerd", '#!/bin/sh\nprintf "%s\\n" "$@" "driver=${DOCKER_DRIVER-none}"\n')
        self.write("bin/iptables-restore", f'#!/bin/sh\ncat > "{root}/rules"\n')
        for name in ("dockerd", "iptables-restore"):
            (self.bin / name).chmod(0o755)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def version2(self, told: str, place: str) -> Path:
        self.write("proc/self/cgroup", f"0::{told}\n")
        self.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
        own = self.root / f"sys/fs/cgroup{place}"
        self.write(f"sys/fs/cgroup{place}/cgroup.controllers", "cpu memory\n")
        self.write(f"sys/fs/cgroup{place}/cgroup.type", "domain\n")
        return own

    def version1(self, told: str, place: str) -> Path:
        self.write("proc/self/cgroup", f"9:cpu,cpuacct:/x\n4:memory:{told}\n0::/\n")
        own = self.root / f"sys/fs/cgroup/memory{place}"
        own.mkdir(parents=True)
        return own

    def start(self, shell: list[str], inside: Path) -> subprocess.CompletedProcess[str]:
        procs = inside / "cgroup.procs"
        enter = f'echo $$ > "{procs}"; exec "$@"'
        return subprocess.run(
            ["/bin/sh", "-c", enter, "sh", *shell, "-c", SCRIPT, "sh", str(self.root), "--x=1"],
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "PUSHWRIGHT_BUILD_MEMORY": "2147483648",
                "DOCKER_DRIVER": "overlay2",
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    path = need(request.param, f"apt-get install {request.param}")
    return [path, "sh"] if request.param == "busybox" else [path]


def words(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [word for word in done.stdout.splitlines() if word not in ("--", "dockerd")]


@pytest.mark.parametrize("place", [OURS, ""])
def test_version_2_keeps_steps_in_the_containers_cgroup(
    tree: Tree, shell: list[str], place: str
) -> None:
    """The node's tree (`place` is ours), and a cgroup namespace, where ours is the root."""
    own = tree.version2(place or "/", place)
    found = words(tree.start(shell, own))
    assert found == [
        "--x=1",
        "--iptables=false",
        "--ip6tables=false",
        "--host=unix:///run/dind/docker.sock",
        "--group=2375",
        "--mtu=1410",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        f"--cgroup-parent={place}/dind",
        "driver=none",
    ]
    assert (own / "dind/memory.max").read_text() == "2147483648\n"
    assert (own / "init/cgroup.procs").read_text() == (own / "cgroup.procs").read_text()
    assert (own / "cgroup.subtree_control").read_text() == "+memory\n"  # the last that was written


def test_the_rules_of_the_firewall_are_made_in_one_call(tree: Tree, shell: list[str]) -> None:
    words(tree.start(shell, tree.version2(OURS, OURS)))
    rules = (tree.root / "rules").read_text().splitlines()
    assert [rule for rule in rules if rule.startswith((":", "-"))] == [
        ":FORWARD DROP [0:0]",
        "-A FORWARD -i docker0 -j ACCEPT",
        "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A POSTROUTING ! -o docker0 -m addrtype ! --src-type LOCAL -j MASQUERADE",
    ]
    assert rules.count("COMMIT") == 2


def test_dockerd_makes_its_rules_where_ours_fail(tree: Tree, shell: list[str]) -> None:
    tree.write("bin/iptables-restore", "#!/bin/sh\nexit 1\n")
    found = words(tree.start(shell, tree.version2(OURS, OURS)))
    assert [word for word in found if "tables" in word] == []


def test_dockerd_makes_its_rules_where_a_configuration_is_mounted(
    tree: Tree, shell: list[str]
) -> None:
    tree.write("etc/docker/daemon.json", '{"ipv6": true}')
    found = words(tree.start(shell, tree.version2(OURS, OURS)))
    assert [word for word in found if "tables" in word] == []
    assert not (tree.root / "rules").exists()


def test_the_root_cgroup_of_a_node_is_left_alone(tree: Tree, shell: list[str]) -> None:
    own = tree.version2("/", "")
    (own / "cgroup.type").unlink()
    assert "--cgroup-parent=/dind" in words(tree.start(shell, own))
    assert not (own / "init").exists()


@pytest.mark.parametrize("place", [OURS, ""])
def test_version_1_keeps_steps_in_the_containers_cgroup(
    tree: Tree, shell: list[str], place: str
) -> None:
    """The node's tree, and its part that runc mounts: there the path that /proc tells is absent."""
    own = tree.version1(OURS, place)
    assert f"--cgroup-parent={place}/dind" in words(tree.start(shell, own))
    assert (own / "dind/memory.limit_in_bytes").read_text() == "2147483648\n"


def test_no_dockerd_without_a_cgroup_of_its_own(tree: Tree, shell: list[str]) -> None:
    tree.version2(OURS, "/elsewhere")
    done = tree.start(shell, tree.root)
    assert (done.returncode, done.stdout) == (78, "")
    assert "cgroup of this container" in done.stderr


def test_a_cgroup_of_others_is_not_taken_for_ours(tree: Tree, shell: list[str]) -> None:
    """A path that /proc tells may exist in another tree, with other processes in it."""
    own = tree.version2(OURS, OURS)
    (own / "cgroup.procs").write_text("1\n0\n")
    elsewhere = tree.write("elsewhere/x", "").parent
    done = tree.start(shell, elsewhere)
    assert (done.returncode, done.stdout) == (78, "")
    assert not (own / "dind").exists()


@pytest.mark.parametrize("kind", ["", "overlay"])
def test_no_overlay_on_overlay(tree: Tree, shell: list[str], kind: str) -> None:
    own = tree.version2(OURS, OURS)
    volume = f"x /var/lib/docker {kind} rw 0 0\n" if kind else ""
    tree.write("proc/mounts", "overlay / overlay rw 0 0\n" + volume)
    done = tree.start(shell, own)
    assert (done.returncode, done.stdout) == (78, "")
    assert "mount an emptyDir" in done.stderr


def test_the_mtu_where_there_is_only_ipv6(tree: Tree, shell: list[str]) -> None:
    own = tree.version2(OURS, OURS)
    tree.write("proc/net/route", ROUTE)
    zero = "0" * 32
    rest = f"00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003"
    tree.write("proc/net/ipv6_route", f"{zero} {rest}     eth7\n{zero} {rest}       lo\n")
    assert "--mtu=1410" in words(tree.start(shell, own))


def test_no_route_means_the_mtu_that_docker_takes(tree: Tree, shell: list[str]) -> None:
    own = tree.version2(OURS, OURS)
    tree.write("proc/net/route", ROUTE)
    assert "--mtu=1500" in words(tree.start(shell, own))


def test_registries_are_told_to_both_that_read_them() -> None:
    mirrors = {"docker.io": ("https://m.test", "http://n:80"), "ghcr.io": ("https://g.test",)}
    assert flags(mirrors, ("r:5000",)) == [
        "--registry-mirror=https://m.test",
        "--registry-mirror=http://n:80",
        "--insecure-registry=r:5000",
        "--insecure-registry=http://r:5000",
        "--insecure-registry=n:80",
        "--insecure-registry=http://n:80",
    ]
    insecure = hosts_toml("reg.test:5000", ["http://m.test"], insecure=True)
    assert insecure.startswith('server = "http://reg.test:5000"\n')
    text = hosts_toml("ghcr.io", mirrors["ghcr.io"])
    assert text.startswith('server = "https://ghcr.io"\n')
    assert '[host."https://g.test"]' in text

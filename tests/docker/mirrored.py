"""A daemon and a mirror in namespaces of their own, where nothing else can be reached.

    unshare --net --mount python -m tests.docker.mirrored PROGRAM CLIENT FOLDER

The daemon gets the flags and files that a build pod's gets. Prints a JSON object: for each image,
whether a build from it and the daemon's own pull of it went well, or what they said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bot.executors.kubernetes.dockerd import flags, hosts_toml
from tests.fakes.base_image import push_base
from tests.fakes.docker_process import DockerDaemon, built_dockerd, debian_dockerd
from tests.fakes.registry_process import RegistryProcess

ADDRESS = "10.77.0.1"
"""Not a loopback address: those are insecure for every dockerd."""
HUB = "pushwright-base:1"
OTHER = "ghcr.test/acme/base:1"


def main(program: str, client: str, folder: Path) -> None:
    _isolate()
    daemon_program = built_dockerd() if program == "docker29" else debian_dockerd()
    assert daemon_program is not None
    with RegistryProcess(folder / "mirror", address=ADDRESS) as mirror:
        push_base(mirror.url, "library/pushwright-base", "1")
        push_base(mirror.url, "acme/base", "1")
        mirrors = {"docker.io": (mirror.url,), "ghcr.test": (mirror.url,)}
        for host, addresses in mirrors.items():
            file = Path("/etc/docker/certs.d", host, "hosts.toml")
            file.parent.mkdir(parents=True)
            file.write_text(hosts_toml(host, addresses))
        data = folder / "docker"
        data.mkdir()
        with DockerDaemon(daemon_program, data, flags=flags(mirrors, ())) as daemon:
            found = {image: _try(daemon, client, image, folder) for image in (HUB, OTHER)}
    print(json.dumps(found))


def _isolate() -> None:
    """Loopback with one more address, and /etc/docker empty: in these namespaces alone."""
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"),
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "tmpfs", "tmpfs", "/etc/docker"),
    ):
        subprocess.run(command, check=True)


def _try(daemon: DockerDaemon, client: str, image: str, folder: Path) -> dict[str, str]:
    context = folder / image.replace("/", "-").replace(":", "-")
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {image}\nRUN true\n")
    output = ["--output=type=cacheonly"] if "buildx" in client else []
    build = [client, "build", "--network=none", *output, str(context)]
    pull = ["docker", "pull", image]
    return {"build": _run(build, daemon, folder), "pull": _run(pull, daemon, folder)}


def _run(argv: list[str], daemon: DockerDaemon, folder: Path) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    env |= {"DOCKER_HOST": daemon.host, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    return "ok" if done.returncode == 0 else done.stderr[-500:]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

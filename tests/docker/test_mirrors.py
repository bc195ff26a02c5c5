"""With a build pod's flags mirrors reach dockerd and its BuildKit, those by plain HTTP too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.docker.mirrored import HUB, OTHER
from tests.docker.site import DEBIAN_DOCKER, DOCKER29, Site, on
from tests.fakes.docker_process import ROOT
from tests.needs import lacking, need


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_mirror_by_plain_http_serves_builds_and_pulls(site: Site, tmp_path: Path) -> None:
    """Nothing but the mirror can be reached there, so what works came from it."""
    need("unshare", "apt-get install util-linux")
    need("ip", "apt-get install iproute2")
    for path in ("/usr/bin/docker", "/etc/docker"):
        if not Path(path).exists():
            lacking(path, "make deps")
    program = "docker29" if site.name == DOCKER29 else "debian"
    argv = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.docker.mirrored"]
    done = subprocess.run(
        [*argv, program, str(site.client), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found[HUB] == {"build": "ok", "pull": "ok"}
    if site.name == DOCKER29:
        assert found[OTHER] == {"build": "ok", "pull": "ok"}
    else:  # dockerd 20.10 knows mirrors of Docker Hub only
        assert "ghcr.test" in found[OTHER]["build"]
        assert "ghcr.test" in found[OTHER]["pull"]

"""`make cluster`: a node and a kubeconfig until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.cluster.node import HOST, Cluster


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__).parse_args()
    # A shell that is not interactive starts what ends in & with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="pw-cluster-", dir="/tmp"))
    try:
        with suppress(KeyboardInterrupt), Cluster(folder) as cluster:
            image = cluster.load_busybox()
            print(f"node Ready after {time.monotonic() - began:.1f} s; logs in {folder}")
            print(f"export KUBECONFIG={cluster.plane.kubeconfig}")
            print(f"kubectl run hello --image={image} --restart=Never -- echo hello")
            print(f"pods reach this machine as {HOST}; Ctrl-C ends it", flush=True)
            signal.pause()
    except RuntimeError as error:
        raise SystemExit(f"{error}\nall logs: {folder}") from error


if __name__ == "__main__":
    main()

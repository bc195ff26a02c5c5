"""A whole cluster of one node: the control plane, its controllers, containerd and kubelet.

Usable outside pytest, by root::

    with Cluster(Path("cluster")) as cluster:
        print(cluster.plane.kubeconfig)    # kubectl --kubeconfig=… get nodes
        cluster.load_busybox()             # the image `localhost/busybox:1`

Unless told otherwise pods see an MTU of 1450 and reach the apiserver by its service address.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.api import Api, ApiError, Json
from tests.cluster.archives import pause_image
from tests.cluster.control_plane import SERVICES, ControlPlane
from tests.cluster.images import BUSYBOX, busybox_archive
from tests.cluster.programs import PATH, Component, find_program
from tests.cluster.site import HOST, NODE, PODS, Site

PAUSE = "localhost/pause:1"
NAME = "node1"
BIG = ("containerd", "containerd-state", "kubelet", "plane/etcd")
"""What of the folder is no log."""


class Cluster:
    """One node, Ready when the `with` block is entered; leaving it ends and removes everything."""

    def __init__(
        self, folder: Path, *, mtu: int = 1450, audit: bool = False, keep: bool = False
    ) -> None:
        self.folder = folder.resolve()
        self.keep = keep
        self.mtu = mtu
        self.plane = ControlPlane(self.folder / "plane", address=HOST, audit=audit, keep=True)
        self.site = Site(self.folder)
        self._components: dict[str, Component] = {}

    @property
    def api(self) -> Api:
        """The administrator's view of the apiserver."""
        return self.plane.api

    def component(self, name: str) -> Component:
        """A program of the node or a controller by name; those of the plane are `plane`'s."""
        return self._components[name]

    def start(self) -> Self:
        """Start all parts and wait until the node is Ready; else RuntimeError with a log's end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.site.start()
            self.plane.start()
            self._start_controllers()
            self._start_containerd()
            self._start_kubelet()
            self._start_proxy()
            self._components["kubelet"].wait_until(self.node_ready, "the node was Ready")
        except BaseException:
            self.stop()
            raise
        return self

    def _start_controllers(self) -> None:
        plane, authority = self.plane, self.plane.authority
        for name in ("kube-controller-manager", "kube-scheduler"):
            user = f"system:{name}"
            config = plane.write_kubeconfig(self.folder / name, authority.issue(name, user))
            argv = [str(find_program(name)), f"--kubeconfig={config}", "--leader-elect=false"]
            argv += ["--bind-address=127.0.0.1", "--secure-port=0"]
            if name == "kube-controller-manager":
                argv += ["--use-service-account-credentials", "--allocate-node-cidrs=false"]
                argv += [f"--service-account-private-key-file={plane.signing_key}"]
                argv += [f"--root-ca-file={authority.certificate}"]
            self._run(Component(name, argv, self.folder))

    def _run(self, component: Component) -> Component:
        self._components[component.name] = component
        component.start()
        return component

    def _start_containerd(self) -> None:
        cni = self.folder / "cni"
        cni.mkdir(exist_ok=True)
        (cni / "10-pushwright.conflist").write_text(json.dumps(self._network()))
        config = self.folder / "containerd.toml"
        config.write_text(self._containerd(cni))
        program = find_program("containerd")
        running = self._run(self.site.component("containerd", [str(program), f"--config={config}"]))
        running.wait_until(lambda: self._ctr("version").returncode == 0, "it answered", 20)
        self.load(pause_image(self.folder / "pause.tar", PAUSE))

    def _network(self) -> Json:
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "mtu": self.mtu,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": str(self.folder / "cni-addresses"),
            },
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": "pushwright", "plugins": [bridge, portmap]}

    def _containerd(self, cni: Path) -> str:
        return f"""version = 2
root = "{self.folder}/containerd"
state = "{self.folder}/containerd-state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true  # root without CAP_SYS_RESOURCE can't go below its own score
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{find_program("runc")}"
        SystemdCgroup = false
"""

    @property
    def socket(self) -> Path:
        """containerd's; it lies in a short place, since a socket's path has 107 bytes."""
        return self.folder / "c.sock"

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        argv = self.site.inside(["ctr", f"--address={self.socket}", "-n", "k8s.io", *arguments])
        return subprocess.run(
            argv, capture_output=True, check=False, env={"PATH": PATH}, timeout=300
        )

    def load(self, archive: Path) -> None:
        """Import an image archive (OCI layout or `docker save`) for the node's pods."""
        done = self._ctr("images", "import", str(archive))
        if done.returncode != 0:
            raise RuntimeError(f"image import: {done.stderr.decode(errors='replace')[-800:]}")

    def tag(self, name: str, other: str) -> None:
        """Another name for an image that was loaded."""
        done = self._ctr("images", "tag", "--force", name, other)
        if done.returncode != 0:
            raise RuntimeError(f"image tag: {done.stderr.decode(errors='replace')[-800:]}")

    def load_busybox(self) -> str:
        """Import static busybox with a link per applet; its name."""
        self.load(busybox_archive())
        return BUSYBOX

    def _start_kubelet(self) -> None:
        authority = self.plane.authority
        user = f"system:node:{NAME}"
        pair = authority.issue("kubelet", user, ["system:nodes"], hosts=[NODE, NAME])
        kubeconfig = self.plane.write_kubeconfig(self.folder / "kubelet.kubeconfig", pair)
        config = self.folder / "kubelet.json"
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pair.certificate),
            "tlsPrivateKeyFile": str(pair.key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.site.claim.cgroup}",
            "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "healthzPort": 0,
            "resolvConf": "",
            "containerLogMonitorInterval": "3s",  # how often it looks for logs over 10 MiB
            "podLogsDir": str(self.folder / "pod-logs"),
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
        }
        config.write_text(json.dumps(settings))
        argv = [str(find_program("kubelet")), f"--config={config}", f"--kubeconfig={kubeconfig}"]
        argv += [f"--hostname-override={NAME}", f"--node-ip={NODE}"]
        argv += [f"--root-dir={self.folder / 'kubelet'}"]
        self._run(self.site.component("kubelet", argv))

    def _start_proxy(self) -> None:
        pair = self.plane.authority.issue("kube-proxy", "system:kube-proxy")
        config = self.plane.write_kubeconfig(self.folder / "kube-proxy.kubeconfig", pair)
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(config)},
            "mode": "iptables",
            "clusterCIDR": PODS,
            "hostnameOverride": NAME,
            # The machine's own table size is not ours to set.
            "conntrack": {"maxPerCore": 0, "min": 0},
        }
        path = self.folder / "kube-proxy.json"
        path.write_text(json.dumps(settings))
        argv = [str(find_program("kube-proxy")), f"--config={path}"]
        self._run(self.site.component("kube-proxy", argv))

    def node_ready(self) -> bool:
        """Whether the node says Ready and takes pods."""
        try:
            node = self.api.get(f"/api/v1/nodes/{NAME}")
        except ApiError:
            return False
        conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not node["spec"].get("taints")

    def stop(self) -> None:
        """End everything, kubelet first; logs stay. A second call does nothing."""
        for name in ("kubelet", "kube-proxy"):
            if name in self._components:
                self._components[name].stop()
        self.site.stop()
        for component in reversed(self._components.values()):
            component.stop()
        self.plane.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for name in BIG:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        if not self.keep and (error is None or kind is KeyboardInterrupt):
            shutil.rmtree(self.folder)


__all__ = ["BUSYBOX", "HOST", "NAME", "NODE", "PODS", "SERVICES", "Cluster"]

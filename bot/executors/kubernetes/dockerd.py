"""How dockerd is started in its container: by our own script, so that any image with dockerd does.

docker's entrypoint would listen on TCP without TLS (root on the node for whoever reaches it) and
sleep 16 seconds for it; nothing of it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

SOCKET = "/run/dind/docker.sock"
SOCKET_GROUP = 2375
DATA = "/var/lib/docker"
STEP_LOG = "1073741824"
"""Bytes, and bytes a second, of a step's output before BuildKit clips it. A number, not -1: dockerd
20.10 clips with -1 too."""

# Words only of a POSIX shell, plus mkdir: images with busybox and images with Debian both run it.
# $1 is put in front of /proc, /sys and /etc: empty in a pod, a directory tree in tests. What
# follows are dockerd's further flags.
SCRIPT = r"""set -u
root=$1; shift

# The data folder must be a volume: on the container's own overlay dockerd 20.10 silently copies
# whole layers (vfs) and dockerd 29 fails at the first step.
kind=
while read -r _ where what _; do
  [ "$where" != /var/lib/docker ] || kind=$what
done < "$root/proc/mounts"
case $kind in
'' | overlay | aufs)
  echo "pushwright: /var/lib/docker is ${kind:-no volume}: mount an emptyDir or a disk there" >&2
  exit 78 ;;
esac

# The MTU of the pod's default route: docker0 takes 1500, and where the pod network has less, large
# packets of RUN steps vanish and downloads hang. Read from /proc, since not every image has ip.
device=
while read -r name target _ _ _ _ _ mask _; do
  [ "$target$mask" != 0000000000000000 ] || [ -n "$device" ] || device=$name
done < "$root/proc/net/route"
if [ -z "$device" ] && [ -r "$root/proc/net/ipv6_route" ]; then
  while read -r target size _ _ _ _ _ _ _ name; do
    [ "$target$size" != 0000000000000000000000000000000000 ] || [ "$name" = lo ] || device=$name
  done < "$root/proc/net/ipv6_route"
fi
mtu=1500
[ ! -r "$root/sys/class/net/${device:-eth0}/mtu" ] ||
  read -r mtu < "$root/sys/class/net/${device:-eth0}/mtu"

# Whether this very process is in the cgroup of that folder: then the folder is the container's.
holds_us() {
  [ -r "$1/cgroup.procs" ] || return 1
  while read -r pid; do
    [ "$pid" != "$$" ] || return 0
  done < "$1/cgroup.procs"
  return 1
}

# The container's own cgroup: a privileged container sees the node's whole tree (version 2) or its
# own part of it (version 1). dockerd's default parent would be outside of the pod and its limits.
path=/
top=$root/sys/fs/cgroup
[ -f "$top/cgroup.controllers" ] || top=$root/sys/fs/cgroup/memory
while IFS=: read -r number names found; do
  case $number:,$names, in
  0:,,) [ "$top" = "$root/sys/fs/cgroup/memory" ] || path=$found ;;
  *,memory,*) path=$found ;;
  esac
done < "$root/proc/self/cgroup"
parent=
if holds_us "$top${path%/}"; then parent=${path%/}/dind
elif holds_us "$top"; then parent=/dind
fi

# A build that can leave its limits endangers the node: no own cgroup, no dockerd.
if [ -z "$parent" ]; then
  echo "pushwright: the cgroup of this container is not below /sys/fs/cgroup ($path)" >&2
  exit 78
fi
own=$top${parent%/dind}

# Version 2 allows processes only in leaves: ours move into one, then controllers go on downwards.
# The node's own root cgroup has no cgroup.type; its processes are not ours to move.
if [ -f "$top/cgroup.controllers" ] && [ -f "$own/cgroup.type" ]; then
  mkdir -p "$own/init"
  while read -r pid; do
    [ "$pid" = 0 ] || echo "$pid" > "$own/init/cgroup.procs" || :
  done < "$own/cgroup.procs"
  read -r controllers < "$own/cgroup.controllers"
  for controller in $controllers; do
    echo "+$controller" > "$own/cgroup.subtree_control" ||
      echo "pushwright: cgroup controller $controller is not delegated" >&2
  done
fi

# What steps may use is less than the container's limit, so that the kernel ends the step that takes
# too much and not dockerd with it.
mkdir -p "$own/dind"
limit=$own/dind/memory.max
[ -f "$top/cgroup.controllers" ] || limit=$own/dind/memory.limit_in_bytes
echo "$PUSHWRIGHT_BUILD_MEMORY" > "$limit" ||
  echo "pushwright: build steps have no memory limit of their own ($limit)" >&2

# docker's images bring both kinds of iptables; where the node uses the old one, so do we.
if [ -s "$root/proc/net/ip_tables_names" ] && [ -d /usr/local/sbin/.iptables-legacy ]; then
  PATH=/usr/local/sbin/.iptables-legacy:$PATH
fi

# What steps need of the pod's firewall, in one call: they leave under the pod's address, and only
# answers come in. dockerd would make it by some 160 calls of iptables, half of its start. Where
# ours fails, or a configuration is mounted that may want more (IPv6), dockerd does it itself.
if [ ! -e "$root/etc/docker/daemon.json" ] && iptables-restore --noflush << 'RULES'
*filter
:FORWARD DROP [0:0]
-A FORWARD -i docker0 -j ACCEPT
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
-A POSTROUTING ! -o docker0 -m addrtype ! --src-type LOCAL -j MASQUERADE
COMMIT
RULES
then set -- "$@" --iptables=false --ip6tables=false
fi

# A storage driver from outside turns off the lazy way, in which a full hit pulls no layer.
unset DOCKER_DRIVER DOCKER_TLS_CERTDIR

# tini reaps what builds leave behind, where the image has it.
if command -v docker-init > /dev/null; then set -- docker-init -- dockerd "$@"
else set -- dockerd "$@"
fi

# No TCP, ever. The socket lies in an emptyDir that only the two containers of this pod mount.
exec "$@" --host=unix:///run/dind/docker.sock --group=2375 --mtu="$mtu" \
  --exec-opt=native.cgroupdriver=cgroupfs --cgroup-parent="$parent"
"""


def command(flags: Sequence[str]) -> list[str]:
    return [literal(word) for word in ("sh", "-c", SCRIPT, "sh", "", *flags)]


def flags(mirrors: Mapping[str, Sequence[str]], insecure: Sequence[str]) -> list[str]:
    """dockerd's and, inside of it, BuildKit's registries. 20.10 pushes to `host:port` and builds
    from `http://host:port`, so each insecure host is given in both forms; its BuildKit asks a
    mirror by https, whatever its address says, unless it is one of them."""
    found = [f"--registry-mirror={address}" for address in mirrors.get("docker.io", ())]
    addresses = [urlsplit(one) for all_of_one in mirrors.values() for one in all_of_one]
    plain = [address.netloc for address in addresses if address.scheme == "http"]
    for host in dict.fromkeys([*insecure, *plain]):
        found += [f"--insecure-registry={host}", f"--insecure-registry=http://{host}"]
    return found


def hosts_toml(host: str, mirrors: Sequence[str], *, insecure: bool = False) -> str:
    """The file in which the containerd store looks for mirrors of registries besides Docker Hub.
    `insecure`: the registry itself, which is asked where no mirror has it, speaks plain HTTP.
    https://github.com/containerd/containerd/blob/main/docs/hosts.md"""
    server = f"{'http' if insecure else 'https'}://{host}"
    if host == "docker.io":
        server = "https://registry-1.docker.io"
    lines = [f"server = {json.dumps(server)}", ""]
    for address in mirrors:
        lines += [f"[host.{json.dumps(address)}]", '  capabilities = ["pull", "resolve"]', ""]
    return "\n".join(lines)


def literal(text: str) -> str:
    """A text that the kubelet hands on as it is: it would expand `$(NAME)` in commands, arguments
    and variables, and makes `$$` a single `$`.
    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/"""
    return text.replace("$", "$$")

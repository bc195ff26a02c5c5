#!/bin/sh
# Installs from Debian what a node needs beside the programs of build.sh. Services are kept from starting: this
# is for programs, not for daemons. Does nothing where all of them are there; never removes a package.
set -eu
want=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "$2" ] || want="$want $3"; }
need etcd /usr/bin/etcd etcd-server
need containerd /usr/bin/containerd containerd
need runc /usr/sbin/runc runc
need iptables /usr/sbin/iptables iptables
need ip /sbin/ip iproute2
need mmdebstrap /usr/bin/mmdebstrap mmdebstrap
need conntrack /usr/sbin/conntrack conntrack
[ -x /usr/lib/cni/bridge ] || want="$want containernetworking-plugins" # iproute2 has a `bridge` too
need docker-registry /usr/bin/docker-registry docker-registry
[ -x /bin/busybox ] && [ -e /usr/share/doc/busybox-static ] || want="$want busybox-static"
[ -n "$want" ] || { echo "nothing to install"; exit 0; }
command -v apt-get >/dev/null || {
    echo "this machine has no apt-get; install these with its own package manager:$want" >&2
    exit 2
}
[ "$(id -u)" = 0 ] || { echo "installing packages needs root; run: sudo make cluster-tools" >&2; exit 2; }

policy=/usr/sbin/policy-rc.d
saved=""
if [ -e "$policy" ]; then saved=$(mktemp) && cp -p "$policy" "$saved"; fi
restore() { if [ -n "$saved" ]; then cp -p "$saved" "$policy" && rm -f "$saved"; else rm -f "$policy"; fi; }
trap restore EXIT
trap 'exit 130' INT TERM HUP
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of packages
install() { apt-get install -y -qq --no-remove --no-install-recommends $want >/dev/null; }
install || { apt-get update -qq && install; }
echo "installed:$want"

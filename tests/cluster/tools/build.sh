#!/bin/sh
# Builds the programs of a Kubernetes node, kubectl, helm, kubeconform and a pause container once, from Go
# modules pinned by go.mod and go.sum. The result lies in a cache folder whose name is the hash of everything
# that decides it, so a second run does nothing and a changed pin builds anew. Prints the folder. `--where`
# prints it without building. Runs at the lowest priority and two compilers at a time: it takes minutes, and
# whoever else works on the machine should not notice.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${PUSHWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pushwright}
sources="build.sh helm/go.mod helm/go.sum kubeconform/go.mod kubeconform/go.sum"
sources="$sources kubernetes/go.mod kubernetes/go.sum pause/go.mod pause/main.go"
# shellcheck disable=SC2086  # a list of files without blanks
key=$(cd "$here" && cat $sources | sha256sum | cut -c1-16)
bin=$cache/cluster/$key/bin
[ "${1:-}" = --where ] && { echo "$bin"; exit 0; }
# The whole folder is moved into place at the end, so that one program there means all of them.
[ -x "$bin/kube-apiserver" ] && { echo "$bin"; exit 0; }
command -v go >/dev/null || {
    echo "make cluster-tools needs Go 1.24 or newer on PATH (https://go.dev/dl/): it builds Kubernetes from source" >&2
    exit 2
}
mkdir -p "$cache/cluster/$key"
exec 9>"$cache/cluster/$key/lock" # two at once would compile everything twice
flock 9
[ -x "$bin/kube-apiserver" ] && { echo "$bin"; exit 0; }
new=$cache/cluster/$key/new.$$
trap 'rm -rf "$new"' EXIT INT TERM HUP
mkdir -p "$new"

pinned() { # pinned MODULE-FOLDER MODULE
    awk -v module="$2" '$1 == module && $2 != "=>" { print $2; exit }' "$here/$1/go.mod" | grep . || {
        echo "tests/cluster/tools/$1/go.mod does not pin $2" >&2
        exit 2
    }
}
kubernetes=$(pinned kubernetes k8s.io/kubernetes)
helm=$(pinned helm helm.sh/helm/v3)
kubeconform=$(pinned kubeconform github.com/yannh/kubeconform)

build() { # build MODULE-FOLDER OUTPUT PACKAGE LINKER-FLAGS
    echo "building $2" >&2
    (cd "$here/$1" && CGO_ENABLED=0 GOFLAGS="-p=2 -buildvcs=false" nice -n 19 go build -mod=readonly -trimpath \
        -ldflags "-s -w ${4:-}" -o "$new/$2" "$3")
}
build pause pause .
build kubeconform kubeconform github.com/yannh/kubeconform/cmd/kubeconform "-X main.version=$kubeconform"
build helm helm helm.sh/helm/v3/cmd/helm "-X helm.sh/helm/v3/internal/version.version=$helm"
# Without these a node reports v0.0.0-master, and charts that compare versions refuse it.
minor=${kubernetes#v1.}
minor=${minor%%.*}
flags=""
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags="$flags -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=$minor"
    flags="$flags -X $package.gitTreeState=clean"
done
for program in kube-apiserver kubectl kube-controller-manager kube-scheduler kubelet kube-proxy; do
    build kubernetes $program k8s.io/kubernetes/cmd/$program "$flags"
done
rm -rf "$bin"
mv "$new" "$bin"
echo "$bin"

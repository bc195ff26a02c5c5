#!/bin/sh
# Builds dockerd 29, containerd 2, docker-proxy and buildx once, from Go modules pinned by go.mod and go.sum.
# The result lies in a cache folder whose name is the hash of everything that decides it, so a second run
# does nothing and a changed pin builds anew. Prints the folder. `--where` prints it without building.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${PUSHWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pushwright}
key=$(cd "$here" && cat build.sh docker29/go.mod docker29/go.sum buildx/go.mod buildx/go.sum | sha256sum | cut -c1-16)
bin=$cache/tools/$key/bin
[ "${1:-}" = --where ] && { echo "$bin"; exit 0; }
[ -x "$bin/dockerd" ] && [ -x "$bin/docker-buildx" ] && { echo "$bin"; exit 0; }
command -v go >/dev/null || {
    echo "make tools needs Go 1.26 or newer on PATH (https://go.dev/dl/): it builds dockerd 29 and buildx from source" >&2
    exit 2
}
mkdir -p "$cache/tools/$key"
new=$cache/tools/$key/new.$$
trap 'rm -rf "$new"' EXIT INT TERM HUP
mkdir -p "$new"

# moby's module versions are v2.0.0-beta.N while its releases are docker 29.x; clients decide by the latter.
moby=$(sed -n 's/.*github.com\/moby\/moby\/v2 v\([^ ]*\).*/\1/p' "$here/docker29/go.mod")
containerd=$(sed -n 's/.*github.com\/containerd\/containerd\/v2 \(v[^ ]*\).*/\1/p' "$here/docker29/go.mod")
buildx=$(sed -n 's/.*github.com\/docker\/buildx \(v[^ ]*\).*/\1/p' "$here/buildx/go.mod")

build() { # build MODULE-FOLDER OUTPUT PACKAGE VERSION-VARIABLE VERSION
    echo "building $2 ($5)" >&2
    (cd "$here/$1" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath \
        -tags "netgo osusergo static_build exclude_graphdriver_btrfs" \
        -ldflags "-s -w -X $4=$5" -o "$new/$2" "$3")
}
dversion=github.com/moby/moby/v2/dockerversion.Version
build buildx docker-buildx github.com/docker/buildx/cmd/buildx github.com/docker/buildx/version.Version "$buildx"
build docker29 containerd-shim-runc-v2 github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 \
    github.com/containerd/containerd/v2/version.Version "$containerd"
build docker29 containerd github.com/containerd/containerd/v2/cmd/containerd \
    github.com/containerd/containerd/v2/version.Version "$containerd"
build docker29 docker-proxy github.com/moby/moby/v2/cmd/docker-proxy $dversion "29.8.0-moby.$moby"
build docker29 dockerd github.com/moby/moby/v2/cmd/dockerd $dversion "29.8.0-moby.$moby"
rm -rf "$bin"
mv "$new" "$bin"
echo "$bin"

#!/bin/sh
# Builds a Gitea with SQLite once, from Go modules pinned by go.mod and go.sum, and puts beside it what it reads
# when it runs (templates, options) and its API's own document (openapi.json). The result lies in a cache folder
# whose name is the hash of everything that decides it, so a second run does nothing and a changed pin builds
# anew. Prints the folder. `--where` prints it without building. Runs at the lowest priority: it takes minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${PUSHWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pushwright}
key=$(cd "$here" && cat build.sh go.mod go.sum | sha256sum | cut -c1-16)
made=$cache/gitea/$key/made
[ "${1:-}" = --where ] && { echo "$made"; exit 0; }
# The whole folder is moved into place at the end, so that the program there means all of it.
[ -x "$made/gitea" ] && { echo "$made"; exit 0; }
command -v go >/dev/null || {
    echo "make gitea needs Go 1.26.2 or newer on PATH (https://go.dev/dl/): it builds Gitea from source" >&2
    exit 2
}
command -v "${CC:-gcc}" >/dev/null || {
    echo "make gitea needs a C compiler for SQLite: apt-get install gcc libc6-dev" >&2
    exit 2
}
mkdir -p "$cache/gitea/$key"
exec 9>"$cache/gitea/$key/lock" # two at once would compile everything twice
flock 9
[ -x "$made/gitea" ] && { echo "$made"; exit 0; }
new=$cache/gitea/$key/new.$$
trap 'rm -rf "$new"' EXIT INT TERM HUP
mkdir -p "$new"

cd "$here"
version=$(awk '$1 == "code.gitea.io/gitea" { print $2; exit }' go.mod)
echo "building gitea ($version)" >&2
CGO_ENABLED=1 GOFLAGS="-buildvcs=false -mod=readonly" nice -n 19 go build -trimpath \
    -tags "sqlite sqlite_unlock_notify" \
    -ldflags "-s -w -X main.Version=${version#v} -X main.Tags=sqlite,sqlite_unlock_notify" \
    -o "$new/gitea" code.gitea.io/gitea
module=$(go list -mod=readonly -m -f '{{.Dir}}' code.gitea.io/gitea)
cp -R "$module/templates" "$module/options" "$new/"
chmod -R u+w "$new" # the module cache is read-only, and a folder that is can not be removed
sed -e "s/{{\.SwaggerAppVer}}/${version#v}/" -e 's/{{\.SwaggerAppSubUrl}}//' \
    "$new/templates/swagger/v1_json.tmpl" >"$new/openapi.json"
rm -rf "$made"
mv "$new" "$made"
echo "$made"

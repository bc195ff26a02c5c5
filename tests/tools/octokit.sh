#!/bin/sh
# Fetch GitHub's recorded webhooks (npm package @octokit/webhooks-examples) into a folder and print
# the folder. The archive is taken only if it is the one whose checksum stands here.
#
#   tests/tools/octokit.sh [FOLDER]        default: .cache/octokit at the root of the checkout
set -eu
name=@octokit/webhooks-examples
version=7.6.1
archive=octokit-webhooks-examples-$version.tgz
integrity=De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-$here/../../.cache/octokit}
mkdir -p "$folder"
folder=$(CDPATH='' cd -- "$folder" && pwd)
if [ -f "$folder/$version/package.json" ]; then
    echo "$folder/$version"
    exit 0
fi
command -v npm >/dev/null || { echo "npm is not installed (Debian: apt-get install npm)" >&2; exit 1; }

work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent --ignore-scripts "$name@$version" >/dev/null)
found=$(openssl dgst -sha512 -binary "$work/$archive" | openssl base64 -A)
if [ "$found" != "$integrity" ]; then
    echo "$archive has the checksum sha512-$found, expected sha512-$integrity" >&2
    exit 1
fi
tar -xzf "$work/$archive" -C "$work"
mv "$work/package" "$folder/$version" 2>/dev/null || [ -f "$folder/$version/package.json" ]
echo "$folder/$version"

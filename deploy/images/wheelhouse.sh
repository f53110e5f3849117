#!/bin/sh
# Fills a folder with the wheels of the images: those of the lock file, checked by hash, and our own.
#
#     deploy/images/wheelhouse.sh dist/wheels
set -eu
target=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."

# Environment markers are removed: they are for the image's platform, not this machine's.
fetch() { # lock, folder
    sed 's/ ; [^\\]*\\$/ \\/' "requirements/$1.txt" >"$target/$1.lock"
    python -m pip --disable-pip-version-check download --quiet --require-hashes --no-deps --only-binary :all: \
        --dest "$2" --requirement "$target/$1.lock"
    rm "$target/$1.lock"
}
fetch run "$target"
fetch image "$target/tools"

for folder in $(scripts/distributions.sh ./); do
    python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir "$target" "$folder"
done

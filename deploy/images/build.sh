#!/bin/sh
# Builds all images, or the named ones.
#
#     deploy/images/build.sh [gateway|registry|portal|simulators|PROVIDER …]
#     deploy/images/build.sh --list      prints their names and tags, and builds nothing
#
# REGISTRY   image registry; registry.example.org by default
# VERSION    their tag; the gateway's version by default
# BUILDER    `docker build --network none` by default; podman has the same command, buildah `bud`
# BASE       base image, best by its digest: python:3.11-slim-bookworm@sha256:…
set -eu
cd "$(dirname "$0")/../.."

distribution() { echo "bouquet-$1" | tr _ -; }
providers=$(grep -l '"bouquet.workers"' services/providers/*/pyproject.toml | cut -d/ -f3)
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' services/gateway/pyproject.toml)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
all="gateway registry portal simulators $providers"
image() { echo "${REGISTRY:-registry.example.org}/$(distribution "$1"):$version"; }

if [ "${1:-}" = --list ]; then
    for name in $all; do image "$name"; done
    exit
fi

rm -rf dist/wheels
deploy/images/wheelhouse.sh dist/wheels
for name in ${*:-$all}; do
    distributions=$(distribution "$name")
    if [ "$name" = simulators ]; then
        distributions=bouquet-casebook
        for provider in $providers; do distributions="$distributions $(distribution "$provider")"; done
    fi
    ${BUILDER:-docker build --network none} ${BASE:+--build-arg BASE="$BASE"} \
        --build-arg DISTRIBUTIONS="$distributions" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
        --file deploy/images/Dockerfile --tag "$(image "$name")" dist
done

#!/bin/sh
# Lists the folders that are installable on their own, each after an optional prefix: a new one is found by being there.
cd "$(dirname "$0")/.." || exit
for manifest in proto/pyproject.toml mesh/pyproject.toml services/*/pyproject.toml services/providers/*/pyproject.toml; do
    [ ! -f "$manifest" ] || echo "$1${manifest%/pyproject.toml}"
done

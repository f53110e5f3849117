#!/bin/sh
# Writes requirements/*.txt, the benchmark's and the generators' own: every version and hash, for every platform and
# Python we support, and no index address. Where npm is, the same of what comes from there.
# Versions already locked stay; `scripts/lock.sh --upgrade` takes the newest, `--upgrade-package NAME` one of them.
set -eu
cd "$(dirname "$0")/.."

compile() { # output, options; requirements on stdin
    output=$1.txt
    shift
    uv pip compile - --output-file "$output" --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url "$@"
    sed -i '/^\.\//d' "$output" # our own distributions, which are read for what they need
}

scripts/distributions.sh ./ | compile requirements/run "$@"
compile requirements/build --constraints requirements/run.txt "$@" <requirements/build.in
compile requirements/image "$@" <requirements/image.in
{ scripts/distributions.sh ./ && cat requirements/build.in requirements/dev.in; } |
    compile requirements/dev --constraints requirements/run.txt --constraints requirements/build.txt "$@"
# For teams of providers, which scripts/build_packages.sh adds our own wheels to: what their images and developers need.
printf '%s\n' ./proto ./mesh ./services/providers/kit |
    compile requirements/worker --constraints requirements/run.txt "$@"
{
    printf '%s\n' ./proto ./mesh ./services/gateway './services/providers/kit[dev]' mypy ruff
    cat requirements/build.in
} |
    compile requirements/worker-dev --constraints requirements/dev.txt "$@"
echo uv | compile requirements/uv --constraints requirements/dev.txt "$@"
compile bench/peers/requirements "$@" <bench/peers/requirements.in
compile tests/clients/generators/requirements "$@" <tests/clients/generators/requirements.in
if command -v npm >/dev/null; then
    for folder in tests/clients tests/clients/generators tests/portal tests/portal/lighthouse; do
        npm install --prefix $folder --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
            --no-audit --no-fund --loglevel error
    done
fi

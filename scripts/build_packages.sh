#!/bin/sh
# Fills a folder with what the team of a provider needs to write, test and ship a worker without our sources: wheels of
# proto, mesh, kit and gateway, and the Kubernetes base of all workers. Of the two lists of requirements, run.txt is for
# the worker's image and dev.txt for its developers; both name each package with its hashes, ours included, so that
# `pip install --require-hashes` takes no other package of the same name from an index.
#
#     scripts/build_packages.sh dist/bouquet
set -eu
target=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
# One date in all wheels, so that the same sources give the same hash.
export SOURCE_DATE_EPOCH=1577836800

requirement() { # distribution
    wheel=$(basename "$target/$(echo "$1" | tr - _)"-*.whl)
    version=${wheel#*-}
    printf '%s==%s \\\n' "$1" "${version%%-*}"
    printf '    --hash=sha256:%s\n' "$(sha256sum "$target/$wheel" | cut -d ' ' -f 1)"
}

rm -rf "$target"/bouquet_*.whl "$target/kubernetes"
for folder in proto mesh services/providers/kit services/gateway; do
    uv build --quiet --wheel --no-build-isolation --no-create-gitignore --out-dir "$target" "$folder"
done
{
    cat requirements/worker.txt
    for name in bouquet-proto bouquet-mesh bouquet-worker; do requirement "$name"; done
} >"$target/run.txt"
{
    cat requirements/worker-dev.txt
    for name in bouquet-proto bouquet-mesh bouquet-worker bouquet-gateway; do requirement "$name"; done
} >"$target/dev.txt"
mkdir "$target/kubernetes"
cp -R deploy/k8s/worker "$target/kubernetes/worker"
cat >"$target/README.md" <<'END'
# Packages of Bouquet

For the team that writes the worker of a provider: wheels, requirements with the hash of each package, and the
Kubernetes base of workers. In an empty folder that holds this one as `bouquet`, with Python 3.11 or newer,

    python3 -m venv .venv && . .venv/bin/activate
    pip install --require-hashes --find-links bouquet -r bouquet/dev.txt
    bouquet-worker new acme --into .

writes a worker that passes its own tests, under the name of your provider instead of `acme`. Its `README.md` goes on.
END

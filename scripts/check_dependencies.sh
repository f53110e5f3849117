#!/bin/sh
# Compares what each distribution imports with what its pyproject.toml declares, the template of a provider included.
# All are looked at before it fails.
cd "$(dirname "$0")/.." || exit
status=0
check() { # folder, options of deptry
    folder=$1
    shift
    (cd "$folder" && deptry . "$@") >"$report" 2>&1 || { echo "$folder:" && cat "$report" && status=1; }
}
report=$(mktemp)
trap 'rm -f "$report"' EXIT
for folder in $(scripts/distributions.sh); do
    check "$folder"
done
for folder in services/providers/kit/bouquet_worker/template/*; do
    check "$folder" --optional-dependencies-dev-groups dev # its extra `dev` is for those who work on it
done
exit $status

#!/bin/sh
# Makes a secret of each folder that deploy/make_secrets.py wrote for a process, with its name, and a secret
# `providers-NAME` of each worker's settings that are not empty. Those of redis and PostgreSQL (`cache`, `database`) are
# made only if named, for a namespace that runs these servers itself.
#
#     deploy/k8s/apply_secrets.sh DIR NAMESPACE [cache] [database]
set -eu
apply() { kubectl create secret generic "$@" --dry-run=client --output yaml | kubectl apply --namespace "$namespace" --filename -; }
folder=$1 namespace=$2
shift 2

for owner in broker "$@" gateway registry journal api portal migration admin $(cd "$folder" && ls -d worker-*); do
    apply "$owner" --from-file "$folder/$owner"
done
for file in "$folder"/providers/*.env; do
    [ ! -s "$file" ] || apply "providers-$(basename "$file" .env | tr _ -)" --from-env-file "$file"
done

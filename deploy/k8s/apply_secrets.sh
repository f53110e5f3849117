#!/bin/sh
# Each folder that deploy/make_secrets.py made becomes a secret of its name; the simulators' settings, `providers`.
#
#     deploy/k8s/apply_secrets.sh DIR NAMESPACE
set -eu
apply() { kubectl create secret generic "$@" --dry-run=client --output yaml | kubectl apply --namespace "$namespace" --filename -; }
folder=$1 namespace=$2

for owner in broker database gateway registry $(cd "$folder" && ls -d worker-*); do
    apply "$owner" --from-file "$folder/$owner"
done
[ ! -f "$folder/providers.env" ] || apply providers --from-env-file "$folder/providers.env"

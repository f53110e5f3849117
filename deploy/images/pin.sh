#!/bin/sh
# Pins the images of a Kubernetes overlay: asks the registry of each image in its kustomization.yaml for the digest of
# the tag there, and writes the digest beside it. Run it again after a change of tags.
#
#     deploy/images/pin.sh deploy/k8s/overlays/production
#
# INSPECT    command that prints the digest of `docker://IMAGE:TAG`; skopeo by default
set -eu
file=$1/kustomization.yaml
pinned=$(mktemp)
trap 'rm -f "$pinned"' EXIT
default="skopeo inspect --no-tags --format {{.Digest}}"

while IFS= read -r line; do
    image=$(printf '%s\n' "$line" | sed -n 's/.*newName: *\([^ ,]*\), *newTag: *\([^ ,]*\), *digest: .*/\1:\2/p')
    if [ -n "$image" ]; then
        digest=$(${INSPECT:-$default} "docker://$image" </dev/null)
        printf '%s\n' "$digest" | grep -Eqx 'sha256:[0-9a-f]{64}' || { echo "$image: no digest" >&2; exit 1; }
        line=$(printf '%s\n' "$line" | sed "s/digest: \"sha256:[0-9a-f]*\"/digest: \"$digest\"/")
    fi
    printf '%s\n' "$line"
done <"$file" >"$pinned"
cat "$pinned" >"$file"

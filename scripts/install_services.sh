#!/bin/sh
# Installs the servers that the tests start for themselves, and what builds images. Starts none of them: the tests use
# their own ports and data.
set -eu

rabbitmq4=${XDG_CACHE_HOME:-$HOME/.cache}/bouquet/rabbitmq4 # tests/support/rabbitmq.py looks for it there

missing=
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing="rabbitmq-server "
command -v redis-server >/dev/null || missing="${missing}redis-server "
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing="${missing}postgresql "
command -v prometheus >/dev/null || missing="${missing}prometheus "
command -v chromium >/dev/null || missing="${missing}chromium "
command -v buildah >/dev/null || missing="${missing}buildah "
command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || missing="${missing}debootstrap "
[ -d "$rabbitmq4" ] || wanted=RabbitMQ-4
[ -n "$missing${wanted:-}" ] || exit 0

give_up() {
    echo "Missing here: $missing${wanted:-} ($1). Install by hand; until then their tests are skipped, or fail when CI is set." >&2
    exit 1
}

if [ "$(id -u)" -eq 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else give_up "not root"; fi

install_packages() {
    command -v apt-get >/dev/null || give_up "no apt-get here"
    # Debian starts a server as it installs it, unless this policy forbids it.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '$as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod +x "$policy"
    fi
    echo "Installing $missing" >&2
    $as_root apt-get update -qq || give_up "apt-get update failed"
    # shellcheck disable=SC2086 # two words are two packages
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        give_up "apt-get install failed"
    missing=
}

# What production runs, where the machine's own is older: in a Debian of its own, which the tests enter with unshare.
# 40 s and 400 MB, once; whole or not there, whoever else installs it at the same time.
install_rabbitmq4() {
    echo "Installing $wanted into $rabbitmq4" >&2
    mkdir -p "$(dirname "$rabbitmq4")"
    new=$(mktemp -d "$rabbitmq4.XXXXXX")
    if ! $as_root debootstrap --variant=minbase --include=rabbitmq-server trixie "$new" >"$new.log" 2>&1; then
        $as_root rm -rf --one-file-system "$new"
        give_up "debootstrap failed, see $new.log"
    fi
    $as_root cp /etc/hosts "$new/etc/hosts" # Erlang looks its own machine up
    $as_root rm -rf "$new"/var/cache/apt/archives/*.deb "$new.log"
    $as_root chmod 755 "$new"
    if [ -d "$rabbitmq4" ]; then $as_root rm -rf "$new"; else mv "$new" "$rabbitmq4"; fi
}

[ -z "$missing" ] || install_packages
[ -z "${wanted:-}" ] || install_rabbitmq4

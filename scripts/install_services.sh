#!/bin/sh
# Installs the servers that the tests start for themselves. Starts none of them: the tests use their own ports and data.
set -eu

missing=
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing="rabbitmq-server "
command -v redis-server >/dev/null || missing="${missing}redis-server "
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing="${missing}postgresql"
[ -n "$missing" ] || exit 0

give_up() {
    echo "Missing here: $missing ($1). Install by hand; until then their tests are skipped, or fail when CI is set." >&2
    exit 1
}

command -v apt-get >/dev/null || give_up "no apt-get here"
if [ "$(id -u)" -eq 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else give_up "not root"; fi

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

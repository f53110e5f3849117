"""Makes the secrets of the processes of a deployment: a folder for each process, a file for each secret.

    python deploy/make_secrets.py DIR [--simulators http://simulators:8100] [--compose]

Each process finds its secrets at /run/secrets/bouquet. deploy/compose mounts the process's folder there, and Kubernetes
a secret of the same name (deploy/k8s/apply_secrets.sh). All folders get mode 700 and all files mode 600.

Providers get secrets if their package is installed here, an option names them, or an earlier run made their secrets.

Existing files are kept: to change a secret, delete its file and run the script again. Only files that are made from
other files, such as the broker's definitions and `api/signing-key`, are written again each time.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from bouquet_gateway.offers.providers_file import read_names
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import PROVIDER_NAME

DEFINITIONS = Path(__file__).parent / "rabbitmq" / "definitions.py"
CERTIFICATE = Path(__file__).parent / "tls" / "make_certificate.py"
TRUSTED = "/run/secrets/bouquet/ca.pem"
"""Path, in each container, of the file with the certificate authorities that the process trusts."""
BIN = Path(sys.executable).parent
VHOST = "bouquet"
USER_PREFIX = "bouquet-"
OWN_USERS = ("gateway", "registry", "journal")
"""Names of the RabbitMQ users of Bouquet's own processes, without `USER_PREFIX`."""
CACHE_USER = "gateway"
CACHE_RIGHTS = "~bouquet:* +get +set +psetex +del +incr +pexpire +evalsha +script|load +time"
"""Rights of the gateway's user in redis, in ACL syntax: permitted keys (`~…`), then permitted commands (`+…`)."""
OWNER = "bouquet"
ROLES = {"registry": "bouquet_registry", "journal": "bouquet_journal", "api": "bouquet_api"}
"""Database roles of the processes that work with the registry's tables. `registry` is the registry itself, `journal`
the writer of its journal, and `api` its internal API."""
PORTAL = "bouquet_portal"
"""Name of the portal's database, and of the role that owns this database."""
API_CLIENTS = ("portal",)
"""Names of the clients of the registry's internal API. The script makes a secret for each of them."""
FORMERLY_IN_REGISTRY = ("signing-key", "journal-keys")
"""Secrets that older versions of this script wrote into the folder `registry`. The script moves them to the folder
`admin`."""
# The registry's process does not need them.
SERVERS = ("broker", "cache", "database")
SERVERS_USER, OUR_USER = 999, 10001
"""User ids in containers: `SERVERS_USER` runs RabbitMQ, redis and PostgreSQL, and `OUR_USER` runs Bouquet's
processes."""


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--broker",
        default="broker:5671",
        metavar="HOST:PORT[,HOST:PORT…]",
        help="address of the broker, or of each node of its cluster",
    )
    parser.add_argument("--cache", default="redis:6379/0", metavar="HOST:PORT/NUMBER")
    parser.add_argument("--database", default="postgresql:5432/bouquet", metavar="HOST:PORT/NAME")
    parser.add_argument(
        "--api", default="api:8020", metavar="HOST:PORT", help="address of the registry's internal API, for its clients"
    )
    parser.add_argument(
        "--namespace", metavar="NAME", help="Kubernetes namespace, outside of which the broker's host is HOST.NAME"
    )
    parser.add_argument(
        "--providers", default="", metavar="NAME[,NAME…]", help="providers whose packages are not installed here"
    )
    parser.add_argument(
        "--providers-file", metavar="FILE", help="file that names them, as for BOUQUET_GATEWAY_PROVIDERS_FILE"
    )
    parser.add_argument(
        "--simulators", metavar="URL", help="also write settings that make workers ask the simulators at URL"
    )
    parser.add_argument(
        "--compose", action="store_true", help="make the user of each container the owner of its folder; requires root"
    )
    arguments = parser.parse_args()
    if arguments.compose and os.getuid() != 0:
        parser.error("--compose: only root gives files to others")
    named = set(filter(None, arguments.providers.split(",")))
    if wrong := sorted(name for name in named if not PROVIDER_NAME.fullmatch(name)):
        parser.error(f"--providers: {', '.join(wrong)} cannot be the name of a provider")
    try:
        named.update(read_names(arguments.providers_file) if arguments.providers_file else ())
    except SettingsError as error:
        parser.error(f"--providers-file: {error}")
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    restrict_access(folder)

    providers = _providers(folder, named)
    servers = {
        "broker": arguments.broker,
        "cache": arguments.cache,
        "database": arguments.database,
        "api": arguments.api,
    }
    _broker(folder, arguments.broker, providers)
    _cache(folder, arguments.cache)
    _database(folder, arguments.database)
    _keys(folder)
    _api_clients(folder)
    _certificates(folder, servers, arguments.namespace)
    _settings(folder / "providers", providers, arguments.simulators)
    if arguments.compose:
        give_to_containers(folder)


def _providers(folder: Path, named: set[str]) -> list[str]:
    """Returns the names of all providers: those whose package is installed, those in `named`, and those with a RabbitMQ
    password in `folder` from an earlier run."""
    users = (path.name.removeprefix(USER_PREFIX) for path in (folder / "passwords").glob(f"{USER_PREFIX}*"))
    return sorted({*_output("bouquet-worker", "list").split(), *named, *users} - {*OWN_USERS})


def restrict_access(folder: Path) -> None:
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def give_to_containers(folder: Path) -> None:
    for mounted in _folders(folder):
        user = SERVERS_USER if mounted.name in SERVERS else OUR_USER
        for path in [mounted, *mounted.iterdir()]:
            os.chown(path, user, user, follow_symlinks=False)  # a container may have put a link there


def _folders(folder: Path) -> Iterator[Path]:
    processes = ("gateway", "registry", "journal", "api", "portal", "migration", "admin")
    return (path for path in folder.iterdir() if path.name in (*SERVERS, *processes) or path.name.startswith("worker-"))


def _broker(folder: Path, address: str, providers: list[str]) -> None:
    """Writes RabbitMQ's definitions, which give each process a user with as few rights as possible. Also writes
    `bus-url` into each process's folder: the URL of RabbitMQ with the user's name and password."""
    passwords = folder / "passwords"
    passwords.mkdir(exist_ok=True)
    command = (str(DEFINITIONS), "--passwords", str(passwords), "--vhost", VHOST, *providers)
    _write(folder / "broker" / "definitions.json", _output("python", *command))
    owners = {name: name for name in OWN_USERS} | {name: f"worker-{name.replace('_', '-')}" for name in providers}
    for process, owner in owners.items():
        user = f"{USER_PREFIX}{process}"
        password = (passwords / user).read_text().strip()
        _write(folder / owner / "bus-url", f"amqps://{user}:{password}@{address}/{VHOST}?cafile={TRUSTED}")


def _cache(folder: Path, address: str) -> None:
    """Writes the access rules (ACL) of redis, which admit only the gateway. Also writes the gateway's secrets
    `cache-url` and `cache-key`."""
    password = _kept(folder / "passwords" / f"redis-{CACHE_USER}", secrets.token_hex)
    digest = sha256(password.encode()).hexdigest()
    _write(
        folder / "cache" / "users.acl", f"user default off\nuser {CACHE_USER} on #{digest} resetkeys {CACHE_RIGHTS}\n"
    )
    _kept(
        folder / "gateway" / "cache-url", lambda: f"rediss://{CACHE_USER}:{password}@{address}?ssl_ca_certs={TRUSTED}"
    )
    _kept(folder / "gateway" / "cache-key", secrets.token_hex)


def _database(folder: Path, address: str) -> None:
    """Makes the passwords of the database's users, and the database URL of each process that uses the database. Also
    writes `roles.sql`, which creates the users' roles and the portal's own database."""
    owner = _kept(folder / "database" / "password", secrets.token_hex)
    for process in ("migration", "admin"):
        _kept(folder / process / "database-url", partial(_database_url, OWNER, owner, address))
    roles = []
    for process, role in ROLES.items():
        password = _kept(folder / "passwords" / f"database-{process}", secrets.token_hex)
        roles.append(f"CREATE ROLE {role} LOGIN PASSWORD '{password}';\n")
        _kept(folder / process / "database-url", partial(_database_url, role, password, address))
    server, _, name = address.rpartition("/")
    password = _kept(folder / "passwords" / "database-portal", secrets.token_hex)
    _kept(folder / "portal" / "database-url", partial(_database_url, PORTAL, password, f"{server}/{PORTAL}"))
    # PostgreSQL lets every role connect to every database, unless this right is revoked.
    roles += [
        f"CREATE ROLE {PORTAL} LOGIN PASSWORD '{password}';\n",
        f"CREATE DATABASE {PORTAL} OWNER {PORTAL};\n",
        f"REVOKE ALL ON DATABASE {PORTAL} FROM PUBLIC;\n",
        f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC;\n',
        f'GRANT CONNECT ON DATABASE "{name}" TO {", ".join(ROLES.values())};\n',
    ]
    _write(folder / "database" / "roles.sql", "".join(roles))


def _database_url(role: str, password: str, address: str) -> str:
    return f"postgresql://{role}:{password}@{address}?sslmode=verify-full&sslrootcert={TRUSTED}"


def _keys(folder: Path) -> None:
    # Two of them go to the folder `admin`, which no serving process mounts: `signing-key` signs tokens, and
    # `journal-keys` finds a citizen in the journal. The internal API, which issues tokens, has a copy of the former.
    gateway, registry, admin = folder / "gateway", folder / "registry", folder / "admin"
    for name in FORMERLY_IN_REGISTRY:
        if (registry / name).exists() and not (admin / name).exists():
            (registry / name).rename(admin / name)
    _kept(registry / "datapass-secret", secrets.token_hex)
    _kept(registry / "notices-to", str)  # empty, so that no notices are sent, until the operator fills it in
    _kept(folder / "portal" / "secret-key", secrets.token_hex)
    _kept(folder / "portal" / "sandbox-token", str)  # empty, until the operator fills in that of the sandbox gateway
    _kept(folder / "portal" / "mail-url", str)  # empty, so that the site has no form for editors, until filled in
    journal = _kept(gateway / "journal-key", lambda: f"1:{secrets.token_hex()}")
    _kept(admin / "journal-keys", lambda: journal)
    _kept(gateway / "proof-keys", lambda: f"1:{secrets.token_hex()}")
    key = _kept(admin / "signing-key", lambda: _output("bouquet-registry", "new-key", "1"))
    _write(folder / "api" / "signing-key", key)
    _kept(gateway / "token-keys", lambda: _output("bouquet-registry", "jwks", BOUQUET_REGISTRY_SIGNING_KEY=key))


def _api_clients(folder: Path) -> None:
    """Makes one secret for each client of the registry's internal API, and writes all of them into the file from which
    the API reads them."""
    secret_of = {name: _kept(folder / "passwords" / f"api-{name}", secrets.token_hex) for name in API_CLIENTS}
    _kept(folder / "api" / "client-secrets", lambda: ",".join(f"{name}:{key}" for name, key in secret_of.items()))


def _certificates(folder: Path, servers: Mapping[str, str], namespace: str | None) -> None:
    """Makes a certificate for each server, signed by a private authority. Writes the authority's certificate into each
    process's folder, as `ca.pem`. `servers` maps a server's folder to its addresses, such as `a:5432,b:5432`. With a
    Kubernetes `namespace`, certificates are also valid for names such as `a.namespace.svc`."""
    authority = folder / "authority"
    for server, address in servers.items():
        hosts = [urlsplit(f"//{one}").hostname or "" for one in address.split(",")]
        ends = ("", *(f".{namespace}{end}" for end in ("", ".svc", ".svc.cluster.local") if namespace))
        names = [f"{host}{end}" for host in hosts for end in ends]
        _output("python", str(CERTIFICATE), "--authority", str(authority), str(folder / server), *names)
    trusted = (authority / "trusted.pem").read_text(encoding="utf-8")
    for mounted in _folders(folder):
        _write(mounted / "ca.pem", trusted)


def _settings(folder: Path, providers: list[str], simulators: str | None) -> None:
    """Writes a settings file for each worker. If `simulators` is a URL, the worker calls the simulated upstreams there.
    If `simulators` is None, a new file is empty, and an existing file is kept."""
    lines = _output("bouquet-worker", "simulator-settings", simulators).splitlines() if simulators else []
    for name in providers:
        own = [line for line in lines if line.startswith(f"BOUQUET_{name.upper()}_")]
        file = folder / f"{name}.env"
        if simulators or not file.exists():
            _write(file, "".join(f"{line}\n" for line in own))


def _kept(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        _write(file, make())
    return file.read_text(encoding="utf-8").strip()


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.touch()
    file.chmod(0o600)  # a new file has this mode; the target of a link, which `close` leaves alone, may have another
    file.write_text(text, encoding="utf-8")


def _output(program: str, *arguments: str, **environ: str) -> str:
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("BOUQUET_")}
    command = [str(BIN / program), *arguments]
    return subprocess.run(command, env={**own, **environ}, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

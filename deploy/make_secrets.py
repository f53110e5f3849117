"""Makes what the processes of a mesh keep secret: a folder for each, a file for each secret.

    python deploy/make_secrets.py DIR [--simulators http://simulators:8100] [--compose]

A folder is what its process mounts at /run/secrets/bouquet: by deploy/compose as it is, in Kubernetes as a secret of
that name (deploy/k8s/apply_secrets.sh). What is there stays: to change a secret, delete its file and run this again.
What holds the broker's passwords, the roles of the database and what is trusted (`authority/trusted.pem`) is written
anew each time.
Folders are of mode 700 and files of mode 600, those too that were there before.
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

DEFINITIONS = Path(__file__).parent / "rabbitmq" / "definitions.py"
CERTIFICATE = Path(__file__).parent / "tls" / "make_certificate.py"
TRUSTED = "/run/secrets/bouquet/ca.pem"
"""Path of the authorities that a process trusts its servers by."""
BIN = Path(sys.executable).parent
VHOST = "bouquet"
CACHE_USER = "gateway"
CACHE_RIGHTS = "~bouquet:* +get +set +psetex +del +incr +pexpire +evalsha +script|load +time"
"""All that a gateway does in redis."""
OWNER = "bouquet"
"""The role that owns the registry's tables."""
ROLES = {"registry": "bouquet_registry", "journal": "bouquet_journal"}
"""Database role of each process, to which `bouquet-registry migrate` gives its rights."""
FORMERLY_SERVED = ("signing-key", "journal-keys")
"""Files of the registry's folder that only people use, and that move to the folder of `admin`."""
SERVERS = ("broker", "cache", "database")
SERVERS_USER, OUR_USER = 999, 10001
"""The users of the images' processes: of RabbitMQ, redis and PostgreSQL, and of deploy/images/Dockerfile."""


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--broker", default="broker:5671", metavar="HOST:PORT[,HOST:PORT…]", help="each node of a cluster by its name"
    )
    parser.add_argument("--cache", default="redis:6379/0", metavar="HOST:PORT/NUMBER")
    parser.add_argument("--database", default="postgresql:5432/bouquet", metavar="HOST:PORT/NAME")
    parser.add_argument(
        "--namespace", metavar="NAME", help="of Kubernetes, from outside of which the broker is called HOST.NAME"
    )
    parser.add_argument("--simulators", metavar="URL", help="also write what makes workers ask the simulators there")
    parser.add_argument(
        "--compose", action="store_true", help="give each folder to the user of its container; only root can"
    )
    arguments = parser.parse_args()
    if arguments.compose and os.getuid() != 0:
        parser.error("--compose: only root gives files to others")
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    close(folder)

    providers = _output("bouquet-worker", "list").split()
    servers = {"broker": arguments.broker, "cache": arguments.cache, "database": arguments.database}
    _broker(folder, arguments.broker, providers)
    _cache(folder, arguments.cache)
    _database(folder, arguments.database)
    _keys(folder)
    _certificates(folder, servers, arguments.namespace)
    _settings(folder / "providers", providers, arguments.simulators)
    if arguments.compose:
        give_to_containers(folder)


def close(folder: Path) -> None:
    """Takes everybody's rights but the owner's, in the whole of `folder`."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def give_to_containers(folder: Path) -> None:
    """Folders that a container mounts as they are, to the user that reads them there."""
    for mounted in _folders(folder):
        user = SERVERS_USER if mounted.name in SERVERS else OUR_USER
        for path in [mounted, *mounted.iterdir()]:
            os.chown(path, user, user)


def _folders(folder: Path) -> Iterator[Path]:
    processes = ("gateway", "registry", "journal", "migration", "admin")
    return (path for path in folder.iterdir() if path.name in (*SERVERS, *processes) or path.name.startswith("worker-"))


def _broker(folder: Path, address: str, providers: list[str]) -> None:
    """A user for each process, with the least rights: deploy/rabbitmq knows which."""
    passwords = folder / "passwords"
    passwords.mkdir(exist_ok=True)
    command = (str(DEFINITIONS), "--passwords", str(passwords), "--vhost", VHOST, *providers)
    _write(folder / "broker" / "definitions.json", _output("python", *command))
    owners = {name: name for name in ("gateway", "registry", "journal")} | {
        name: f"worker-{name.replace('_', '-')}" for name in providers
    }
    for process, owner in owners.items():
        user = f"bouquet-{process}"
        password = (passwords / user).read_text().strip()
        _write(folder / owner / "bus-url", f"amqps://{user}:{password}@{address}/{VHOST}?cafile={TRUSTED}")


def _cache(folder: Path, address: str) -> None:
    """One user, with its rights, and nobody else."""
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
    """The tables' owner, and a role for each process that stays."""
    owner = _kept(folder / "database" / "password", secrets.token_hex)
    for process in ("migration", "admin"):
        _kept(folder / process / "database-url", partial(_database_url, OWNER, owner, address))
    roles = []
    for process, role in ROLES.items():
        password = _kept(folder / "passwords" / f"database-{process}", secrets.token_hex)
        roles.append(f"CREATE ROLE {role} LOGIN PASSWORD '{password}';\n")
        _kept(folder / process / "database-url", partial(_database_url, role, password, address))
    _write(folder / "database" / "roles.sql", "".join(roles))


def _database_url(role: str, password: str, address: str) -> str:
    return f"postgresql://{role}:{password}@{address}?sslmode=verify-full&sslrootcert={TRUSTED}"


def _keys(folder: Path) -> None:
    """Those of tokens, of the journal and of DataPass. What signs tokens and finds citizens is for people alone."""
    gateway, registry, admin = folder / "gateway", folder / "registry", folder / "admin"
    for name in FORMERLY_SERVED:
        if (registry / name).exists() and not (admin / name).exists():
            (registry / name).rename(admin / name)
    _kept(registry / "datapass-secret", secrets.token_hex)
    journal = _kept(gateway / "journal-key", lambda: f"1:{secrets.token_hex()}")
    _kept(admin / "journal-keys", lambda: journal)
    key = _kept(admin / "signing-key", lambda: _output("bouquet-registry", "new-key", "1"))
    _kept(gateway / "token-keys", lambda: _output("bouquet-registry", "jwks", BOUQUET_REGISTRY_SIGNING_KEY=key))


def _certificates(folder: Path, servers: Mapping[str, str], namespace: str | None) -> None:
    """One of each server, by an authority of our own, and what it is known by for everybody."""
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
    """Of each worker, in a file of its own: empty for who runs it to fill, or those of its simulator."""
    lines = _output("bouquet-worker", "simulator-settings", simulators).splitlines() if simulators else []
    for name in providers:
        own = [line for line in lines if line.startswith(f"BOUQUET_{name.upper()}_")]
        file = folder / f"{name}.env"
        if simulators or not file.exists():
            _write(file, "".join(f"{line}\n" for line in own))


def _kept(file: Path, make: Callable[[], str]) -> str:
    """What `file` says; made when it is not there."""
    if not file.exists():
        _write(file, make())
    return file.read_text(encoding="utf-8").strip()


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _output(program: str, *arguments: str, **environ: str) -> str:
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("BOUQUET_")}
    command = [str(BIN / program), *arguments]
    return subprocess.run(command, env={**own, **environ}, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

"""Makes what the processes of a mesh keep secret: a folder for each, a file for each secret.

    python deploy/make_secrets.py DIR [--simulators http://simulators:8100]

A folder is what its process mounts at /run/secrets/bouquet: by deploy/compose as it is, in Kubernetes as a secret of
that name (deploy/k8s/apply_secrets.sh). What is there stays: to change a secret, delete its file and run this again.
The URLs of the broker are written anew each time, from the passwords.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

DEFINITIONS = Path(__file__).parent / "rabbitmq" / "definitions.py"
BIN = Path(sys.executable).parent
VHOST = "bouquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--broker", default="broker:5672", metavar="HOST:PORT")
    parser.add_argument("--cache", default="redis://redis:6379/0", metavar="URL")
    parser.add_argument("--database", default="postgresql:5432/bouquet", metavar="HOST:PORT/NAME")
    parser.add_argument("--simulators", metavar="URL", help="also write what makes workers ask the simulators there")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    providers = _output("bouquet-worker", "list").split()
    _broker(folder, arguments.broker, providers)
    password = _kept(folder / "database" / "password", secrets.token_hex)
    gateway, registry = folder / "gateway", folder / "registry"
    _kept(gateway / "cache-url", lambda: arguments.cache)
    _kept(gateway / "cache-key", secrets.token_hex)
    _kept(registry / "database-url", lambda: f"postgresql://bouquet:{password}@{arguments.database}")
    _kept(registry / "datapass-secret", secrets.token_hex)
    journal = _kept(gateway / "journal-key", lambda: f"1:{secrets.token_hex()}")
    _kept(registry / "journal-keys", lambda: journal)
    key = _kept(registry / "signing-key", lambda: _output("bouquet-registry", "new-key", "1"))
    _kept(gateway / "token-keys", lambda: _output("bouquet-registry", "jwks", BOUQUET_REGISTRY_SIGNING_KEY=key))
    if arguments.simulators:
        _write(folder / "providers.env", _output("bouquet-worker", "simulator-settings", arguments.simulators))


def _broker(folder: Path, address: str, providers: list[str]) -> None:
    """A user for each process, with the least rights: deploy/rabbitmq knows which."""
    passwords = folder / "passwords"
    passwords.mkdir(mode=0o700, exist_ok=True)
    command = (str(DEFINITIONS), "--passwords", str(passwords), "--vhost", VHOST, *providers)
    _write(folder / "broker" / "definitions.json", _output("python", *command))
    owners = {"gateway": "gateway", "registry": "registry"} | {
        name: f"worker-{name.replace('_', '-')}" for name in providers
    }
    for process, owner in owners.items():
        user = f"bouquet-{process}"
        password = (passwords / user).read_text().strip()
        _write(folder / owner / "bus-url", f"amqp://{user}:{password}@{address}/{VHOST}")


def _kept(file: Path, make: Callable[[], str]) -> str:
    """What `file` says; made when it is not there."""
    if not file.exists():
        _write(file, make())
    return file.read_text(encoding="utf-8").strip()


def _write(file: Path, text: str) -> None:
    """Readable by whatever user a container has: DIR itself is closed to others."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)


def _output(program: str, *arguments: str, **environ: str) -> str:
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("BOUQUET_")}
    command = [str(BIN / program), *arguments]
    return subprocess.run(command, env={**own, **environ}, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

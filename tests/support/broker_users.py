"""A vhost with the users and permissions of `deploy/rabbitmq/definitions.py`, on a real RabbitMQ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from msgspec import Struct
from yarl import URL

from tests.support.rabbitmq import RabbitNode

SCRIPT = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.py"


class RestrictedVhost(Struct, frozen=True):
    """A vhost whose users have the least permissions they need."""

    operator: str
    """URL for an operator with all permissions."""
    passwords: Path
    """Folder of the users' password files."""

    def url(self, process: str) -> str:
        """Returns the URL for the user of a process: `gateway`, `registry` or a provider."""
        password = (self.passwords / f"bouquet-{process}").read_text()
        return str(URL(self.operator).with_user(f"bouquet-{process}").with_password(password))


def write_definitions(*arguments: str) -> str:
    """Runs the script of the definitions and returns its output."""
    return subprocess.check_output([sys.executable, str(SCRIPT), *arguments], text=True, timeout=200)


def restricted_vhost(
    rabbit: RabbitNode, folder: Path, *providers: str, registry_writes_journal: bool = True
) -> RestrictedVhost:
    """Creates a vhost for these providers. Users belong to the node: a later vhost changes their passwords."""
    operator = rabbit.vhost()
    vhost = URL(operator).path.removeprefix("/")
    options = ["--registry-writes-journal"] if registry_writes_journal else []
    definitions = write_definitions("--passwords", str(folder), "--vhost", vhost, *options, *providers)
    (rabbit.folder / "definitions.json").write_text(definitions)
    rabbit.ctl("import_definitions", f"{rabbit.release.path(rabbit.folder)}/definitions.json")
    return RestrictedVhost(operator, folder)

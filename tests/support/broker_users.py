"""A vhost with the rights that `deploy/rabbitmq/definitions.py` gives, on a real RabbitMQ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from msgspec import Struct
from yarl import URL

from tests.support.rabbitmq import RabbitNode

SCRIPT = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.py"


class RestrictedVhost(Struct, frozen=True):
    """The urls of its users, and of the operator who may do everything."""

    operator: str
    passwords: Path

    def url(self, process: str) -> str:
        password = (self.passwords / f"bouquet-{process}").read_text()
        return str(URL(self.operator).with_user(f"bouquet-{process}").with_password(password))


def write_definitions(*arguments: str) -> str:
    """What the script prints."""
    return subprocess.check_output([sys.executable, str(SCRIPT), *arguments], text=True, timeout=60)


def restricted_vhost(
    rabbit: RabbitNode, folder: Path, *providers: str, registry_writes_journal: bool = True
) -> RestrictedVhost:
    """A new vhost for these providers. Users belong to the whole node: the last one made for a name is the one."""
    operator = rabbit.vhost()
    vhost = URL(operator).path.removeprefix("/")
    options = ["--registry-writes-journal"] if registry_writes_journal else []
    definitions = write_definitions("--passwords", str(folder), "--vhost", vhost, *options, *providers)
    (rabbit.folder / "definitions.json").write_text(definitions)
    rabbit.ctl("import_definitions", f"{rabbit.release.path(rabbit.folder)}/definitions.json")
    return RestrictedVhost(operator, folder)

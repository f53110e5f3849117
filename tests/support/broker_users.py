"""A vhost with the users and permissions of `deploy/rabbitmq/definitions.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from msgspec import Struct
from yarl import URL

from tests.support.rabbitmq import RabbitNode

SCRIPT = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.py"


class RestrictedVhost(Struct, frozen=True):
    """A vhost in which the gateway, the registry and each worker have a user with only the permissions they need."""

    operator: str
    passwords: Path

    def url(self, process: str) -> str:
        password = (self.passwords / f"bouquet-{process}").read_text()
        return str(URL(self.operator).with_user(f"bouquet-{process}").with_password(password))


def write_definitions(*arguments: str) -> str:
    """Runs `deploy/rabbitmq/definitions.py` and returns the definitions that it prints."""
    return subprocess.check_output([sys.executable, str(SCRIPT), *arguments], text=True, timeout=200)


def restricted_vhost(
    rabbit: RabbitNode, folder: Path, *providers: str, registry_writes_journal: bool = True
) -> RestrictedVhost:
    """Creates a vhost in which the gateway, the registry and the worker of each provider in `providers` have a user of
    their own."""
    # A second call for the same node gives the same users new passwords: the earlier vhost can no longer be used.
    operator = rabbit.vhost()
    vhost = URL(operator).path.removeprefix("/")
    options = ["--registry-writes-journal"] if registry_writes_journal else []
    definitions = write_definitions("--passwords", str(folder), "--vhost", vhost, *options, *providers)
    (rabbit.folder / "definitions.json").write_text(definitions)
    rabbit.ctl("import_definitions", f"{rabbit.release.path(rabbit.folder)}/definitions.json")
    return RestrictedVhost(operator, folder)

"""Registry of habilitations (administrations' rights to call operations), software editors and tokens, with the access
journal. It answers gateways, and lets operators read and change these records."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy.exc import MultipleResultsFound, NoResultFound, SQLAlchemyError

from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.doctor.findings import Finding, print_report
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import tls_error_of
from bouquet_registry import bulk_import, cli, token_signing
from bouquet_registry.api.doctor import DoctorOptions, examine_api
from bouquet_registry.api.process import serve_api
from bouquet_registry.datapass import cli as datapass
from bouquet_registry.doctor import examine
from bouquet_registry.editors import cli as editors
from bouquet_registry.journal import cli as journal
from bouquet_registry.keys import cli as keys
from bouquet_registry.proofs import cli as proofs
from bouquet_registry.refusals import RefusalError
from bouquet_registry.roles import Roles
from bouquet_registry.serve import serve
from bouquet_registry.store import open_store, upgrade
from bouquet_registry.worker import registry


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command with the arguments `argv`, by default the process's own. Returns the exit status: 0 for success,
    1 for a refusal or a failed check of `doctor`, 2 for wrong settings, 3 for an unusable database."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments, os.environ) or 0
    except SettingsError as error:
        print(escape_control_characters(str(error)), file=sys.stderr)
        return 2
    except RefusalError as refused:
        print(escape_control_characters(str(refused)), file=sys.stderr)
        return 1
    except (NoResultFound, MultipleResultsFound):
        print("the database's tables are not as the registry left them: run `journal verify`", file=sys.stderr)
        return 3
    except (SQLAlchemyError, OSError) as error:
        print(f"the database is away ({tls_error_of(error) or type(error).__name__})", file=sys.stderr)
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bouquet-registry", description=__doc__)
    parser.set_defaults(command=_operate)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "serve", help="answer gateways and DataPass until SIGTERM; settings: BOUQUET_REGISTRY_*"
    )
    command.set_defaults(command=_serve)

    command = commands.add_parser("api", help="serve the internal HTTP API until SIGTERM; settings: BOUQUET_REGISTRY_*")
    command.set_defaults(command=_serve_api)

    command = commands.add_parser(
        "doctor", help="check what `serve` and `journal serve` need: keys, database, clock, broker, notices"
    )
    command.add_argument("--json", action="store_true")
    command.set_defaults(command=_doctor)
    command.add_argument(
        "process", nargs="?", choices=("serve", "api"), default="serve", help="`api`: check what the internal API needs"
    )
    command.add_argument("--url", default="", help="with `api`: call it at this address, such as https://api:8020")
    command.add_argument("--ca", default="", metavar="FILE", help="with `api`: PEM certificates to trust at --url")
    command.add_argument(
        "--token-keys",
        default="",
        metavar="FILE",
        help="with `api`: the gateways' key set, to compare with the signing key; `-` for standard input",
    )

    command = commands.add_parser(
        "migrate", help="bring the tables to this version, and grant PostgreSQL roles their rights"
    )
    command.add_argument("--registry-role", default="", metavar="NAME", help="PostgreSQL role of `serve`")
    command.add_argument("--journal-role", default="", metavar="NAME", help="PostgreSQL role of `journal serve`")
    command.add_argument("--api-role", default="", metavar="NAME", help="PostgreSQL role of `api`")
    command.set_defaults(command=_migrate)

    command = commands.add_parser("new-key", help="print a private key for BOUQUET_REGISTRY_SIGNING_KEY (ES256)")
    command.add_argument("kid", help="name of the key, such as 2027-01")
    command.set_defaults(command=_new_key)

    command = commands.add_parser("jwks", help="print the key set (JWKS) with which gateways verify tokens")
    command.add_argument(
        "--beside", type=Path, metavar="FILE", help="key set whose keys are printed too, for a rotation"
    )
    command.set_defaults(command=_jwks)

    cli.add_commands(commands)
    editors.add_commands(commands)
    keys.add_commands(commands)
    proofs.add_commands(commands)
    datapass.add_commands(commands)
    bulk_import.add_commands(commands)
    journal.add_commands(commands)
    return parser


def _serve(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    uvloop.run(serve(environ))


def _serve_api(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    uvloop.run(serve_api(environ))


def _doctor(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Runs the command `doctor`, and prints the results of its checks. The arguments say which process to check:
    `serve` or `api`. Returns the exit status: 1 if a check has failed, else 0."""
    logging.disable()  # the findings name these errors in words
    return uvloop.run(print_report(_examination(arguments, environ), json=arguments.json))


def _examination(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Coroutine[Any, Any, list[Finding]]:
    if arguments.process == "serve":
        return examine(environ)
    file = arguments.token_keys
    keys = sys.stdin.buffer.read() if file == "-" else _read("--token-keys", Path(file)) if file else b""
    return examine_api(environ, DoctorOptions(arguments.url, arguments.ca, keys))


def _migrate(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    roles = Roles(arguments.registry_role, arguments.journal_role, arguments.api_role)
    settings = registry.settings(environ)
    print(asyncio.run(upgrade(settings.database_url, roles, settings.journal_keep_months)))


def _new_key(arguments: argparse.Namespace, _: Mapping[str, str]) -> None:
    print(token_signing.new_key(arguments.kid))


def _jwks(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    beside = _read("--beside", arguments.beside) if arguments.beside else b"{}"
    print(token_signing.verification_keys(registry.settings(environ).signing_key, beside))


def _read(option: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError([f"{option}: cannot be read ({error.strerror})"]) from None


def _operate(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    print(asyncio.run(_operated(arguments, environ)))


async def _operated(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    settings = registry.settings(environ)
    async with open_store(settings.database_url) as store:
        output = await arguments.operation(cli.Context(store, settings), arguments)
    return cli.render(output, json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())

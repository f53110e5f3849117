"""`bouquet-gateway`: command that serves the public contract, examines a deployment, or prints a token."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from bouquet_gateway.access import tokens
from bouquet_gateway.settings import GatewaySettings, wants_several_processes
from bouquet_gateway.start import embedded
from bouquet_gateway.start.serve import serve, serve_processes
from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.settings import SettingsError, load
from bouquet_proto.names import GATEWAY_PREFIX

MONTH_S = 30 * 24 * 3600


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments, os.environ) or 0
    except SettingsError as error:
        print(escape_control_characters(str(error)), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bouquet-gateway", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "serve", help="answer HTTP requests until SIGTERM; settings are BOUQUET_GATEWAY_* variables"
    )
    command.add_argument(
        "--processes", type=int, help="number of processes on one port, in place of BOUQUET_GATEWAY_PROCESSES"
    )
    # Number of this process, given by its parent.
    command.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    command.set_defaults(command=_serve)

    command = commands.add_parser("doctor", help="examine a deployment, with the settings of `serve`")
    command.add_argument("--url", default="", help="URL of a running gateway, whose recent calls are examined")
    command.add_argument(
        "--queues",
        default="",
        metavar="FILE",
        help="queues in JSON from RabbitMQ's management API (GET /api/queues/VHOST), to report which node hosts which;"
        " - reads standard input",
    )
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    command.set_defaults(command=_doctor)

    command = commands.add_parser("token", help="print a token signed with BOUQUET_GATEWAY_TOKEN_KEY")
    command.add_argument(
        "scopes", nargs="*", help="scopes of the token; by default, all scopes of the workers installed here"
    )
    command.add_argument("--valid-s", type=int, default=MONTH_S, help="validity in seconds; by default, 30 days")
    command.add_argument("--mcp", action="store_true", help="let the token be used with the Model Context Protocol")
    command.set_defaults(command=_token)
    return parser


def _serve(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if arguments.processes is not None:
        environ = {**environ, f"{GATEWAY_PREFIX}PROCESSES": str(arguments.processes)}
    if not arguments.number and wants_several_processes(environ):
        return uvloop.run(serve_processes(environ))
    uvloop.run(serve(environ, arguments.number))
    return 0


def _doctor(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from bouquet_gateway.doctor.examination import examine
    from bouquet_mesh.doctor.findings import print_report

    logging.disable()  # the findings say in words what libraries would log
    examination = examine(environ, arguments.url, _queues(arguments.queues))
    return uvloop.run(print_report(examination, json=arguments.json))


def _queues(file: str) -> bytes:
    """Returns the content of the file that the option `--queues` of `bouquet-gateway doctor` names: RabbitMQ's list of
    queues, in JSON. Returns b"" without the option. Raises `SettingsError` if the file cannot be read."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes() if file else b""
    except OSError as error:
        raise SettingsError([f"--queues: cannot be read ({os.strerror(error.errno or 0)})"]) from None


def _token(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Prints a signed token for demos and sandboxes. A gateway accepts the token only if the setting `tokens_from` is
    `claims` (docs/reference/contract.md §2.1)."""
    settings = load(GatewaySettings, environ, GATEWAY_PREFIX)
    scopes = arguments.scopes or sorted(embedded.scopes_of(embedded.installed_workers(sandbox=False)))
    expires_at = int(time.time()) + arguments.valid_s
    print(tokens.issue(settings.token_key, scopes, expires_at=expires_at, mcp=arguments.mcp))


if __name__ == "__main__":
    sys.exit(main())

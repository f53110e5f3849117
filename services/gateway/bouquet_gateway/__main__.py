"""`bouquet-gateway`: serve the public contract, or make a token."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence

import uvloop

from bouquet_gateway import embedded, tokens
from bouquet_gateway.serve import serve
from bouquet_gateway.settings import GatewaySettings
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.settings import SettingsError, load

MONTH_S = 30 * 24 * 3600


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bouquet-gateway", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("serve", help="answer HTTP until SIGTERM; settings are BOUQUET_GATEWAY_* variables")
    command.set_defaults(command=_serve)

    command = commands.add_parser("token", help="print a token signed with BOUQUET_GATEWAY_TOKEN_KEY")
    command.add_argument("scopes", nargs="*", help="none: every scope of the workers installed here")
    command.add_argument("--valid-s", type=int, default=MONTH_S)
    command.set_defaults(command=_token)
    return parser


def _serve(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    uvloop.run(serve(environ))


def _token(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Self-contained, of the internal id: its scopes and its end are its own (http-contract §2.1)."""
    settings = load(GatewaySettings, environ, GATEWAY_PREFIX)
    scopes = arguments.scopes or sorted(embedded.scopes(embedded.installed(sandbox=False)))
    print(tokens.issue(settings.token_key, scopes, expires_at=int(time.time()) + arguments.valid_s))


if __name__ == "__main__":
    sys.exit(main())

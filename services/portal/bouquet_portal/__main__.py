"""Command line of the portal: `bouquet-portal serve`, `migrate`, `check` and `editors`."""

from __future__ import annotations

import argparse
import os
import sys

from bouquet_portal import environment, logs


def main(arguments: list[str] | None = None) -> None:
    parsed = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bouquet_portal.settings")
    try:
        settings = environment.read(os.environ)
    except environment.SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    os.umask(0o077)  # the database and the mails, which are files without their servers, hold names and addresses
    logs.configure(settings.log_level)
    # Imported here, because each reads Django's settings, which are known to be right by now.
    match parsed.command:
        case "serve":
            from bouquet_portal import serve

            sys.exit(serve.serve(settings, migrate=parsed.migrate))
        case "migrate":
            from bouquet_portal import administration

            administration.migrate()
        case "check":
            from bouquet_portal import administration

            found = administration.check()
            for part, problems in found.items():
                print(f"{part}: {'; '.join(problems) or 'ok'}")
            sys.exit(any(found.values()))
        case "editors":
            from bouquet_portal import administration

            sys.exit(administration.editors(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bouquet-portal", description="Public site of Bouquet.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="serve the site until SIGTERM or SIGINT")
    serving.add_argument("--migrate", action="store_true", help="create or upgrade the database's tables first")
    commands.add_parser("migrate", help="create or upgrade the tables of the portal's database")
    commands.add_parser("check", help="examine settings, content, database and the gateway's documents")
    editors = commands.add_parser("editors", help="requests of editors to be listed").add_subparsers(
        dest="act", required=True, metavar="ACT"
    )
    for act, text in (("list", "one line for each request"), ("csv", "all columns, as CSV"), ("json", "all, as JSON")):
        output = editors.add_parser(act, help=f"write the confirmed requests: {text}")
        output.add_argument("--with-unconfirmed", action="store_true", help="the unconfirmed ones as well")
    removing = editors.add_parser("remove", help="delete a request")
    removing.add_argument("id", type=int)
    return parser


if __name__ == "__main__":
    main()

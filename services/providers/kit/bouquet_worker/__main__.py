"""Run and examine the worker of a provider, run simulators of upstreams, or write the package of a new provider."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.doctor.findings import print_report
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import COMMANDS, SIMULATORS, WORKERS
from bouquet_worker import scaffold
from bouquet_worker.installed import NoSimulatorError, installed, simulator_of
from bouquet_worker.run import run
from bouquet_worker.worker import Worker

if TYPE_CHECKING:
    from bouquet_worker.simulate import Simulator


INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a command that Ctrl-C ended, as shells report it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command `bouquet-worker` and returns the exit status of its subcommand. Returns 2 if a setting is wrong
    or a simulator is missing, and 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except (SettingsError, NoSimulatorError) as error:
        print(escape_control_characters(str(error)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bouquet-worker", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("run", help="serve the requests for a provider from the bus, until SIGTERM")
    _add_provider(command)
    command.set_defaults(command=_run)

    command = commands.add_parser(
        "doctor", help="check settings, broker, certificates and connections of a worker, with the environment of `run`"
    )
    _add_provider(command)
    command.add_argument("--json", action="store_true", help="write the findings as JSON")
    command.set_defaults(command=_doctor)

    command = commands.add_parser("list", help="list the installed providers")
    command.set_defaults(command=_list)

    command = commands.add_parser("offer", help="print the operations that a provider offers, as JSON")
    _add_provider(command)
    command.set_defaults(command=_offer)

    command = commands.add_parser("simulators", help="serve the simulators of all installed providers on one port")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on; %(default)s by default")
    command.add_argument("--port", type=int, default=8100, help="port to listen on; %(default)s by default")
    command.set_defaults(command=_simulators)

    command = commands.add_parser(
        "simulator-settings", help="print the environment variables with which workers ask the simulators"
    )
    command.add_argument("url", help="URL of `bouquet-worker simulators`, such as http://127.0.0.1:8100")
    command.set_defaults(command=_simulator_settings)

    _add_developers_commands(commands)
    scaffold.command(commands.add_parser("new", help="write the package of a new provider, with a simulator and tests"))

    for name, entry in sorted(installed(COMMANDS).items()):
        add: Callable[[argparse.ArgumentParser], None] = entry.load()
        add(commands.add_parser(name, help=add.__doc__))
    return parser


def _add_developers_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the subcommands with which a developer runs and tests a worker."""
    command = commands.add_parser(
        "try", help="ask a worker one question, and show what its upstream was asked, what it answered, and the reply"
    )
    _add_provider(command)
    command.add_argument("words", nargs="+", metavar="OPERATION|NAME=VALUE", help="an operation's id, parameters")
    command.add_argument("--real", action="store_true", help="ask the real upstream, after a gateway that journals")
    command.set_defaults(command=_try)

    command = commands.add_parser(
        "record", help="make an answer of the simulator and a case from what the real upstream answers"
    )
    _add_provider(command)
    command.add_argument("case", help="name of the case and of its file")
    command.add_argument("words", nargs="+", metavar="OPERATION|NAME=VALUE", help="the question, as of `try --real`")
    command.add_argument(
        "--as", nargs="+", required=True, dest="instead", metavar="NAME=VALUE", help="parameters of an invented person"
    )
    command.add_argument("--cases", type=Path, default=Path("cases"), help="folder of cases; ./%(default)s by default")
    command.set_defaults(command=_record)

    command = commands.add_parser(
        "dev", help="serve a provider at a gateway here, with its simulator; start again when its files change"
    )
    _add_provider(command)
    command.add_argument("--port", type=int, default=8000, help="port of the gateway; %(default)s by default")
    command.add_argument("--cases", type=Path, default=Path("cases"), help="folder of cases; ./%(default)s by default")
    command.add_argument("--token-key", default="", help=argparse.SUPPRESS)  # from the process that watches files
    command.set_defaults(command=_dev)


def _add_provider(command: argparse.ArgumentParser) -> None:
    command.add_argument("provider", choices=sorted(installed(WORKERS)), help="name of an installed provider")


def _worker(provider: str) -> Worker:
    worker: Worker = installed(WORKERS)[provider].load()
    return worker


def _all_simulators() -> list[Simulator]:
    return [entry.load() for _, entry in sorted(installed(SIMULATORS).items())]


def _run(arguments: argparse.Namespace) -> None:
    uvloop.run(run(_worker(arguments.provider), os.environ))


def _doctor(arguments: argparse.Namespace) -> int:
    """Checks a worker's deployment and prints the result of each check. Returns the exit status: 1 if a check has
    failed, else 0."""
    # Imported here: it loads a library for certificates, which `run` does without.
    from bouquet_worker.doctor import examine

    logging.disable()  # the findings report what libraries would log
    return uvloop.run(print_report(examine(_worker(arguments.provider), os.environ), json=arguments.json))


def _list(_: argparse.Namespace) -> None:
    for provider in sorted(installed(WORKERS)):
        print(provider)


def _offer(arguments: argparse.Namespace) -> None:
    offer = msgspec.json.encode(_worker(arguments.provider).offer())
    print(msgspec.json.format(offer, indent=2).decode())


def _dev(arguments: argparse.Namespace) -> int:
    # Imported here: only developers have the libraries.
    try:
        from bouquet_worker.dev import Development, develop
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed, but comes with bouquet-worker[dev]", file=sys.stderr)
        return 2
    options = ("provider", "port", "cases", "token_key")
    return develop(Development(**{name: getattr(arguments, name) for name in options}))


def _try(arguments: argparse.Namespace) -> int:
    # Imported here: production code does not import simulators.
    from bouquet_worker.trial_command import try_question
    from bouquet_worker.trial_question import QuestionError

    simulator = None if arguments.real else simulator_of(arguments.provider).load()
    question = try_question(_worker(arguments.provider), simulator, arguments.words, os.environ)
    try:
        text, status = asyncio.run(question)
    except QuestionError as error:
        print(escape_control_characters(str(error)), file=sys.stderr)
        return 2
    print(text)
    return status


def _record(arguments: argparse.Namespace) -> int:
    # Imported here: production code does not import simulators.
    from bouquet_worker.recording import fields_of, new_files, record_question, write
    from bouquet_worker.trial_question import QuestionError

    entry = installed(WORKERS)[arguments.provider]
    worker, simulator = entry.load(), simulator_of(arguments.provider).load()
    recorded = Path(sys.modules[entry.module].__file__ or "").parent / "recorded"
    try:
        files, fields = new_files(arguments.case, recorded, arguments.cases), fields_of(entry.module)
        recording = record_question(worker, simulator, fields, arguments.words, arguments.instead, os.environ)
        write(asyncio.run(recording), *files)
    except QuestionError as error:
        print(escape_control_characters(str(error)), file=sys.stderr)
        return 2
    for path in files:
        print(path)
    return 0


def _simulators(arguments: argparse.Namespace) -> None:
    # Imported here: production code does not import simulators.
    from bouquet_worker.simulate import run_simulators

    asyncio.run(run_simulators(_all_simulators(), os.environ, arguments.host, arguments.port))


def _simulator_settings(arguments: argparse.Namespace) -> None:
    for simulator in _all_simulators():
        for name, value in simulator.settings(f"{arguments.url}/{simulator.provider}").items():
            print(f"{name}={value}")


if __name__ == "__main__":
    sys.exit(main())

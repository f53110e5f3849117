"""Command `bouquet-worker try`: sends a worker one lookup, and shows the worker's requests and its reply. The worker
asks its simulator, or its real upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bouquet_proto.messages import Failed, Lookup
from bouquet_proto.offer import Operation
from bouquet_worker.simulate import Simulator
from bouquet_worker.trial import Trial, ask, ask_simulated, report
from bouquet_worker.trial_journal import read_settings, record
from bouquet_worker.trial_question import (
    RECIPIENT,
    SIMULATED_RECIPIENT,
    CommandLine,
    QuestionError,
    lookup_for,
    operation_for,
    parse_command_line,
    query_for,
)
from bouquet_worker.worker import Worker


class RealTrial(Struct, frozen=True):
    """Result of `bouquet-worker try` at the real upstream. `trial` contains the worker's reply and its requests to the
    upstream."""

    operation: Operation
    lookup: Lookup
    trial: Trial


async def try_question(
    worker: Worker, simulator: Simulator | None, words: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, int]:
    """Sends a worker one lookup, and returns the text to print and the exit status (1 for a failed reply). `words` are
    the command line: an operation's id and `name=value` parameters. Without a `simulator`, the worker calls its real
    upstream. Raises `QuestionError` for a lookup that cannot be sent, and `SettingsError` for wrong settings."""
    if simulator:
        operation, lookup = question_in(worker, parse_command_line(words))
        trial = await ask_simulated(worker, simulator, lookup)
    else:
        asked = await ask_real(worker, words, environ)
        operation, trial = asked.operation, asked.trial
    return report(trial, operation, worker.offer()), 1 if isinstance(trial.reply, Failed) else 0


async def ask_real(worker: Worker, words: Sequence[str], environ: Mapping[str, str]) -> RealTrial:
    """Sends a lookup to a worker that calls its real upstream, after a gateway has recorded the lookup in its access
    journal. `words` are the command line: an operation's id and `name=value` parameters. Raises `QuestionError` for a
    lookup that is malformed or was not recorded, and `SettingsError` for wrong settings."""
    settings, asked = read_settings(environ), parse_command_line(words)
    operation, lookup = question_in(worker, asked)
    if operation.by_session:
        raise QuestionError([f"{operation.id}: only the citizen opens a FranceConnect session; ask without --real"])
    if RECIPIENT not in asked.parameters:
        raise QuestionError([f"{RECIPIENT}: is missing; the SIRET of the administration that asks"])
    query = [(RECIPIENT, lookup.caller.recipient), *query_for(asked, operation)]
    if objection := await record(settings, operation.path, query):
        raise QuestionError([f"not asked, since no journal has a record: {objection}"])
    return RealTrial(operation, lookup, await ask(worker, environ, lookup))


def question_in(worker: Worker, command: CommandLine) -> tuple[Operation, Lookup]:
    """Returns the operation that a parsed command line asks for, and the lookup for the worker. Raises `QuestionError`
    if not exactly one operation fits, or if its rules refuse the parameters."""
    operation = operation_for(command, worker.offer().operations)
    recipient = command.parameters.get(RECIPIENT, (SIMULATED_RECIPIENT,))[-1]
    return operation, lookup_for(command, operation, recipient, worker.clock())

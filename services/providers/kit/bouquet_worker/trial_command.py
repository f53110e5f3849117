"""Command `bouquet-worker try`: asks a worker one question. The worker asks its simulator or its real upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bouquet_proto.messages import Failed, Lookup
from bouquet_proto.offer import Operation
from bouquet_worker.simulate import Simulator
from bouquet_worker.trial import Trial, ask, ask_simulated, report
from bouquet_worker.trial_journal import read_settings, record
from bouquet_worker.trial_question import (
    FRANCE_CONNECT,
    RECIPIENT,
    SIMULATED_RECIPIENT,
    QuestionError,
    Words,
    lookup_for,
    operation_for,
    query_for,
    read_words,
)
from bouquet_worker.worker import Worker


class RealTrial(Struct, frozen=True):
    """Question that a worker has asked its real upstream, with the operation and the outcome (trial)."""

    operation: Operation
    lookup: Lookup
    trial: Trial


async def try_question(
    worker: Worker, simulator: Simulator | None, words: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, int]:
    """Asks the simulator or, if `simulator` is `None`, the real upstream. `words` is the question as on the command
    line: an operation's id and `name=value` parameters. Returns the text to print and the exit status: 1 if the worker
    replied with a failure, else 0. Raises `QuestionError` for a question that cannot be asked, and `SettingsError` for
    wrong settings."""
    if simulator:
        operation, lookup = question_in(worker, read_words(words))
        trial = await ask_simulated(worker, simulator, lookup)
    else:
        asked = await ask_real(worker, words, environ)
        operation, trial = asked.operation, asked.trial
    return report(trial, operation, worker.offer()), 1 if isinstance(trial.reply, Failed) else 0


async def ask_real(worker: Worker, words: Sequence[str], environ: Mapping[str, str]) -> RealTrial:
    """Asks the real upstream, once a gateway has recorded the question in its access journal. `words` is the question
    as on the command line: an operation's id and `name=value` parameters. Raises `QuestionError` if the question is
    malformed or was not recorded, and `SettingsError` for wrong settings."""
    settings, asked = read_settings(environ), read_words(words)
    operation, lookup = question_in(worker, asked)
    if operation.modality == FRANCE_CONNECT:
        raise QuestionError([f"{operation.id}: only the citizen opens a FranceConnect session; ask without --real"])
    if RECIPIENT not in asked.parameters:
        raise QuestionError([f"{RECIPIENT}: is missing; the SIRET of the administration that asks"])
    query = [(RECIPIENT, lookup.caller.recipient), *query_for(asked, operation)]
    if objection := await record(settings, operation.path, query):
        raise QuestionError([f"not asked, since no journal has a record: {objection}"])
    return RealTrial(operation, lookup, await ask(worker, environ, lookup))


def question_in(worker: Worker, words: Words) -> tuple[Operation, Lookup]:
    """Returns the operation that the command line `words` names or implies, and the question as its worker receives it.
    Raises `QuestionError` if not exactly one operation fits, or if the operation's rules refuse the parameters."""
    operation = operation_for(words, worker.offer().operations)
    recipient = words.parameters.get(RECIPIENT, (SIMULATED_RECIPIENT,))[-1]
    return operation, lookup_for(words, operation, recipient, worker.clock())

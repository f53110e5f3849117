"""Command `bouquet-worker try`: one question to a worker, asked of its simulator or of its real upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bouquet_proto.messages import Failed
from bouquet_worker.simulate import Simulator
from bouquet_worker.trial import ask, ask_simulated, report
from bouquet_worker.trial_journal import read_settings, record
from bouquet_worker.trial_question import RECIPIENT, QuestionError, lookup_for, operation_for, query_for, read_words
from bouquet_worker.worker import Worker

__all__ = ["QuestionError", "try_question"]

SIMULATED_RECIPIENT = "13002526500013"
"""SIRET of the DINUM, which stands for the administration that asks a simulator."""


async def try_question(
    worker: Worker, simulator: Simulator | None, words: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, int]:
    """Asks the question in `words`. Returns the text to print and the command's exit status: 1 if the question could
    not be answered. Without a simulator, asks the real upstream. Raises `QuestionError` or `SettingsError`."""
    settings = None if simulator else read_settings(environ)
    asked, offer = read_words(words), worker.offer()
    operation = operation_for(asked, offer.operations)
    [recipient] = asked.parameters.get(RECIPIENT, ("" if settings else SIMULATED_RECIPIENT,))[-1:]
    lookup = lookup_for(asked, operation, recipient, worker.clock())
    if settings:
        if not recipient:
            raise QuestionError([f"{RECIPIENT}: is missing; the SIRET of the administration that asks"])
        query = [(RECIPIENT, recipient), *query_for(asked, operation)]
        if objection := await record(settings, operation.path, query):
            raise QuestionError([f"not asked, since no journal has a record: {objection}"])
    trial = await (ask_simulated(worker, simulator, lookup) if simulator else ask(worker, environ, lookup))
    return report(trial, operation, offer), 1 if isinstance(trial.reply, Failed) else 0

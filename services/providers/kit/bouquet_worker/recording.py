"""Command `bouquet-worker record`: records a real upstream's answers about a person, with invented values in place of
the real ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs
from yarl import URL

from bouquet_mesh.listen import listening
from bouquet_proto.messages import Lookup, Reply
from bouquet_worker.anonymisation import Anonymiser, scalars
from bouquet_worker.answer import Answer
from bouquet_worker.errors import words_of
from bouquet_worker.exchange import Exchange
from bouquet_worker.public import KnownFields, known_fields
from bouquet_worker.simulate import RecordedAnswer, Simulator
from bouquet_worker.trial import Trial, ask
from bouquet_worker.trial_command import ask_real, question_in
from bouquet_worker.trial_question import QuestionError, parse_command_line
from bouquet_worker.worker import Worker

UNLIKE = "the worker replies otherwise to the invented answer; mark as Public the fields whose values it knows"
NAME = re.compile(r"[a-z0-9_]+")


class Recording(Struct, frozen=True):
    """Test data about an invented person, made from a real upstream's answers. `question` is the lookup, `answers` what
    the simulator answers to the worker, and `reply` what the worker must reply."""

    answers: tuple[RecordedAnswer, ...]
    question: Lookup
    reply: Reply


async def record_question(
    worker: Worker,
    simulator: Simulator,
    fields: KnownFields,
    words: Sequence[str],
    invented_words: Sequence[str],
    environ: Mapping[str, str],
) -> Recording:
    """Asks the real upstream about a real person, and returns a recording about an invented one. Raises `QuestionError`
    if no recording can be made, and `SettingsError` for wrong settings.

    Args:
        worker: The worker that asks.
        simulator: Simulator of the upstream, which can give the recorded answers later.
        fields: Fields that the recording contains (`read`). It keeps the values of `public`, and invents all others.
        words: Command line with the real person: an operation's id and `name=value` parameters.
        invented_words: The `name=value` parameters of the invented person.
        environ: Environment variables with the worker's settings and those of `bouquet-worker try`.
    """
    operation, real = question_in(worker, parse_command_line(words))
    about_nobody = parse_command_line([operation.id, *invented_words])
    replacements = _replacements(real, question_in(worker, about_nobody)[1])
    asked = await ask_real(worker, words, environ)
    if (error := asked.trial.error) and not asked.trial.exchanges:
        raise QuestionError([f"no request to the upstream: {words_of(error)}"])
    _, invented = question_in(worker, about_nobody)  # anew, since its deadline begins now
    anonymiser = Anonymiser([_values(real), *map(_body, asked.trial.exchanges)], replacements)
    return await make_recording(worker, simulator, asked.trial, invented, partial(anonymiser.body, fields=fields))


def fields_of(worker_module: str) -> KnownFields:
    """Returns the fields of all structs in the module `upstream` beside `worker_module`. Raises `QuestionError` if
    there is no module `upstream`."""
    name = f"{worker_module.rpartition('.')[0]}.upstream"
    if find_spec(name) is None:
        raise QuestionError([f"{name}: there is no such module, so no field of the upstream is known"])
    upstream = import_module(name)
    return known_fields(
        value for value in vars(upstream).values() if isinstance(value, type) and issubclass(value, Struct)
    )


async def make_recording(
    worker: Worker, simulator: Simulator, trial: Trial, invented: Lookup, invent: Callable[[Any], Any]
) -> Recording:
    """Makes a recording about an invented person from `trial`, a lookup about a real one. `invented` is the lookup
    about the invented person. `invent` replaces the values in an upstream's answer. Raises `QuestionError` if an answer
    is not JSON, or if the reply's kind or the number of requests differs from `trial`."""
    answers = [
        Answer(exchange.outcome.status, {}, msgspec.json.encode(invent(_body(exchange))))
        for exchange in trial.exchanges
        if isinstance(exchange.outcome, Answer)
    ]
    async with listening(simulator.app(), "127.0.0.1", 0) as url:
        replayed = await ask(worker, simulator.settings(url), invented, answers=answers)
    if type(replayed.reply) is not type(trial.reply) or len(replayed.exchanges) != len(answers):
        raise QuestionError([UNLIKE])
    made = zip(replayed.exchanges, answers, strict=True)
    return Recording(tuple(_recorded(exchange, answer) for exchange, answer in made), invented, replayed.reply)


def new_files(name: str, *folders: Path) -> list[Path]:
    """Returns the path of `<name>.json` in each folder, without creating the files. Raises `QuestionError` if a file
    exists, or if the name has other characters than a-z, 0-9 and `_`."""
    if not NAME.fullmatch(name):
        raise QuestionError([f"{name}: the name of a case has small letters, digits and underscores"])
    paths = [folder / f"{name}.json" for folder in folders]
    if existing := [path for path in paths if path.exists()]:
        raise QuestionError(f"{path} exists already" for path in existing)
    return paths


def write(recording: Recording, answers: Path, case_file: Path) -> None:
    """Writes a recording as two JSON files: the simulator's answers to `answers`, and the test case to `case_file`.
    Replaces existing files and creates missing folders."""
    question = recording.question
    case: dict[str, Any] = {"operation": question.operation, "identity": question.identity, "reply": recording.reply}
    if question.parameters:
        case["parameters"] = question.parameters
    for path, content in ((answers, recording.answers), (case_file, case)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def _body(exchange: Exchange) -> Any:
    """Returns the decoded JSON of an upstream's answer. Raises `QuestionError` if there is no answer, or if it is not
    JSON."""
    if not isinstance(exchange.outcome, Answer):
        raise QuestionError([f"{exchange.upstream} gave no answer: {exchange.outcome.reason}"])
    try:
        return msgspec.json.decode(exchange.outcome.body)
    except msgspec.DecodeError:
        raise QuestionError([f"{exchange.upstream} did not answer with JSON, which alone can be recorded"]) from None


def _values(question: Lookup) -> dict[str, Any]:
    identity: dict[str, Any] = msgspec.to_builtins(structs.asdict(question.identity))
    return identity


def _replacements(real_lookup: Lookup, invented_lookup: Lookup) -> dict[str, str]:
    """Maps each value of the real identity to the invented value of the same field, as texts. Raises `QuestionError` if
    a field is the same in both."""
    real, invented = _values(real_lookup), _values(invented_lookup)
    pairs = {name: (list(scalars([real[name]])), list(scalars([invented[name]]))) for name in real}
    same = [name for name, (values, others) in pairs.items() if set(values) & set(others)]
    if same:
        raise QuestionError(f"{name}: --as must have another value" for name in same)
    return {
        str(value): str(other)
        for values, others in pairs.values()
        for value, other in zip(values, others, strict=False)
    }


def _recorded(exchange: Exchange, answer: Answer) -> RecordedAnswer:
    url = URL(exchange.url)
    body = exchange.body.decode() if exchange.body else ""
    return RecordedAnswer(
        method=exchange.method,
        path=url.path,
        query=sorted(url.query.items()),
        body=body,
        status=answer.status,
        answer=msgspec.Raw(answer.body),
    )

"""A worker as its author declares it, and as the bus asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine
from aiohttp import web
from msgspec import Struct

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import Failure, Kind
from bouquet_proto.identity import Identifiant, Identity, Ine
from bouquet_proto.messages import Caller, Describe, Failed, Found, Lookup, NotFound, Parameter, Rejected, Reply
from bouquet_proto.offer import Authority, Offer, Operation, operation
from bouquet_proto.rules import Check
from bouquet_worker.errors import UpstreamError
from bouquet_worker.simulate import listening
from bouquet_worker.upstream import Upstream
from bouquet_worker.worker import PublishedOperation, Question, Worker, WorkerSettings, paris_today

TODAY = date(2026, 4, 15)
CALLER = Caller(recipient="13002526500013", token_id="9d2c")


class Name(Struct, frozen=True):
    name: str


class Person(Struct, frozen=True):
    name: str
    age: int


class Settings(WorkerSettings, frozen=True, kw_only=True):
    url: str
    key: Secret
    days: int = 1


def publishing(version: int, data: type[Struct] = Person) -> Operation:
    return operation(
        id=f"acme_v{version}",
        path=f"/v{version}/acme/person/identifiant",
        modality="identifiant",
        summary="A person",
        scopes=("acme",),
        data=data,
        fields={"name": ("acme",)},
        checks=((Check("identifiant"),),),
        reasons=("nobody",),
    )


V3, V4 = publishing(3, Name), publishing(4)
NOBODY = Failure(kind=Kind.NOT_FOUND, code="003", title="?", detail="?", fault="caller")


def acme() -> Worker:
    worker = Worker(
        "acme",
        Settings,
        owner="team-acme",
        authority=Authority("ACME", "90"),
        problems={"nobody": NOBODY},
        clock=lambda: TODAY,
    )

    @worker.upstream
    def people(settings: Settings) -> Upstream:
        return Upstream("acme people", settings.url + "/people")

    @worker.upstream
    def ages(settings: Settings) -> Upstream:
        return Upstream("acme ages", settings.url + "/ages")

    return worker


def answering(handler: Any, *published: PublishedOperation[Any] | Operation) -> Worker:
    worker = acme()
    worker.answers(*(published or (V4,)))(handler)
    return worker


@asynccontextmanager
async def running(worker: Worker, url: str = "http://127.0.0.1:1", **settings: str) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus()
    environ = {"BOUQUET_ACME_URL": url, "BOUQUET_ACME_KEY": "k"}
    environ |= {f"BOUQUET_ACME_{name.upper()}": value for name, value in settings.items()}
    async with worker.running(bus, environ):
        yield bus


def lookup(
    operation: str = V4.id, identity: Identity | None = None, parameters: Mapping[str, Parameter] | None = None
) -> Lookup:
    return Lookup(
        id="5f1c",
        deadline=Deadline.after(5).at,
        operation=operation,
        identity=identity or Identifiant(identifiant="D-1"),
        parameters=dict(parameters or {}),
        caller=CALLER,
    )


async def reply_of(
    handler: Any, request: Lookup | None = None, *published: PublishedOperation[Any] | Operation
) -> Reply:
    async with running(answering(handler, *published)) as bus:
        return await bus.call("acme", request or lookup())


async def ada(_: Question[Identifiant]) -> Person:
    return Person("Ada", 36)


# What a handler is given


async def test_a_handler_gets_the_question_whole() -> None:
    asked: list[Question[Identifiant]] = []

    async def handler(question: Question[Identifiant]) -> NotFound:
        asked.append(question)
        return NotFound("nobody")

    await reply_of(handler, lookup(parameters={"annee": 2025}))
    assert asked == [
        Question(
            identity=Identifiant(identifiant="D-1"),
            parameters={"annee": 2025},
            caller=CALLER,
            request_id="5f1c",
            today=TODAY,
        )
    ]


def test_today_is_that_of_paris() -> None:
    with time_machine.travel("2026-04-14T22:30:00+00:00"):
        assert paris_today() == TODAY


async def test_a_handler_gets_the_upstreams_that_it_names_whatever_their_order() -> None:
    app = web.Application()

    async def echo(request: web.Request) -> web.Response:
        return web.json_response(request.path)

    app.router.add_get("/{any:.*}", echo)

    async def handler(_: Question[Identifiant], ages: Upstream, people: Upstream) -> Name:
        first, second = await ages.get(), await people.get()
        return Name(f"{first.decode(str)} {second.decode(str)}")

    async with listening(app, "127.0.0.1", 0) as url, running(answering(handler), url) as bus:
        reply = await bus.call("acme", lookup())
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "/ages /people"}


async def test_a_handler_may_share_its_code_with_another() -> None:
    async def handler(_: Question[Identifiant], people: Upstream, *, name: str) -> Name:
        return Name(name)

    reply = await reply_of(partial(handler, name="Grace"))
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "Grace"}


async def test_a_shared_handler_is_told_whom_it_asks() -> None:
    asked: list[Upstream] = []

    async def handler(_: Question[Identifiant], api: Upstream) -> NotFound:
        asked.append(api)
        return NotFound("nobody")

    worker = acme()
    worker.answers(V3, asking=["people"])(handler)
    worker.answers(V4, asking=["ages"])(handler)
    async with running(worker) as bus:
        for version in (V3, V4):
            assert await bus.call("acme", lookup(version.id)) == NotFound("nobody")
    assert asked[0] is not asked[1]


# What a handler answers


async def test_a_resource_is_found() -> None:
    reply = await reply_of(ada)
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "Ada", "age": 36}


async def test_each_version_shows_the_same_result_its_own_way() -> None:
    worker = answering(ada, PublishedOperation(V3, lambda person: Name(person.name)), V4)
    async with running(worker) as bus:
        replies = [await bus.call("acme", lookup(version.id)) for version in (V3, V4)]
    assert [msgspec.json.decode(reply.data) for reply in replies if isinstance(reply, Found)] == [
        {"name": "Ada"},
        {"name": "Ada", "age": 36},
    ]


@pytest.mark.parametrize(
    "reply", [NotFound("nobody"), Rejected("00380", {"code": 1}), Failed("upstream_internal", retry_in_s=3)]
)
async def test_any_other_reply_passes_as_it_is(reply: Reply) -> None:
    async def handler(_: Question[Identifiant]) -> Reply:
        return reply

    assert await reply_of(handler) == reply


async def test_an_upstream_error_is_a_failure_and_one_log_line_without_values(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Question[Identifiant]) -> Person:
        raise UpstreamError("upstream_malformed", field="$.holder", cause="ValidationError", retry_in_s=7)

    assert await reply_of(handler) == Failed("upstream_malformed", retry_in_s=7)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "no proper answer")
    assert vars(record)["field"] == "$.holder"


@pytest.mark.parametrize("broken", [KeyError("KERVALLAN"), None])
async def test_a_handler_that_breaks_or_returns_nothing_is_a_bug_without_values(
    broken: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: Question[Identifiant]) -> Any:
        if broken is not None:
            raise broken

    assert await reply_of(handler) == Failed("worker_bug")
    assert "worker bug" in caplog.text and "KERVALLAN" not in caplog.text


@pytest.mark.parametrize("changed", [{"operation": "acme_v9"}, {"identity": Ine(ine="0123456789A")}])
async def test_what_was_not_offered_is_not_answered(changed: dict[str, Any]) -> None:
    assert await reply_of(ada, lookup(**changed)) == Failed("malformed_request")


async def test_a_worker_describes_itself() -> None:
    worker = answering(ada, PublishedOperation(V3, lambda person: Name(person.name)), V4)
    async with running(worker) as bus:
        reply = await bus.call("acme", Describe(id="1", deadline=Deadline.after(5).at))
    assert isinstance(reply, Found)
    assert msgspec.json.decode(reply.data, type=Offer) == Offer(
        provider="acme",
        owner="team-acme",
        authority=Authority("ACME", "90"),
        operations=(V3, V4),
        problems={"nobody": NOBODY},
    )


# Declarations that cannot work


def test_an_upstream_that_nobody_declared_is_refused_at_once() -> None:
    async def handler(_: Question[Identifiant], poeple: Upstream) -> Person:
        return Person("Ada", 36)

    with pytest.raises(TypeError, match="handler takes poeple, which no @worker.upstream"):
        acme().answers(V4)(handler)


def test_a_handler_asks_as_many_upstreams_as_it_takes() -> None:
    async def handler(_: Question[Identifiant], api: Upstream) -> Person:
        return Person("Ada", 36)

    with pytest.raises(TypeError, match="takes 1 upstreams, and asks 2"):
        acme().answers(V4, asking=["people", "ages"])(handler)


def test_an_operation_has_one_handler() -> None:
    worker = answering(ada)
    with pytest.raises(TypeError, match="acme_v4 has two handlers"):
        worker.answers(V4)(ada)


def test_an_upstream_has_a_name_of_its_own() -> None:
    worker = acme()

    def people(settings: Settings) -> Upstream:
        return Upstream("again", settings.url)

    with pytest.raises(TypeError, match="two upstreams are called people"):
        worker.upstream(people)


# Settings


def problems_of(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        acme().settings(environ)
    return raised.value.problems


def test_a_misspelt_variable_is_an_error_and_not_a_default() -> None:
    environ = {"BOUQUET_ACME_URL": "http://x", "BOUQUET_ACME_KEY": "k", "BOUQUET_ACME_DAY": "2"}
    assert problems_of(environ) == ["BOUQUET_ACME_DAY: unknown setting; is it BOUQUET_ACME_DAYS?"]


def test_everything_missing_or_wrong_is_named_together_and_no_value_shown() -> None:
    problems = problems_of({"BOUQUET_ACME_DAYS": "kept-to-ourselves", "BOUQUET_ACME_CONCURRENCY": "many"})
    assert sorted(line.partition(":")[0] for line in problems) == [
        "BOUQUET_ACME_CONCURRENCY",
        "BOUQUET_ACME_DAYS",
        "BOUQUET_ACME_KEY",
        "BOUQUET_ACME_URL",
    ]
    assert "kept-to-ourselves" not in str(problems)


async def test_with_wrong_settings_nothing_starts() -> None:
    bus = MemoryBus()
    with pytest.raises(SettingsError):
        async with answering(ada).running(bus, {}):
            pass
    assert await bus.call("acme", lookup()) == Failed("not_deployed")


def test_a_secret_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    settings = acme().settings({"BOUQUET_ACME_URL": "http://x", "BOUQUET_ACME_KEY_FILE": str(tmp_path / "key")})
    assert isinstance(settings, Settings) and settings.key.reveal() == "from a file"

"""Tests of workers: how an author declares them, and their replies on the bus."""

from __future__ import annotations

import asyncio
import time
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
from msgspec import Struct, structs

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.listen import listening
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import Failure, Kind
from bouquet_proto.identity import Identifiant, Identity, Ine
from bouquet_proto.limits import ReplyLimits
from bouquet_proto.messages import Caller, Describe, Failed, Found, Lookup, NotFound, Parameter, Rejected, Reply
from bouquet_proto.offer import Authority, Offer, Operation, digest_of, operation, unlisted_fields
from bouquet_proto.rules import Check
from bouquet_worker import (
    PublishedOperation,
    Question,
    Upstream,
    UpstreamClient,
    UpstreamError,
    Worker,
    WorkerSettings,
    paris_today,
)
from tests.support.raw_http_server import raw_server, say_nothing
from tests.support.waiting import TEST_TIMEOUT_S

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
        open_fields=("age",) if data is Person else (),
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


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(request.path)

    app = web.Application()
    app.router.add_get("/{any:.*}", echo)
    async with listening(app, "127.0.0.1", 0) as url:
        yield url


def lookup(
    operation: str = V4.id, identity: Identity | None = None, parameters: Mapping[str, Parameter] | None = None
) -> Lookup:
    return Lookup(
        id="5f1c",
        deadline=Deadline.after(TEST_TIMEOUT_S).at,
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


# What a handler receives


async def test_a_handler_receives_every_part_of_the_question() -> None:
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


def test_today_is_the_date_in_paris() -> None:
    with time_machine.travel("2026-04-14T22:30:00+00:00"):
        assert paris_today() == TODAY


async def test_a_handler_gets_the_upstreams_that_it_names_whatever_their_order() -> None:
    async def handler(_: Question[Identifiant], ages: UpstreamClient, people: UpstreamClient) -> Name:
        first, second = await ages.get(), await people.get()
        return Name(f"{first.decode(str)} {second.decode(str)}")

    async with echoing() as url, running(answering(handler), url) as bus:
        reply = await bus.call("acme", lookup())
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "/ages /people"}


async def test_a_handler_may_share_its_code_with_another() -> None:
    async def handler(_: Question[Identifiant], people: UpstreamClient, *, name: str) -> Name:
        return Name(name)

    reply = await reply_of(partial(handler, name="Grace"))
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "Grace"}


async def test_a_shared_handler_receives_the_upstreams_that_its_declaration_names() -> None:
    asked: list[UpstreamClient] = []

    async def handler(_: Question[Identifiant], api: UpstreamClient) -> NotFound:
        asked.append(api)
        return NotFound("nobody")

    worker = acme()
    worker.answers(V3, asking=["people"])(handler)
    worker.answers(V4, asking=["ages"])(handler)
    async with running(worker) as bus:
        for version in (V3, V4):
            assert await bus.call("acme", lookup(version.id)) == NotFound("nobody")
    assert asked[0] is not asked[1]


# Settings of the worker that apply to its upstreams


async def test_an_upstream_is_called_as_often_in_a_minute_as_the_settings_allow() -> None:
    async def handler(_: Question[Identifiant], people: UpstreamClient) -> Name:
        return Name((await people.get()).decode(str))

    async with echoing() as url, running(answering(handler), url, upstream_calls_per_minute="1") as bus:
        replies = [await bus.call("acme", lookup()) for _ in range(2)]
    assert [type(reply) for reply in replies] == [Found, Failed]
    assert isinstance(replies[1], Failed) and replies[1].reason == "quota_spent"


async def test_an_upstream_sees_as_many_calls_at_a_time_as_the_settings_allow() -> None:
    inside = most = 0
    pairs = asyncio.Barrier(2)

    async def count(_: web.Request) -> web.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await pairs.wait()
        await asyncio.sleep(0.01)  # for a third call, if there were one
        inside -= 1
        return web.Response()

    async def handler(_: Question[Identifiant], people: UpstreamClient) -> NotFound:
        await asyncio.gather(*(people.get() for _ in range(6)))
        return NotFound("nobody")

    app = web.Application()
    app.router.add_get("/people", count)
    async with listening(app, "127.0.0.1", 0) as url, running(answering(handler), url, concurrency="2") as bus:
        assert await bus.call("acme", lookup()) == NotFound("nobody")
    assert most == 2


async def first_to_give_up(own_timeout_s: float, worker_timeout_s: str) -> str:
    """Calls two silent upstreams at once, `people` and `own`. Returns the name of the one whose call times out
    first."""
    first = ""

    async def handler(_: Question[Identifiant], people: UpstreamClient, own: UpstreamClient) -> NotFound:
        nonlocal first
        calls = {asyncio.create_task(people.get()): "people", asyncio.create_task(own.get()): "own"}
        done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for call in pending:
            call.cancel()
        [first] = [calls[call] for call in done if isinstance(call.exception(), UpstreamError)]
        return NotFound("nobody")

    worker = acme()
    worker.upstream(lambda settings: Upstream("own", settings.url, timeout_s=own_timeout_s), "own")
    worker.answers(V4)(handler)
    async with (
        raw_server(say_nothing) as server,
        running(worker, server.url, timeout_s=worker_timeout_s) as bus,
    ):
        assert await bus.call("acme", lookup()) == NotFound("nobody")
    return first


async def test_a_call_ends_by_the_time_limit_of_the_settings() -> None:
    assert await first_to_give_up(own_timeout_s=3600, worker_timeout_s="0.1") == "people"


async def test_a_time_limit_of_the_upstream_counts_more_than_that_of_the_settings() -> None:
    assert await first_to_give_up(own_timeout_s=0.1, worker_timeout_s="3600") == "own"


# What an upstream may be made of


async def test_an_upstream_may_be_made_of_upstreams_declared_above_it() -> None:
    class Both:
        def __init__(self, people: UpstreamClient, ages: UpstreamClient) -> None:
            self.apis = people, ages

    worker = acme()

    @worker.upstream
    def both(_: Settings, ages: UpstreamClient, people: UpstreamClient) -> Both:
        return Both(people, ages)

    @worker.answers(V4)
    async def handler(_: Question[Identifiant], both: Both) -> Name:
        return Name(" ".join([(await api.get()).decode(str) for api in both.apis]))

    async with echoing() as url, running(worker, url) as bus:
        reply = await bus.call("acme", lookup())
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "/people /ages"}


async def test_an_upstream_that_is_a_context_manager_is_entered_and_left_with_the_worker() -> None:
    events: list[str] = []
    worker = acme()

    @worker.upstream
    @asynccontextmanager
    async def archive(_: Settings) -> AsyncIterator[str]:
        events.append("entered")
        yield "of the archive"
        events.append("left")

    @worker.answers(V4)
    async def handler(_: Question[Identifiant], archive: str) -> Name:
        events.append(archive)
        return Name("Ada")

    async with running(worker) as bus:
        await bus.call("acme", lookup())
    assert events == ["entered", "of the archive", "left"]


def test_an_upstream_cannot_be_made_of_an_undeclared_one() -> None:
    def both(_: Settings, poeple: UpstreamClient) -> str:
        return ""

    with pytest.raises(TypeError, match="both takes poeple, which no @worker.upstream above it declares"):
        acme().upstream(both)


# What a handler answers


async def test_a_handler_s_result_is_the_data_of_the_reply() -> None:
    reply = await reply_of(ada)
    assert isinstance(reply, Found) and msgspec.json.decode(reply.data) == {"name": "Ada", "age": 36}


async def test_published_gives_the_view_and_the_result_of_each_version() -> None:
    older = PublishedOperation(V3, lambda person: Name(person.name), Person)
    published = answering(ada, older, V4).published
    shown = {name: one.view(Person("Ada", 36)) for name, one in published.items()}
    assert shown == {V3.id: Name("Ada"), V4.id: Person("Ada", 36)}
    assert published[V3.id].result is Person


async def test_each_version_publishes_the_same_result_by_its_own_view() -> None:
    worker = answering(ada, PublishedOperation(V3, lambda person: Name(person.name)), V4)
    async with running(worker) as bus:
        replies = [await bus.call("acme", lookup(version.id)) for version in (V3, V4)]
    assert [msgspec.json.decode(reply.data) for reply in replies if isinstance(reply, Found)] == [
        {"name": "Ada"},
        {"name": "Ada", "age": 36},
    ]


@pytest.mark.parametrize(
    "reply",
    [NotFound("nobody"), Rejected("00380", {"provider_error_code": 1}), Failed("upstream_internal", retry_in_s=3)],
)
async def test_a_reply_that_a_handler_returns_is_sent_unchanged(reply: Reply) -> None:
    async def handler(_: Question[Identifiant]) -> Reply:
        return reply

    assert await reply_of(handler) == reply


async def test_an_upstream_error_is_a_failure_and_one_log_line_without_values(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Question[Identifiant]) -> Person:
        raise UpstreamError("upstream_malformed", field="$.holder", cause="ValidationError", retry_in_s=7)

    assert await reply_of(handler) == Failed("upstream_malformed", retry_in_s=7)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "upstream gave no usable answer")
    assert vars(record)["field"] == "$.holder"


async def test_a_handler_that_breaks_is_a_bug_without_values(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Question[Identifiant]) -> Any:
        raise KeyError("KERVALLAN")

    assert await reply_of(handler) == Failed("worker_bug")
    assert "worker bug" in caplog.text and "KERVALLAN" not in caplog.text


async def test_a_handler_that_returns_nothing_is_a_bug_and_named_by_its_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(_: Question[Identifiant]) -> Any:
        pass

    assert await reply_of(handler) == Failed("worker_bug")
    [told] = [vars(record) for record in caplog.records if record.message == "handler returned nothing"]
    assert told["at"] == f"test_worker.py:{handler.__code__.co_firstlineno}"


@pytest.mark.parametrize("changed", [{"operation": "acme_v9"}, {"identity": Ine(ine="0123456789A")}])
async def test_a_request_for_an_operation_or_an_identity_that_is_not_offered_is_malformed(
    changed: dict[str, Any],
) -> None:
    assert await reply_of(ada, lookup(**changed)) == Failed("malformed_request")


async def test_a_worker_answers_describe_with_its_offer() -> None:
    worker = answering(ada, PublishedOperation(V3, lambda person: Name(person.name)), V4)
    async with running(worker) as bus:
        reply = await bus.call("acme", Describe(id="1", deadline=Deadline.after(TEST_TIMEOUT_S).at))
    assert isinstance(reply, Found)
    assert msgspec.json.decode(reply.data, type=Offer) == Offer(
        provider="acme",
        owner="team-acme",
        authority=Authority("ACME", "90"),
        operations=(V3, V4),
        problems={"nobody": NOBODY},
    )


# Declarations that cannot work


def test_a_handler_that_takes_an_undeclared_upstream_is_refused_at_once() -> None:
    async def handler(_: Question[Identifiant], poeple: UpstreamClient) -> Person:
        return Person("Ada", 36)

    with pytest.raises(TypeError, match="handler takes poeple, which no @worker.upstream"):
        acme().answers(V4)(handler)


def test_a_handler_must_take_the_identity_of_its_operation() -> None:
    async def by_ine(question: Question[Ine]) -> Person:
        return Person("Ada", 36)

    async def by_either(question: Question[Ine] | Question[Identifiant]) -> Person:
        return Person("Ada", 36)

    with pytest.raises(
        TypeError, match=r"by identifiant: its handler must take Question\[Identifiant\], and not .*Ine"
    ):
        answering(by_ine)
    with pytest.raises(TypeError, match="by identifiant: its handler must take"):
        answering(partial(by_ine))
    assert answering(by_either).offer().operations == (V4,)


def test_asking_must_name_as_many_upstreams_as_the_handler_takes() -> None:
    async def handler(_: Question[Identifiant], api: UpstreamClient) -> Person:
        return Person("Ada", 36)

    with pytest.raises(TypeError, match="takes 1 upstreams, but `asking` names 2"):
        acme().answers(V4, asking=["people", "ages"])(handler)


def test_a_field_without_a_scope_that_is_not_declared_open_is_refused() -> None:
    forgotten = publishing(5, Person)
    forgotten = structs.replace(forgotten, fields={"name": ("acme",)}, open_fields=())
    with pytest.raises(TypeError, match="acme_v5 publishes age, for which `fields` names no scope"):
        answering(ada, forgotten)


@pytest.mark.parametrize(
    ("schema", "unlisted"),
    [
        ({"properties": {"a": {"type": "string"}, "b": {"type": "null"}}}, ("a",)),
        ({"properties": {"in": {"properties": {"a": {"type": "string"}, "known": {"type": "string"}}}}}, ("in.a",)),
        ({"properties": {"known": {"properties": {"a": {"type": "string"}}}}}, ()),
        ({"properties": {"open": {"type": "string"}}}, ()),
        ({"type": "array", "items": {"properties": {"a": {"type": "string"}}}}, ("a",)),
        ({"properties": {"l": {"anyOf": [{"items": {"properties": {"a": {}}}}, {"type": "null"}]}}}, ("l.a",)),
    ],
)
def test_fields_without_a_scope_are_found_through_lists_and_nullables(
    schema: dict[str, Any], unlisted: tuple[str, ...]
) -> None:
    fields = {"known": ("acme",), "in.known": ("acme",)}
    one = structs.replace(publishing(3), schema=schema, fields=fields, open_fields=("open",))
    assert unlisted_fields(one) == unlisted


def test_an_operation_cannot_have_two_handlers() -> None:
    worker = answering(ada)
    with pytest.raises(TypeError, match="acme_v4 has two handlers"):
        worker.answers(V4)(ada)


def test_two_upstreams_cannot_have_one_name() -> None:
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


def test_all_missing_and_wrong_settings_are_named_together_without_their_values() -> None:
    problems = problems_of({"BOUQUET_ACME_DAYS": "kept-to-ourselves", "BOUQUET_ACME_CONCURRENCY": "many"})
    assert sorted(line.partition(":")[0] for line in problems) == [
        "BOUQUET_ACME_CONCURRENCY",
        "BOUQUET_ACME_DAYS",
        "BOUQUET_ACME_KEY",
        "BOUQUET_ACME_URL",
    ]
    assert "kept-to-ourselves" not in str(problems)


async def test_a_worker_with_wrong_settings_does_not_start() -> None:
    bus = MemoryBus()
    with pytest.raises(SettingsError):
        async with answering(ada).running(bus, {}):
            pass
    assert await bus.call("acme", lookup()) == Failed("not_deployed")


def test_a_secret_setting_may_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    settings = acme().settings({"BOUQUET_ACME_URL": "http://x", "BOUQUET_ACME_KEY_FILE": str(tmp_path / "key")})
    assert isinstance(settings, Settings) and settings.key.reveal() == "from a file"


# Limits of gateways


async def too_long(_: Question[Identifiant]) -> Person:
    return Person("a" * 70_000, 30)


async def talkative(_: Question[Identifiant]) -> NotFound:
    return NotFound("nobody", {"name": "DURANT"})


@pytest.mark.parametrize(("handler", "excess"), [(too_long, "too large"), (talkative, "meta not allowed")])
async def test_a_reply_beyond_its_limits_is_a_failure_and_an_error_in_the_worker_s_log(
    handler: Any, excess: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(answering(handler)) as bus:
        assert await bus.call("acme", lookup()) == Failed("malformed_reply")
    [told] = [record for record in caplog.records if record.message == "reply beyond its limits"]
    assert (told.__dict__["provider"], told.__dict__["operation"], told.__dict__["excess"]) == ("acme", V4.id, excess)
    assert "DURANT" not in caplog.text


async def test_an_operation_with_higher_limits_sends_a_longer_reply() -> None:
    more = structs.replace(V4, reply=ReplyLimits(size_bytes=100_000))
    async with running(answering(too_long, more)) as bus:
        assert isinstance(await bus.call("acme", lookup()), Found)


async def test_an_offer_too_large_for_gateways_is_an_error_in_the_worker_s_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    published = [
        structs.replace(V4, id=f"acme_{number}", path=f"/v4/acme/{number}/identifiant") for number in range(101)
    ]
    async with running(answering(too_long, *published)):
        pass
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "offer too large for gateways"
    ]


# Verdict of gateways on the offer


async def test_a_worker_is_not_ready_while_a_gateway_refuses_a_part_of_its_offer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, environ = MemoryBus(), {"BOUQUET_ACME_URL": "http://x", "BOUQUET_ACME_KEY": "k"}
    refused = ("path already served: acme_v4",)

    async def tell(digest: str, *refused: str) -> None:
        await bus.call("acme", Describe(id="1", deadline=time.time() + 60, offer=digest, refused=refused))

    async with answering(ada).running(bus, environ) as worker:
        offer = await bus.call("acme", Describe(id="1", deadline=time.time() + 60))
        assert isinstance(offer, Found)
        digest = digest_of(bytes(offer.data))
        await tell(digest, *refused)
        assert worker.unmet_condition() == {"status": "offer refused", "for": refused}
        await tell("of the former worker")
        assert worker.unmet_condition(), "the verdict was about another offer"
        await tell(digest, *refused)
        await tell(digest)
        assert worker.unmet_condition() == {}
    told = [(record.message, record.__dict__.get("refused")) for record in caplog.records]
    assert told.count(("gateway refuses offer", refused)) == 1

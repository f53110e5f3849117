"""Tests that no log, span, metric, redis key or error contains personal data. All personas are asked about, all
failures are provoked, and every output is searched."""

from __future__ import annotations

import asyncio
import re
import unicodedata
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from aiohttp import ClientSession, web
from msgspec import Struct, structs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redis.asyncio import Redis

from bouquet_cnaf.personas import PERSONAS as FILES
from bouquet_cnaf.personas import Dossier
from bouquet_gateway.stores.cache_memory import MemoryCache
from bouquet_hub.personas import PERSONAS, File
from bouquet_mesh.listen import listening
from bouquet_mesh.secret import Secret
from bouquet_proto.access_record import Access
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, RECIPIENT, TOKEN_KEY, Answer, GatewayClient, token
from tests.support.mesh import mesh, short_upstream_timeouts
from tests.support.mesh_with_journal import mesh_with_journal
from tests.support.people import CAF_ALLOCATAIRE, query_for, staged_query
from tests.support.processes import Process, process_mesh
from tests.support.redis import RedisServer
from tests.support.spans import recorded_spans, span_text

V2 = "/api/v2/composition-familiale"
SOON_GIVING_UP = short_upstream_timeouts("cnaf", "msa", after_s=1.0) | {"BOUQUET_CNAF_SOAP_TIMEOUT_S": "1.0"}
OUTCOMES = (
    "FOUND",
    "NO-FILE",
    "UNATTACHED",
    "UNIDENTIFIED",
    "REJECTED",
    "OUT-OF-PERIOD",
    "INCOMPLETE",
    "TECHNICAL",
    "TROUBLED",
)
FAULTS = (
    "INTERNAL",
    "RATE-LIMITED",
    "UNAVAILABLE",
    "GATEWAY-TIMEOUT",
    "REDIRECT",
    "HTML",
    "TRUNCATED",
    "EMPTY",
    "SLOW",
    "CUT",
)

# Somebody who is in no simulator, and whose every value is like nothing else.
WITNESS: dict[str, Any] = {
    "recipient": RECIPIENT,
    "nomNaissance": "Zwärtekuhl",
    "nomUsage": "Quévyrolles",
    "prenoms[]": ["Xélophine", "Ygoberte"],
    "anneeDateNaissance": 1907,
    "moisDateNaissance": 10,
    "jourDateNaissance": 27,
    "sexeEtatCivil": "F",
    "codeCogInseePaysNaissance": "99100",
    "nomCommuneNaissance": "Vroncourt-les-Bûches",
    "codeCogInseeDepartementNaissance": "52",
}
NAMES = ("Zwärtekuhl", "Quévyrolles", "Xélophine", "Ygoberte", "Vroncourt")
TOKENS = (token(), token(valid_s=-1), token(key=Secret("the key of somebody else altogether")))
NAUGHTY: dict[str, dict[str, Any]] = {
    "unknown parameter": {"params": {**CAF_ALLOCATAIRE, "Zwärtekuhl": "Quévyrolles"}},
    "wrong type": {"query": "recipient=13002526500013&nomNaissance[]=Zw%C3%A4rtekuhl&prenoms=X%C3%A9lophine"},
    "wrong bytes": {"query": "recipient=13002526500013&nomNaissance=Zw%E4rtekuhl"},
    "wrong values": {"params": {**WITNESS, "sexeEtatCivil": "Ygoberte", "jourDateNaissance": "Zwärtekuhl"}},
    "endless": {"params": {**WITNESS, "nomNaissance": "Zwärtekuhl" * 1000}},
    "unknown path": {"path": "/v3/dss/Zw%C3%A4rtekuhl/identite", "params": WITNESS},
    "unknown version": {"path": QUOTIENT_FAMILIAL_PATH.replace("v3", "v9"), "params": WITNESS},
    "method": {"method": "POST", "params": WITNESS, "body": "Zwärtekuhl".encode()},
    "unknown method": {"method": "ZWARTEKUHL", "params": WITNESS},
    "request id": {"params": WITNESS, "headers": {"X-Request-Id": "Zwärtekuhl"}},
    "traceparent": {"params": WITNESS, "headers": {"traceparent": "00-Zwärtekuhl-1-01", "tracestate": "a=Zwartekuhl"}},
    "agent": {"params": WITNESS, "headers": {"User-Agent": "Zwärtekuhl", "Referer": "https://x/?nom=Zwärtekuhl"}},
    "token": {"params": WITNESS, "token": "Zwärtekuhl.Xélophine.Ygoberte"},
    "token in the query": {"params": {**WITNESS, "token": TOKENS[0]}, "token": ""},
    "expired token": {"params": WITNESS, "token": TOKENS[1]},
    "foreign token": {"params": WITNESS, "token": TOKENS[2]},
    "other scopes": {"params": WITNESS, "scopes": ["Zwärtekuhl"]},
    "head": {"method": "HEAD", "params": WITNESS},
}  # fmt: skip


class Values(Struct, frozen=True):
    """Personal data that outputs must not contain: `texts` may not occur anywhere, and `words`, which are short or all
    digits, may not occur as whole words."""

    # `words` are not searched for in redis, because encrypted bytes may contain them by chance.

    texts: frozenset[str]
    words: frozenset[str]

    def found_in(self, text: str) -> set[str]:
        plain = IDS.sub("", folded(text))
        return self._texts_in(plain) | (self.words & set(re.findall(r"\w+", plain)))

    def found_in_sealed(self, data: bytes) -> set[str]:
        return self._texts_in(folded(data.decode("utf-8", "replace")))

    def _texts_in(self, plain: str) -> set[str]:
        return {value for value in self.texts if value in plain}


IDS = re.compile(r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}")
"""Pattern of random ids, whose digits may look like personal data."""


def folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def secrets_of_people(client: GatewayClient) -> Values:
    said = {*NAMES, *(value for persona in PERSONAS for value in personal_data_of(persona)), *file_values()}
    pieces = {folded(piece) for value in said for piece in (value, *re.split(r"[ '/-]", value))} - COMMON
    whole = {piece for piece in pieces if len(piece) > 5 and not piece.isdigit()}
    words = {piece for piece in pieces - whole if len(piece) > (4 if piece.isdigit() else 3)}
    encoded = {folded(code(name)) for name in NAMES for code in (quote, quote_plus, repr)}
    tokens = {part.casefold() for text in (client.token, *TOKENS) for part in (text, text.split(".")[2])}
    others = tokens | {folded(TOKEN_KEY.reveal()), "nomnaissance="}
    births = {persona.who.naissance for persona in PERSONAS} | {"1907-10-27", "19071027", "27/10/1907"}
    return Values(frozenset(whole | encoded | others | births), frozenset(words))


COMMON = frozenset({"france", "madame", "monsieur", "00000", "35000"})
"""Values in the data of personas for which outputs are not searched, because outputs contain them for other reasons
too. For example, 35000 is both a postcode and an error code."""


def personal_data_of(persona: Any) -> Iterator[str]:
    """Yields the personal data of a persona and its household."""
    yield from (persona.who.nom, *persona.who.prenoms.split(), persona.commune)
    for said in persona.answers.values():
        if isinstance(said, File):
            yield from texts_in(said.body)


def texts_in(node: Any) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for value in node.values():
                yield from texts_in(value)
        case list() | tuple():
            for value in node:
                yield from texts_in(value)


def file_values() -> Iterator[str]:
    for key, said in FILES.items():
        if isinstance(said, Dossier):
            yield from (key.numero, key.code_postal, *said.lines)
            yield from (text for person in (*said.persons, *said.children) for text in (person.name, person.born))


async def provoke_everything(client: GatewayClient) -> list[Answer]:
    """Asks about every persona, provokes every failure and every kind of invalid request, and returns the answers."""
    questions: list[dict[str, Any]] = [{"params": query_for(persona)} for persona in PERSONAS]
    questions += [{"params": staged_query(f"CAF-{said} MSA-NO-FILE")} for said in (*OUTCOMES, *FAULTS)]
    questions += [{"params": staged_query(f"CAF-NO-FILE MSA-{said}")} for said in (*OUTCOMES, *FAULTS)]
    questions += [{"params": staged_query(f"CAF-{said} MSA-{said}")} for said in (*OUTCOMES, *FAULTS)]
    questions += [{"path": V2, "params": numbers(*key)} for key in FILES]
    questions += [{"path": V2, "params": numbers(f"{n:05}", "00500")} for n in range(1, 11)]
    questions += [{"path": V2, "params": numbers(code, "00000")} for code in ("00133", "00103", "00221", "00999")]
    questions += [{"path": V2, "params": numbers("4471820", "Zwärtekuhl")}]
    questions += [{"params": WITNESS}, {"params": WITNESS}, {"params": CAF_ALLOCATAIRE}, {"path": "/api/introspect"}]
    questions += NAUGHTY.values()
    return [await client.get(**question) for question in questions]


def numbers(numero: str, code_postal: str) -> dict[str, str]:
    return {"numeroAllocataire": numero, "codePostal": code_postal}


def errors_of(answers: list[Answer]) -> str:
    return "\n".join(f"{answer.body.decode()} {dict(answer.headers)}" for answer in answers if answer.status != 200)


def labels_of(metrics: str) -> str:
    """Returns the names and labels of the metrics. The numbers are left out, because they may look like personal
    data."""
    return "\n".join(line.rpartition(" ")[0] for line in metrics.splitlines())


def unstamped(process: Process) -> str:
    """Returns the log of a process without times, ids and ports, because these may look like personal data."""
    ours = ("timestamp", "trace_id", "request_id", "duration_ms", "pid", "port", "health_url")
    lines = [{name: value for name, value in line.items() if name not in ours} for line in process.lines]
    return str(lines) + "".join(line for line in process.output.splitlines() if not line.startswith("{"))


def unstamped_spans(exported: bytes) -> str:
    """Returns as text the spans that a process exported. Times, ids and ports are left out, because these may look like
    personal data."""
    told = ExportTraceServiceRequest.FromString(exported)
    spans = [span for resource in told.resource_spans for scope in resource.scope_spans for span in scope.spans]
    resources = [attributes_of(one.resource) for one in told.resource_spans]
    events = [(event.name, attributes_of(event)) for span in spans for event in span.events]
    return str([resources, events, [(span.name, span.status.message, attributes_of(span)) for span in spans]])


def attributes_of(told: Any) -> dict[str, Any]:
    """Returns OTLP attributes (a list of `KeyValue`) as a dict, without the port."""
    # The digits of the port may look like personal data.
    pairs = ((pair.key, getattr(pair.value, pair.value.WhichOneof("value"))) for pair in told.attributes)
    return {key: value for key, value in pairs if key != "server.port"}


class Collector:
    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def collect(self, request: web.Request) -> web.Response:
        self.received.append(await request.read())
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    collector, app = Collector(), web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/traces", collector.collect)
    async with listening(app, "127.0.0.1", 0) as url:
        yield collector, url


async def fetched(url: str) -> str:
    async with ClientSession() as session, session.get(url) as response:
        return await response.text()


@pytest.mark.broker
async def test_no_personal_data_is_in_logs_metrics_or_spans_of_processes(
    broker_url: str, redis_server: RedisServer
) -> None:
    async with (
        collecting() as (collector, collector_url),
        process_mesh(broker_url, BOUQUET_LOG_LEVEL="DEBUG", OTEL_EXPORTER_OTLP_ENDPOINT=collector_url) as system,
    ):
        workers = await asyncio.gather(*(system.worker(fund, **SOON_GIVING_UP) for fund in ("cnaf", "msa")))
        gateway, client = await system.gateway(cache_url=redis_server.url, deadline_s=20.0)
        answers = await provoke_everything(client)
        urls = [
            f"{client.url}/metrics",
            *[worker.logged("worker started")[0]["health_url"] + "/metrics" for worker in workers],
        ]
        metrics = labels_of("\n".join([await fetched(url) for url in urls]))
        async with Redis.from_url(redis_server.url) as redis:
            kept = {key: await redis.dump(key) for key in await redis.keys("*")}
        for process in system.processes:
            await process.stop()
    values = secrets_of_people(client)
    left = {
        "errors": errors_of(answers),
        "logs": "\n".join(map(unstamped, system.processes)),
        "spans": "\n".join(map(unstamped_spans, collector.received)),
        "metrics": metrics,
        "keys": "\n".join(map(str, kept)),
    }
    sealed = b"\n".join(filter(None, kept.values()))
    assert sealed and values.found_in_sealed(sealed) == set()
    assert {where: found for where, text in left.items() if (found := values.found_in(text))} == {}
    # Nothing was found because there was nothing, and not because nothing was looked at.
    assert {answer.status for answer in answers} >= {200, 400, 401, 403, 404, 413, 422, 502, 504}
    assert not any(answer.status == 500 for answer in answers)
    assert all(left.values())
    assert "process cnaf" in left["spans"] and "GET /qf" in left["spans"]
    assert "request answered" in left["logs"] and "request handled" in left["logs"]
    assert len(kept) > 20


async def test_no_personal_data_is_in_spans_records_or_keys_of_the_embedded_mesh(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    keys, keep = set[str](), MemoryCache.set

    async def overheard(cache: MemoryCache, key: str, value: bytes, ttl_s: float) -> None:
        keys.add(key)
        await keep(cache, key, value, ttl_s)

    monkeypatch.setattr(MemoryCache, "set", overheard)
    with recorded_spans() as spans:
        async with mesh_with_journal(tmp_path, environ=SOON_GIVING_UP) as client:
            answers = await provoke_everything(client)
            reached = [answer for answer in answers if not UNRECORDED.search(answer.body)]
            accesses = await client.records(len(reached))
            metrics = labels_of((await client.get("/metrics")).body.decode())
    values = secrets_of_people(client)
    ours = [record for record in caplog.records if record.name.startswith("bouquet")]
    left = {
        "errors": errors_of(answers),
        "logs": "\n".join(map(log_text_of, ours)),
        "spans": "\n".join(without_ids(span_text(span)) for span in spans.get_finished_spans()),
        "metrics": metrics,
        "keys": "\n".join(keys),
        "journal": "\n".join(map(str, map(without_figures, accesses))),
    }
    assert {where: found for where, text in left.items() if (found := values.found_in(text))} == {}
    assert len(keys) > 20
    assert len(accesses) == len(reached)
    assert len({access.person for access in accesses}) > 20
    assert all(re.fullmatch(r"([\da-f]{64})?", access.person) for access in accesses)
    assert len(spans.get_finished_spans()) > 200


UNRECORDED = re.compile(b'"code":"(00401|00494|00101|51504)"')
"""Pattern of the error codes of calls that leave no access record, such as calls without a valid token."""


def without_figures(access: Access) -> Access:
    """Returns an access record with id, times, trace id and pseudonym removed, because these may look like personal
    data."""
    return structs.replace(access, id="", at=0.0, duration_ms=0.0, trace_id="", person="")


def without_ids(span: str) -> str:
    return re.sub(r'"(0x[0-9a-f]+|\d{4}-\d\d-\d\dT[^"]*)"|"server.port": \d+', "", span)


async def test_the_search_for_personal_data_finds_planted_data() -> None:
    async with mesh() as client:
        values = secrets_of_people(client)
    for leak in (
        "Mme LE GOUADEC",
        "née en 1989-06-14",
        "prenoms=Zw%C3%A4rtekuhl",
        "zwartekuhl",
        "29019",
        "4471820",
        "INES",
    ):
        assert values.found_in(f"...{leak}..."), leak
    assert not values.found_in(f"{uuid.uuid4()} GET {QUOTIENT_FAMILIAL_PATH} bouquet.q.cnaf 200")

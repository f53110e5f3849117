"""Tests of the documents (PDF) of proofs: who gets one, what it shows, and for how long (docs/adr/0021-proofs.md)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from pypdf import PdfReader

from bouquet_gateway.access.address_limit import AddressLimit
from bouquet_gateway.access.rate_limit import MemoryCounters, RateLimiter
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.paris import PARIS
from bouquet_gateway.proofs import pdf
from bouquet_gateway.proofs.document import Document
from bouquet_gateway.proofs.downloads import MAX_UNDER_WAY, ProofDownloads, drawing_thread
from bouquet_gateway.proofs.keys import ring_of
from bouquet_gateway.proofs.proofs import Proofs
from bouquet_gateway.proofs.statement import Row, Section
from bouquet_proto.deadline import Deadline
from tests.support.clock import Clock, skip_time
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.mesh import TODAY, Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.proofs import HOST, PROVING, verified
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime.combine(TODAY, time(12), PARIS)
DOCUMENT = {"X-Generate-Proof": "pdf"}
DOCUMENTS = "/bouquet/v1/proofs/document"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Mesh]:
    async with mesh(**PROVING) as opened:
        yield opened


@pytest.fixture
def client(shared: Mesh) -> Mesh:
    """Returns the mesh that all tests share, at noon of its first day."""
    shared.clock.now = NOON
    return shared


async def documented(client: Mesh, **options: Any) -> Answer:
    answer = await client.get(params=CAF_ALLOCATAIRE, headers=DOCUMENT, **options)
    assert answer.status == 200
    return answer


async def downloaded(client: Mesh, answer: Answer, **headers: str) -> Answer:
    """Follows the link of an answer to its document, without a token."""
    link = urlsplit(answer.json["links"]["attestation_pdf"])
    return await client.get(link.path, query=link.query, token="", headers=headers)


def text_of(file: Answer) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(file.body)).pages)


async def test_a_document_is_downloaded_without_a_token_for_five_minutes(client: Mesh) -> None:
    answer = await documented(client)
    assert answer.json["meta"]["attestation_pdf_url_expires_at"] == NOON.timestamp() + 300
    file = await downloaded(client, answer)
    code = answer.json["meta"]["verification_code"]
    assert (file.status, file.headers["Content-Type"]) == (200, "application/pdf")
    assert file.headers["Content-Disposition"] == f'attachment; filename="attestation_{code}.pdf"'
    assert (file.headers["Cache-Control"], file.headers["X-Robots-Tag"]) == ("no-store", "noindex")
    client.clock.now += timedelta(minutes=5)
    late = await downloaded(client, answer)
    assert (late.status, late.codes) == (410, ["00489"])
    assert (await verified(client, answer)).status == 200


async def test_a_document_shows_the_whole_answer_and_leads_to_its_verification(client: Mesh) -> None:
    answer = await documented(client)
    file = await downloaded(client, answer)
    shown, person = text_of(file), answer.json["data"]["allocataires"][0]
    year, month, day = person["date_naissance"].split("-")
    for text in (
        "ATTESTATION DE QUOTIENT FAMILIAL",
        "Source : CNAF",
        answer.json["meta"]["verification_code"],
        RECIPIENT,
        person["nom_naissance"],
        person["prenoms"],
        f"{day}/{month}/{year}",
        answer.json["data"]["adresse"]["code_postal_ville"],
        str(answer.json["data"]["quotient_familial"]["valeur"]),
    ):
        assert text in shown, text
    assert "République" not in shown
    links = [
        note.get_object()["/A"]["/URI"]
        for page in PdfReader(BytesIO(file.body)).pages
        for note in page.annotations or ()
    ]
    assert links == [answer.json["meta"]["verification_url"]]


async def test_a_document_has_nothing_outside_the_caller_s_scopes(client: Mesh) -> None:
    whole, part = await documented(client), await documented(client, scopes=["cnaf_quotient_familial"])
    name = whole.json["data"]["allocataires"][0]["nom_naissance"]
    assert name in text_of(await downloaded(client, whole))
    shown = text_of(await downloaded(client, part))
    assert ("Mois du quotient" in shown, "Allocataires" in shown, "Adresse" in shown) == (True, False, False)


async def test_neither_a_proof_is_a_document_nor_a_document_a_proof(client: Mesh) -> None:
    answer = await documented(client)
    proof = urlsplit(answer.json["meta"]["verification_url"]).query.partition("=")[2]
    document = urlsplit(answer.json["links"]["attestation_pdf"]).query.partition("=")[2]
    for path, query in (
        (DOCUMENTS, f"document={proof}"),
        ("/bouquet/v1/proofs", f"preuve={document}"),
        (DOCUMENTS, f"document={document[:-1]}"),
        (DOCUMENTS, ""),
    ):
        assert (await client.get(path, query=query, token="")).codes == ["00485"]


async def test_a_gateway_goes_on_while_a_document_is_drawn(client: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, drawn = threading.Event(), threading.Event()

    def held(*_: object, **__: object) -> bytes:
        begun.set()
        drawn.wait(timeout=30)
        return b"%PDF-"

    monkeypatch.setattr(pdf, "pdf_of", held)
    answer = await documented(client)
    downloading = asyncio.create_task(downloaded(client, answer))
    assert await asyncio.to_thread(begun.wait, 30)
    assert (await client.get("/api/ping", token="")).status == 200
    drawn.set()
    assert (await downloading).body == b"%PDF-"


class HeldDownloads:
    """Downloads of one document, whose drawing waits for the event `go_on`. `begun` counts the drawings, and
    `submitted` also those that the executor has not begun."""

    def __init__(self, downloads: ProofDownloads, query: str) -> None:
        self.begun, self.go_on, self.submitted = threading.Semaphore(0), threading.Event(), 0
        self._downloads = downloads
        self._request = HttpRequest(
            method="GET",
            raw_path=DOCUMENTS,
            raw_query=query,
            authorization="",
            api_key="",
            peer="192.0.2.1",
            forwarded_for=(),
            no_cache=False,
        )

    def drawn(self, *_: object, **__: object) -> bytes:
        self.begun.release()
        self.go_on.wait(timeout=30)
        return b"%PDF-"

    async def pdf(self, within_s: float = 30) -> bytes:
        return (await self._downloads.pdf(self._request, Deadline.after(within_s))).content


@pytest_asyncio.fixture(loop_scope="module")
async def held(client: Mesh, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeldDownloads]:
    query = urlsplit((await documented(client)).json["links"]["attestation_pdf"]).query
    keys = ring_of(PROVING["proof_keys"])
    assert keys
    limit = AddressLimit(RateLimiter(MemoryCounters()), "documents", 100, ())
    with drawing_thread() as drawing:
        submit = drawing.submit

        def counted(*work: Any) -> Any:
            future = submit(*work)
            made.submitted += 1
            return future

        monkeypatch.setattr(drawing, "submit", counted)
        made = HeldDownloads(ProofDownloads(Proofs(keys, client.clock, HOST), limit, drawing, is_sandbox=False), query)
        monkeypatch.setattr(pdf, "pdf_of", made.drawn)
        yield made
        made.go_on.set()


async def test_a_drawing_that_nobody_waits_for_any_longer_is_still_the_only_one(
    held: HeldDownloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asyncio.create_task(held.pdf(within_s=30))
    assert await asyncio.to_thread(held.begun.acquire, timeout=30)
    skip_time(monkeypatch, 30)
    with pytest.raises(Problem) as late:
        await first
    assert late.value.reasons == ("overloaded",)
    threads = drawing_threads()
    second = asyncio.create_task(held.pdf())
    await until(lambda: held.submitted == 2)
    assert drawing_threads() == threads  # the second drawing waits, since an executor starts a thread at once
    held.go_on.set()
    assert await second == b"%PDF-"


def drawing_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("proof-document")}


async def test_downloads_beyond_those_under_way_are_refused_at_once(held: HeldDownloads) -> None:
    waiting = [asyncio.create_task(held.pdf()) for _ in range(MAX_UNDER_WAY)]
    assert await asyncio.to_thread(held.begun.acquire, timeout=30)
    with pytest.raises(Problem) as refused:
        await held.pdf()
    assert refused.value.reasons == ("overloaded",)
    held.go_on.set()
    assert await asyncio.gather(*waiting) == [b"%PDF-"] * MAX_UNDER_WAY
    assert await held.pdf() == b"%PDF-"


async def test_the_thread_that_draws_documents_ends_with_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noted(*_: object, **__: object) -> bytes:
        threads.append(threading.current_thread())
        return b"%PDF-"

    monkeypatch.setattr(pdf, "pdf_of", noted)
    async with mesh(**PROVING) as client:
        await downloaded(client, await documented(client))
        assert threads[0].is_alive()
    await until(lambda: not threads[0].is_alive())


async def test_downloads_are_limited_for_each_address() -> None:
    few = PROVING | {"proof_documents_per_minute": 1, "trusted_proxies": ("127.0.0.1",)}
    async with mesh(**few, epoch_s=Clock(1_800_000_000.0)) as client:
        answer = await documented(client)
        first = [await downloaded(client, answer, **{"X-Forwarded-For": "2001:db8::1"}) for _ in range(2)]
        assert [file.status for file in first] == [200, 429]
        assert (await downloaded(client, answer, **{"X-Forwarded-For": "2001:db8::2"})).status == 429
        for network in range(1, 11):
            file = await downloaded(client, answer, **{"X-Forwarded-For": f"2001:db8:0:{network:x}::1"})
            assert file.status == (200 if network < 10 else 429), network


@pytest.mark.parametrize("value", ["x" * 10_000, "x " * 10_000], ids=["one word", "many words"])
async def test_a_value_of_any_length_is_drawn_whole_within_the_pages(value: str) -> None:
    section = Section("Titulaire", ((Row("Nom", value),),))
    document = Document("Titre", "ACME", RECIPIENT, "2026-04-15", "", 0, "", (section,))
    pages = PdfReader(BytesIO(pdf.pdf_of(document, "A1B2-C3D4-E5", f"{HOST}/?preuve=1", is_test=True))).pages
    lines: list[tuple[str, float]] = []
    for page in pages:
        page.extract_text(visitor_text=lambda text, _, at, *__: lines.append((text.strip(), at[5])))
    of_value = [(text, height) for text, height in lines if set(text) in ({"x"}, {"x", " "})]
    assert sum(text.count("x") for text, _ in of_value) == 10_000
    assert max(len(text) for text, _ in of_value) <= 60
    assert min(height for _, height in of_value) > pdf.FOOTER_HEIGHT


async def test_letters_are_drawn_as_they_are_or_without_an_accent_that_the_font_lacks() -> None:
    pdf.register_fonts()
    assert pdf.drawable("Jose\u0301 10\u202f000 \u202eMALO\u200f q\u0301\t!", pdf.REGULAR) == "José 10 000 MALO q !"
    assert pdf.drawable("œ Ÿ Ç É ñ ł š —", pdf.REGULAR) == "œ Ÿ Ç É ñ ł š —"
    assert pdf.drawable("Ősz ā 漢", pdf.REGULAR) == "Osz a ?"

"""Tests of proofs and the registry: an operator revokes a proof by its record in the journal, and every gateway's
verification says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_proto.journal_messages import PROVIDER as JOURNAL
from bouquet_proto.journal_messages import JournalEntry
from bouquet_proto.messages import Found, NotFound, Reply, Request, encode
from bouquet_proto.registry_messages import PROVIDER, Revocation
from bouquet_registry.administration import Administration
from bouquet_registry.journal.audit import prune
from bouquet_registry.journal.entries import answering_about_entries
from bouquet_registry.journal.worker import writing
from bouquet_registry.proofs.administration import revoke_proof
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from bouquet_registry.worker import answering
from tests.registry.api_client import SIGNING_KEY, api_client
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.gateway_client import Answer, unique_token
from tests.support.habilitations import ADMINISTRATOR
from tests.support.mesh import Mesh, mesh
from tests.support.mesh_with_journal import journal_settings, mesh_with_journal
from tests.support.proofs import PAGE, PROVING, proved, verified
from tests.support.registry_commands import Run, refused_command
from tests.support.waiting import TEST_TIMEOUT_S

RECORD = "01a22c389d6167c1a3edc25f3d4dec15"
UNKNOWN_TEXT = "Il est impossible de vérifier pour le moment si cette preuve a été révoquée, veuillez réessayer."


@pytest.fixture
async def client(store: Store, tmp_path: Path) -> AsyncIterator[Mesh]:
    """Runs a mesh whose gateway has a journal and a registry with the database `store`."""
    outbox = MemoryOutbox()
    async with (
        mesh(outbox=outbox, **journal_settings(tmp_path, **PROVING)) as opened,
        answering(opened.workers_bus, store, RegistrySettings()),
        writing(outbox, store),
        answering_about_entries(opened.workers_bus, store),
    ):
        yield opened


async def test_a_revoked_proof_is_said_to_be_revoked_with_the_moment(
    client: Mesh, store: Store, clock: DatetimeClock
) -> None:
    answer, other = [await proved(client, token=unique_token()) for _ in range(2)]
    record = (await verified(client, answer)).json["data"]["entree_journal"]
    await revoke_proof(Administration(store, SIGNING_KEY, clock), ADMINISTRATOR, record)
    said = await verified(client, answer)
    assert (said.status, said.codes) == (410, ["00487"])
    assert said.error["detail"] == "Cette preuve a été révoquée le 15/04/2026 à 14:00 : elle n'est plus valable."
    assert said.error["meta"] == {"revoked_at": "2026-04-15T12:00:00Z"}
    page = await verified(client, answer, **PAGE)
    assert (page.status, "révoquée le 15/04/2026 à 14:00" in page.body.decode()) == (410, True)
    assert b"KER" not in page.body
    assert (await verified(client, other)).status == 200


async def test_a_gateway_that_cannot_ask_whether_a_proof_is_revoked_says_so(tmp_path: Path) -> None:
    async with mesh_with_journal(tmp_path, **PROVING) as client:
        answer = await proved(client, token=unique_token())
        said = await verified(client, answer)
        assert (said.status, said.codes, said.error["detail"]) == (502, ["00488"], UNKNOWN_TEXT)
        page = await verified(client, answer, **PAGE)
        assert (page.status, int(page.headers["Retry-After"]) > 0) == (502, True)
        assert UNKNOWN_TEXT in page.body.decode()


async def test_an_answer_of_the_registry_that_says_nothing_makes_no_proof_valid(tmp_path: Path) -> None:
    replies: list[Reply] = [*(Found(Raw(data)) for data in (b"{}", b"null", b'{"revoked_at": "no"}')), NotFound("x")]

    async def answer(request: Request) -> Reply:
        return replies[0]

    async with mesh_with_journal(tmp_path, **PROVING) as client:
        proof = await proved(client, token=unique_token())
        async with client.workers_bus.serve(PROVIDER, answer, concurrency=1, drain_s=1):
            while replies:
                assert (await verified(client, proof)).codes == ["00488"], replies[0]
                del replies[0]


async def test_a_verification_says_whether_the_journal_still_has_the_proof_s_entry(client: Mesh, store: Store) -> None:
    answer = await proved(client, token=unique_token())
    await until_state(client, answer, "conservee")
    assert await prune(store, time.time() + 60) == 1
    await until_state(client, answer, "plus_conservee")
    page = (await verified(client, answer, **PAGE)).body.decode()
    assert "Entrée plus conservée : la durée de conservation du journal est passée" in page


async def test_a_proof_is_verified_while_the_journal_does_not_answer(store: Store, tmp_path: Path) -> None:
    async with (
        mesh_with_journal(tmp_path, **PROVING) as client,
        answering(client.workers_bus, store, RegistrySettings()),
    ):
        answer = await proved(client, token=unique_token())
        assert (await verified(client, answer)).json["data"]["etat_entree_journal"] == "inconnu"
        assert "Impossible à vérifier pour le moment" in (await verified(client, answer, **PAGE)).body.decode()
        async with answering_about_entries(client.workers_bus, store):
            assert (await verified(client, answer)).json["data"]["etat_entree_journal"] == "absente"


async def test_registry_and_journal_are_asked_about_a_proof_at_the_same_time(tmp_path: Path) -> None:
    journal_asked = asyncio.Event()

    async def registry(_: Request) -> Reply:
        await journal_asked.wait()
        return Found(Raw(encode(Revocation(revoked_at=None))))

    async def journal(_: Request) -> Reply:
        journal_asked.set()
        return Found(Raw(encode(JournalEntry(state="kept"))))

    async with (
        mesh_with_journal(tmp_path, **PROVING) as client,
        client.workers_bus.serve(PROVIDER, registry, concurrency=1, drain_s=1),
        client.workers_bus.serve(JOURNAL, journal, concurrency=1, drain_s=1),
    ):
        answer = await proved(client, token=unique_token())
        assert (await verified(client, answer)).json["data"]["etat_entree_journal"] == "conservee"


async def until_state(client: Mesh, answer: Answer, state: str) -> None:
    """Waits until the verification of an answer's proof says that its record in the journal has this state."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await verified(client, answer)).json["data"]["etat_entree_journal"] != state:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)


async def test_the_api_revokes_a_proof_once_and_lists_it(store: Store, clock: DatetimeClock) -> None:
    async with api_client(store, clock) as api:
        revoked = await api.act("POST", "/proofs/revoke", record=RECORD)
        assert (revoked.status, revoked.json) == (
            200,
            {
                "record": RECORD,
                "revoked_at": "2026-04-15T12:00:00Z",
                "revoked_by": "Anne Durant",
                "revoked_why": "ticket 12",
            },
        )
        assert (await api.get("/proofs/revoked")).json == {"data": [revoked.json], "next": None}
        assert (await api.act("POST", "/proofs/revoke", record=RECORD)).status == 409
        assert (await api.act("POST", "/proofs/revoke", record="a proof")).errors == {("invalid", "record")}
    [act] = await recorded_acts(store, RECORD)
    assert (act.author, act.act, act.reason) == ("Anne Durant", "proof revoke", "ticket 12")


def test_a_command_revokes_a_proof_for_a_reason(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("habilitation", "list")  # creates the tables
    assert "--why: is required" in refused_command(capsys, "proof", "revoke", RECORD, "--why", "", status=2)
    assert "record: is no id" in refused_command(capsys, "proof", "revoke", "A1B2-C3D4-E5", "--why", "forged")
    revoked = run("proof", "revoke", RECORD, "--author", "Anne Durant", "--why", "made for the wrong person")
    assert (revoked["record"], revoked["revoked_by"]) == (RECORD, "Anne Durant")
    assert "revoked already" in refused_command(capsys, "proof", "revoke", RECORD, "--why", "again")
    assert run("proof", "list") == [revoked]
    assert [act["act"] for act in run("act", "list", "--of", RECORD)] == ["proof revoke"]

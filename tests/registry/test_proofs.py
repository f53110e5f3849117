"""Tests of proofs and the registry: an operator revokes a proof by its record in the journal, and every gateway's
verification says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_registry.administration import Administration
from bouquet_registry.proofs.administration import revoke
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from bouquet_registry.worker import answering
from tests.registry.api_client import SIGNING_KEY, api_client
from tests.registry.test_acts import recorded
from tests.registry.test_cli import Run, environ, refused, run
from tests.support.clock import DatetimeClock
from tests.support.gateway_client import unique_token
from tests.support.habilitations import ADMINISTRATOR
from tests.support.mesh import Mesh, mesh
from tests.support.mesh_with_journal import journal_settings, mesh_with_journal
from tests.support.proofs import PAGE, PROVING, proved, verified

__all__ = ["environ", "run"]

RECORD = "01a22c389d6167c1a3edc25f3d4dec15"
UNKNOWN_TEXT = "Il est impossible de vérifier pour le moment si cette preuve a été révoquée, veuillez réessayer."


@pytest.fixture
async def client(store: Store, tmp_path: Path) -> AsyncIterator[Mesh]:
    """Runs a mesh whose gateway has a journal and a registry with the database `store`."""
    outbox = MemoryOutbox()
    async with (
        mesh(outbox=outbox, **journal_settings(tmp_path, **PROVING)) as opened,
        answering(opened.workers_bus, store, RegistrySettings()),
    ):
        yield opened


async def test_a_revoked_proof_is_said_to_be_revoked_with_the_moment(
    client: Mesh, store: Store, clock: DatetimeClock
) -> None:
    answer, other = [await proved(client, token=unique_token()) for _ in range(2)]
    record = (await verified(client, answer)).json["data"]["entree_journal"]
    await revoke(Administration(store, SIGNING_KEY, clock), ADMINISTRATOR, record)
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
    [act] = await recorded(store, RECORD)
    assert (act.author, act.act, act.reason) == ("Anne Durant", "proof revoke", "ticket 12")


def test_a_command_revokes_a_proof_for_a_reason(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("habilitation", "list")  # creates the tables
    assert "reason: is required" in refused(capsys, "proof", "revoke", RECORD)
    assert "record: is no id" in refused(capsys, "proof", "revoke", "A1B2-C3D4-E5", "--why", "forged")
    revoked = run("proof", "revoke", RECORD, "--author", "Anne Durant", "--why", "made for the wrong person")
    assert (revoked["record"], revoked["revoked_by"]) == (RECORD, "Anne Durant")
    assert "revoked already" in refused(capsys, "proof", "revoke", RECORD, "--why", "again")
    assert run("proof", "list") == [revoked]
    assert [act["act"] for act in run("act", "list", "--of", RECORD)] == ["proof revoke"]

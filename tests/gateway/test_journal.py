"""Tests of access records: every call for data leaves one, and it names persons by pseudonyms only."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from prometheus_client import REGISTRY

from bouquet_france_connect.personas import MAELYS
from bouquet_gateway.journal import sender
from bouquet_gateway.journal.keys import keys_of
from bouquet_gateway.journal.record import REFUSALS_PER_MINUTE
from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.identity import Identite
from tests.support import mesh as meshes
from tests.support.france_connect_workers import WORKERS
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, RECIPIENT, token
from tests.support.mesh import mesh
from tests.support.mesh_with_journal import KEY, MeshWithJournal, mesh_with_journal
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, UNKNOWN_PERSON, staged_query
from tests.support.waiting import until

CLOCK_S = 0.01
"""Tolerance, in seconds, for differences between clocks."""
OPERATION = "api_particulier_v3_cnav_quotient_familial_with_civility"
FOUND = Identite(
    nom_naissance="LE GOUADEC",
    prenoms=("MAELYS",),
    annee_date_naissance=1989,
    mois_date_naissance=6,
    jour_date_naissance=14,
)
"""Maëlys's identity in the CAF's answer, which gives neither her sex nor her place of birth."""


@pytest.fixture(autouse=True)
def fast_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PAUSE_S", 0.01)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[MeshWithJournal]:
    async with mesh_with_journal(tmp_path / "spool") as opened:
        yield opened


async def test_a_record_has_token_operation_recipient_and_provider(client: MeshWithJournal) -> None:
    began, id_ = time.time(), str(uuid.uuid4())
    await client.get(params=CAF_ALLOCATAIRE, token=token(id=id_))
    access = await client.record()
    assert (access.outcome, access.status, access.code) == ("found", 200, "")
    assert (access.operation, access.provider, access.regime) == (OPERATION, "cnaf", "cnaf")
    assert (access.token, access.recipient, access.habilitation) == (id_, RECIPIENT, "")
    assert (access.cached, access.key) == (False, "2026")
    assert began - CLOCK_S <= access.at <= time.time()
    assert access.duration_ms > 0
    assert len(access.person) == 64


async def test_a_record_has_the_caller_s_request_id(client: MeshWithJournal) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE)
    assert (await client.record()).request_id == answer.headers["X-Request-Id"]


async def test_a_record_s_id_begins_with_the_time_of_the_call(client: MeshWithJournal) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    access = await client.record()
    assert len(access.id) == 32
    assert int(access.id[:12], 16) == round(access.at * 1000)


async def test_a_record_has_a_pseudonym_of_every_person_in_the_answer(client: MeshWithJournal) -> None:
    """Tests that an access record has a pseudonym of every person in the answer, even of persons whom the caller's
    scopes hide."""
    await client.get(params=CAF_ALLOCATAIRE)
    fresh = await client.record()
    await client.get(params=CAF_ALLOCATAIRE, scopes=["cnaf_adresse"])
    cached = await client.record()
    assert pseudonym(KEY.secret, FOUND) in fresh.found
    assert len(fresh.found) == len(set(fresh.found)) > 1
    assert cached.cached
    assert cached.found == fresh.found


async def test_a_record_has_pseudonyms_of_the_person_asked_about_by_each_name(client: MeshWithJournal) -> None:
    """Tests that a call about a person by birth name and name in use leaves an access record with a pseudonym of the
    person under the name in use. The call gives no place of birth."""
    await client.get(params=CAF_ALLOCATAIRE | {"codeCogInseeCommuneNaissance": "", "nomUsage": "KERVENNIC"})
    access = await client.record()
    assert access.outcome == "found"
    by_name_of_use = structs.replace(FOUND, nom_naissance="KERVENNIC")
    assert pseudonym(KEY.secret, by_name_of_use) in access.found


async def test_a_person_asked_about_without_sex_or_place_is_found_by_name_and_date(client: MeshWithJournal) -> None:
    absent = ("sexeEtatCivil", "codeCogInseeCommuneNaissance")
    await client.get(params={name: value for name, value in CAF_ALLOCATAIRE.items() if name not in absent})
    access = await client.record()
    assert access.outcome == "found"
    assert pseudonym(KEY.secret, FOUND) in access.found


async def test_records_of_refusals_of_one_token_are_limited(client: MeshWithJournal) -> None:
    for _ in range(REFUSALS_PER_MINUTE + 20):
        await client.get(params=CAF_ALLOCATAIRE, token=token(id=str(uuid.UUID(int=7)), valid_s=-1))
    await client.get(params=CAF_ALLOCATAIRE)
    await until(lambda: b'"outcome":"found"' in b"".join(client.archive.bodies))
    assert len(client.archive.bodies) <= 2 * REFUSALS_PER_MINUTE + 1


@pytest.mark.parametrize("question", [{"params": UNKNOWN_PERSON}, {"params": CAF_ALLOCATAIRE, "scopes": ["other"]}])
async def test_a_record_without_data_has_no_person_found(client: MeshWithJournal, question: dict[str, Any]) -> None:
    await client.get(**question)
    assert (await client.record()).found == ()


def unrecorded_calls() -> float:
    return REGISTRY.get_sample_value("bouquet_gateway_journal_unrecorded_total") or 0.0


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"params": MSA_ALLOCATAIRE}, "found 200 msa"),
        ({"params": UNKNOWN_PERSON}, "not_found 404 35003"),
        ({"params": staged_query("CAF-UNIDENTIFIED MSA-UNIDENTIFIED")}, "rejected 422 35560"),
        ({"params": staged_query("CAF-TECHNICAL MSA-TECHNICAL")}, "failed 502 35000"),
        ({"params": staged_query("CAF-GATEWAY-TIMEOUT MSA-GATEWAY-TIMEOUT")}, "failed 504 35002"),
        ({"params": CAF_ALLOCATAIRE | {"recipient": "1"}}, "refused 422 00210 nobody"),
        ({"params": CAF_ALLOCATAIRE | {"jourDateNaissance": "x"}}, "refused 422 00363 nobody"),
        ({"params": CAF_ALLOCATAIRE, "token": token(valid_s=-1)}, "refused 401 00103 nobody"),
        ({"params": CAF_ALLOCATAIRE, "scopes": ["other"]}, "refused 403 00100 nobody"),
        ({"path": "/v3/nowhere"}, "refused 404 00493 nobody"),
        ({"path": QUOTIENT_FAMILIAL_PATH.replace("v3", "v9")}, "refused 404 00402 nobody"),
        ({"method": "POST"}, "refused 404 00493 nobody"),
        ({"path": "/api/introspect"}, "found 200 nobody"),
    ],
)
async def test_each_call_leaves_one_record(client: MeshWithJournal, question: dict[str, Any], told: str) -> None:
    answer = await client.get(**question)
    access = await client.record()
    assert access.status == answer.status
    words = [access.outcome, str(access.status), access.code, access.provider, "" if access.person else "nobody"]
    assert " ".join(filter(None, words)) == told
    assert bool(access.key) == bool(access.person)


@pytest.mark.parametrize(
    "question",
    [
        {"params": CAF_ALLOCATAIRE, "token": ""},
        {"params": CAF_ALLOCATAIRE, "token": "what.is.this"},
        {"path": "/v3/nowhere", "token": ""},
        {"path": "/api/introspect", "token": ""},
        {"path": "/api/introspect", "token": "what.is.this"},
    ],
)
async def test_a_call_without_a_valid_token_is_counted_and_not_recorded(
    client: MeshWithJournal, question: dict[str, Any]
) -> None:
    before = unrecorded_calls()
    assert (await client.get(**question)).status in (401, 404)
    assert unrecorded_calls() == before + 1
    await client.get("/api/introspect")
    assert (await client.record()).status == 200


async def test_thousands_of_calls_without_a_token_leave_the_spool_empty(tmp_path: Path) -> None:
    async with mesh_with_journal(tmp_path, journal_spool_max_bytes=20_000) as client:
        await asyncio.gather(*(client.get("/v3/nowhere", token="") for _ in range(200)))
        assert client.archive.bodies == []
        assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200


async def test_an_answer_from_the_cache_is_recorded(client: MeshWithJournal) -> None:
    for _ in range(2):
        await client.get(params=CAF_ALLOCATAIRE)
    fresh, cached = await client.records(2)
    assert (fresh.cached, cached.cached, cached.provider, cached.outcome) == (False, True, "", "found")
    assert fresh.person == cached.person


async def test_each_call_that_shares_an_answer_is_recorded(client: MeshWithJournal) -> None:
    calls = [client.get(params=CAF_ALLOCATAIRE, token=token(id=str(uuid.uuid4()))) for _ in range(5)]
    assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    accesses = await client.records(5)
    assert len({access.id for access in accesses}) == len({access.token for access in accesses}) == 5
    assert {access.provider for access in accesses} == {"cnaf"}


async def test_a_conflict_and_a_rate_limit_refusal_are_recorded(tmp_path: Path) -> None:
    async with mesh_with_journal(tmp_path, calls_per_second=1) as client:
        await client.get()
        while (await client.get()).status != 429:
            pass
        await until(lambda: b'"code":"00429"' in b"".join(client.archive.bodies))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/api/ping", "/api/openapi.json", "/api/errors"])
async def test_documents_and_pings_leave_no_record(client: MeshWithJournal, path: str) -> None:
    assert (await client.get(path)).status == 200
    await client.get("/api/introspect")
    assert (await client.record()).operation == "introspect"


async def test_a_pseudonym_depends_on_the_identity_and_the_key(client: MeshWithJournal) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    await client.get(params=CAF_ALLOCATAIRE | {"nomNaissance": "Le Gouadec", "recipient": "35600000000001"})
    await client.get(params=MSA_ALLOCATAIRE)
    first, again, other = (access.person for access in await client.records(3))
    maelys = Identite(
        nom_naissance="LE GOUADEC",
        prenoms=("Maëlys", "Inès"),
        annee_date_naissance=1989,
        mois_date_naissance=6,
        jour_date_naissance=14,
        sexe_etat_civil="F",
        code_cog_insee_commune_naissance="29019",
        code_cog_insee_pays_naissance="99100",
    )
    assert first == again == pseudonym(KEY.secret, maelys)
    assert other != first


async def test_a_record_by_session_has_the_citizen_s_pseudonym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    path = "/v3/dss/quotient_familial/france_connect"
    async with mesh_with_journal(tmp_path, workers=tuple(WORKERS)) as client:
        await client.get(path, {"recipient": RECIPIENT}, token="jeton-maelys")
        found = await client.record()
        await client.get(path, {"recipient": "no siret"}, token="jeton-maelys")
        refused = await client.record()
        assert (await client.get(path, {"recipient": RECIPIENT}, token="unheard of")).status == 401
        assert client.archive.bodies == []
    assert MAELYS.family_name == "LE GOUADEC"
    assert (found.outcome, found.provider, found.token) == ("found", "cnaf", "11111111-1111-1111-1111-111111111111")
    assert (found.recipient, found.habilitation) == (RECIPIENT, "")
    assert (refused.code, refused.person, refused.recipient) == ("00210", found.person, "")


async def test_a_call_that_ends_in_an_exception_is_recorded(
    client: MeshWithJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bouquet_gateway.lookup.answer.recipient_of", None)
    assert (await client.get(params=CAF_ALLOCATAIRE)).status == 500
    access = await client.record()
    assert (access.outcome, access.status, access.code) == ("failed", 500, "00500")


async def test_without_a_journal_there_is_no_record(tmp_path: Path) -> None:
    async with mesh(journal_spool=str(tmp_path / "spool")) as client:
        assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
    assert not (tmp_path / "spool").exists()


NEXT_SECRET = "the key of another year and as long as the one before"


@pytest.mark.parametrize(("day", "name"), [("2099-01-01", KEY.name), ("2026-01-01", "2026-01-01")])
async def test_the_next_pseudonym_key_is_used_from_its_day_on(tmp_path: Path, day: str, name: str) -> None:
    both = Secret(f"{KEY.name}:{KEY.secret.reveal()}, {day}:{NEXT_SECRET}")
    async with mesh_with_journal(tmp_path, journal_key=both) as client:
        await client.get(params=CAF_ALLOCATAIRE)
        assert (await client.record()).key == name


def test_pseudonym_keys_change_at_midnight_utc() -> None:
    keys = keys_of(Secret(f"1:{NEXT_SECRET},2027-01-31:{NEXT_SECRET}"))
    midnight = datetime(2027, 1, 31, tzinfo=UTC).timestamp()
    assert [keys.at(midnight + seconds).name for seconds in (-0.001, 0.0)] == ["1", "2027-01-31"]


@pytest.mark.parametrize("more", ["next:" + NEXT_SECRET, "2027-02-30:" + NEXT_SECRET, "2027-01-31:short", ""])
async def test_an_invalid_next_pseudonym_key_is_a_wrong_setting(tmp_path: Path, more: str) -> None:
    both = Secret(f"{KEY.name}:{KEY.secret.reveal()},{more}")
    with pytest.raises(SettingsError, match="JOURNAL_KEY"):
        async with mesh_with_journal(tmp_path, journal_key=both):
            pass


@pytest.mark.parametrize("key", ["", "2026", ":a secret without a name that is long enough", "2026:short"])
async def test_a_journal_without_a_valid_key_is_a_wrong_setting(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="JOURNAL_KEY") as refusal:
        async with mesh_with_journal(tmp_path, journal_key=Secret(key)):
            pass
    assert "short" not in str(refusal.value)


async def test_a_spool_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="JOURNAL_SPOOL"):
        async with mesh_with_journal(tmp_path / "file"):
            pass

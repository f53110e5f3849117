"""Tests of journal queries: who read a citizen's data, and how much each habilitation calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.identity import Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_registry.journal import queries, rollups
from bouquet_registry.journal.former_pseudonym import former_pseudonym
from bouquet_registry.journal.pseudonym_search import Given, identity_of, keys_of, possible_pseudonyms
from bouquet_registry.journal.worker import writing
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.store import Store
from tests.registry.accesses import KEY, NOON, PERSON, access, count, write
from tests.support import habilitations, mesh_with_journal
from tests.support.gateway_client import RECIPIENT
from tests.support.mesh_with_registry import mesh_with_registry, signed_token
from tests.support.waiting import TEST_TIMEOUT_S

OLD_KEY = Secret("the key of last year")
ASKED: Given = {
    "nom": "Kervallan",
    "prenom": "ÈVE MARIE",
    "naissance": "1990-03-07",
    "sexe": "f",
    "commune": "29019",
}
DAY_S = 24 * 3600
BOTH = [KEY, OLD_KEY]


async def found(store: Store, given: Given = ASKED, keys: Iterable[Secret] = BOTH) -> list[dict[str, Any]]:
    async with store.reading() as connection:
        return await queries.who_read(connection, possible_pseudonyms(list(keys), identity_of(given)))


def about(identity: Identity, key: Secret = KEY) -> dict[str, str]:
    return {"person": pseudonym(key, identity)}


async def test_who_read_returns_caller_and_time_of_each_call(store: Store) -> None:
    own = await habilitations.create_habilitation(store, name="VILLE DE BREST")
    late = NOON.timestamp() + 60
    await write(store, [access(1, habilitation=own.id), access(2, at=late, outcome="not_found", habilitation="gone")])
    await write(store, [access(3, **about(structs.replace(PERSON, nom_naissance="DURANT")))])
    last, first = await found(store)
    assert (last["at"], last["outcome"], last["name"]) == (NOON + timedelta(minutes=1), "not_found", None)
    assert first == {
        "at": NOON,
        "habilitation": own.id,
        "name": "VILLE DE BREST",
        "recipient": habilitations.SIRET,
        "operation": "dss.quotient_familial.v4",
        "outcome": "found",
        "code": "",
        "provider": "cnaf",
        "cached": False,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "request_id": "",
        "purpose": "",
        "named": ["asked"],
        "left_out": (),
    }


async def test_a_call_through_the_gateway_is_found_by_its_person(store: Store, tmp_path: Path) -> None:
    outbox = MemoryOutbox()
    async with writing(outbox, store), mesh_with_registry("memory:", store) as place:
        gate = await place.start_gateway(outbox, **mesh_with_journal.journal_settings(tmp_path))
        token = await place.issue_token(name="VILLE DE BREST")
        assert (await gate.call(signed_token(token))).status == 200
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while not await count(store):  # noqa: ASYNC110 - the gateway sends records at intervals
                await asyncio.sleep(0.05)
    given = {"nom": "Durant", "prenom": "Paul", "naissance": "1990-01-02", "sexe": "M", "pays": "99351"}
    [only] = await found(store, given, [mesh_with_journal.KEY.secret])
    assert (only["name"], only["operation"], only["outcome"]) == ("VILLE DE BREST", "acme_v3_dossier", "found")
    assert (only["recipient"], only["left_out"]) == (RECIPIENT, ("lieu", "sexe"))


WAYS: dict[str, tuple[Identite, tuple[str, ...]]] = {
    "as it is": (PERSON, ()),
    "in other letters": (structs.replace(PERSON, nom_naissance="kervallan", prenoms=("Eve Marie", "Anne")), ()),
    "by the first half of a first name": (structs.replace(PERSON, prenoms=("Eve",)), ()),
    "without sex": (structs.replace(PERSON, sexe_etat_civil=None), ("sexe",)),
    "without day": (structs.replace(PERSON, jour_date_naissance=None), ("jour",)),
    "without month": (structs.replace(PERSON, mois_date_naissance=None), ("mois", "jour")),
    "without date": (structs.replace(PERSON, annee_date_naissance=None), ("annee", "mois", "jour")),
    "without first name": (structs.replace(PERSON, prenoms=()), ("prenom",)),
    "by country": (structs.replace(PERSON, code_cog_insee_commune_naissance=None), ("commune",)),
    "by commune alone": (structs.replace(PERSON, code_cog_insee_pays_naissance=None), ()),
    "by name and date": (
        Identite(
            nom_naissance="Kervallan",
            prenoms=("Ève-Marie",),
            annee_date_naissance=1990,
            mois_date_naissance=3,
            jour_date_naissance=7,
        ),
        ("lieu", "sexe"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", BOTH, ids=["new key", "old key"])
async def test_who_read_finds_a_person_however_a_caller_wrote_it(store: Store, way: str, key: Secret) -> None:
    written, left_out = WAYS[way]
    await write(store, [access(1, **about(written, key))])
    [only] = await found(store)
    assert only["left_out"] == left_out


@pytest.mark.parametrize(
    "other",
    [
        structs.replace(PERSON, nom_naissance="KERVALLON"),
        structs.replace(PERSON, prenoms=("Anne",)),
        structs.replace(PERSON, sexe_etat_civil="M"),
        structs.replace(PERSON, jour_date_naissance=8),
        structs.replace(PERSON, code_cog_insee_commune_naissance="29232"),
    ],
)
async def test_who_read_does_not_find_calls_about_another_person(store: Store, other: Identite) -> None:
    await write(store, [access(1, **about(other))])
    assert await found(store) == []


async def test_without_the_key_of_the_pseudonyms_no_call_is_found(store: Store) -> None:
    await write(store, [access(1)])
    assert await found(store, keys=[OLD_KEY]) == []


NUMBERS: dict[str, tuple[Given, Identity]] = {
    "ine": ({"ine": "1234567890 a"}, Ine(ine="1234567890A")),
    "identifiant": ({"identifiant": "76 xyz"}, Identifiant(identifiant="76XYZ")),
    "numero_allocataire": (
        {"numero_allocataire": "0123456", "code_postal": "29200"},
        NumeroAllocataire(numero_allocataire="0123456", code_postal="29200"),
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
async def test_who_read_finds_a_person_by_a_number(store: Store, kind: str) -> None:
    given, identity = NUMBERS[kind]
    await write(store, [access(1, **about(identity)), access(2)])
    [only] = await found(store, given)
    assert only["left_out"] == ()


def test_a_person_born_abroad_is_named_by_the_country() -> None:
    abroad = structs.replace(PERSON, code_cog_insee_commune_naissance=None, code_cog_insee_pays_naissance="99351")
    given = {name: value for name, value in ASKED.items() if name != "commune"} | {"pays": "99351"}
    assert possible_pseudonyms([KEY], identity_of(given))[pseudonym(KEY, abroad)] == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "one of nom, ine, identifiant, numero_allocataire says who it is"),
        ({"ine": "1", "nom": "KERVALLAN"}, "one of nom, ine, identifiant, numero_allocataire says who it is"),
        ({"nom": "KERVALLAN"}, "prenom: is missing; naissance: is missing; sexe: is missing"),
        ({"numero_allocataire": "1234567"}, "code_postal: is missing"),
        (
            {**ASKED, "naissance": "KERVALLAN", "sexe": "KERVALLAN", "commune": ""},
            "naissance: is no YYYY-MM-DD; sexe: is M or F; commune or pays: is missing",
        ),
    ],
)
def test_an_incomplete_or_ambiguous_identity_is_invalid(given: Given, told: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        identity_of(given)
    assert str(caught.value) == told


@pytest.mark.parametrize("setting", ["", "secret", "name:", ":secret", "2026:a,,2025:b"])
def test_invalid_journal_keys_are_refused_without_being_shown(setting: str) -> None:
    with pytest.raises(SettingsError) as caught:
        keys_of(Secret(setting))
    assert str(caught.value).startswith("BOUQUET_REGISTRY_JOURNAL_KEYS: must be name:secret,")


def test_a_journal_key_may_contain_colons() -> None:
    assert [key.reveal() for key in keys_of(Secret("2026:a:b, 2025:c"))] == ["a:b", "c"]


async def counted(store: Store, habilitation: str | None = None) -> list[tuple[Any, ...]]:
    await rollups.roll_up(store)
    async with store.reading() as connection:
        rows = await queries.stats(connection, NOON - timedelta(days=60), NOON + timedelta(days=1), habilitation)
    return [tuple(row.values()) for row in rows]


async def test_calls_are_counted_by_habilitation_operation_and_outcome(store: Store) -> None:
    own = await habilitations.create_habilitation(store, name="VILLE DE BREST")
    mine = {"habilitation": own.id}
    await write(store, [access(n, outcome="failed", **mine) for n in range(3)])
    await write(
        store, [access(3, **mine), access(4, operation="mesr.statut_etudiant.v3", **mine), access(5, habilitation="")]
    )
    await write(store, [access(6, at=NOON.timestamp() - 61 * DAY_S), access(7, at=NOON.timestamp() + 2 * DAY_S)])
    quotient = "dss.quotient_familial.v4"
    of_mine = [
        (own.id, "VILLE DE BREST", quotient, "failed", 3, 0),
        (own.id, "VILLE DE BREST", quotient, "found", 1, 1),
        (own.id, "VILLE DE BREST", "mesr.statut_etudiant.v3", "found", 1, 1),
    ]
    assert await counted(store) == [("", None, quotient, "found", 1, 1), *of_mine]
    assert await counted(store, own.id) == of_mine


async def test_a_document_is_spared_once_per_person_operation_recipient_and_day(store: Store) -> None:
    midnight = NOON.timestamp() + DAY_S / 2
    calls = [
        (access(1), 1),
        (access(2, cached=True, provider="", at=NOON.timestamp() + 60), 0),
        (access(3, **about(structs.replace(PERSON, nom_naissance="DURANT"))), 1),
        (access(4, recipient="21290019400013"), 1),
        (access(5, at=midnight - 1), 0),
        (access(6, at=midnight + 1), 1),
        (access(7, outcome="not_found"), 0),
        (access(8, person=""), 1),
        (access(9, person=""), 1),
    ]
    for number in range(1, len(calls) + 1):
        await write(store, [call for call, _ in calls[:number]])
        spared = sum(row[-1] for row in await counted(store))
        assert spared == sum(worth for _, worth in calls[:number]), number


async def test_calls_without_an_operation_spare_no_document(store: Store) -> None:
    await write(store, [access(1, operation="")])
    assert await counted(store) == [("h-1", None, "", "found", 1, 0)]


async def test_records_of_the_former_pseudonym_are_still_found(store: Store) -> None:
    await write(store, [access(1, person=former_pseudonym(KEY, PERSON))])
    [only] = await found(store)
    assert only["left_out"] == ()


LETTERS = [
    ("LEBŒUF", "Lætitia"),
    ("LEBOEUF", "Lætitia"),
    ("LEBŒUF", "Laetitia"),
    ("lebœuf", "LÆTITIA"),
    ("LEBOEUF", "Laetitia"),
    ("GØUAÐEC", "Þóra"),
    ("GOUAÐEC", "Thora"),
    ("GØUADEC", "Þora"),
    ("STRAẞE", "Łucja"),
    ("STRASSE", "Lucja"),
]


@pytest.mark.parametrize(("recorded_nom", "recorded_prenom"), LETTERS)
async def test_former_records_with_ligatures_are_found_by_every_spelling(
    store: Store, recorded_nom: str, recorded_prenom: str
) -> None:
    recorded = structs.replace(PERSON, nom_naissance=recorded_nom, prenoms=(recorded_prenom,))
    await write(store, [access(1, person=former_pseudonym(KEY, recorded))])
    same = [names for names in LETTERS if pseudonym(KEY, called(*names)) == pseudonym(KEY, recorded)]
    assert len(same) > 1
    for nom, prenom in same:
        assert len(await found(store, {**ASKED, "nom": nom, "prenom": prenom})) == 1, (nom, prenom)


def called(nom: str, prenom: str) -> Identite:
    return structs.replace(PERSON, nom_naissance=nom, prenoms=(prenom,))


async def test_a_former_record_with_another_letter_is_not_found(store: Store) -> None:
    await write(store, [access(1, person=former_pseudonym(KEY, called("LEBŒF", "Lætitia")))])
    assert await found(store, {**ASKED, "nom": "LEBŒUF", "prenom": "Lætitia"}) == []


SAMIRA = structs.replace(PERSON, code_cog_insee_pays_naissance="99351", code_cog_insee_commune_naissance=None)
DISGUISES = {
    "a letter that the funds are asked without": structs.replace(PERSON, nom_naissance="KERVAŁŁAN"),
    "first names in one": structs.replace(PERSON, prenoms=("Ève-Marie Anne",)),
    "first names apart": structs.replace(PERSON, prenoms=("Ève-Marie", "Anne")),
}


@pytest.mark.parametrize("disguise", DISGUISES)
async def test_who_read_finds_another_spelling_of_a_name(store: Store, disguise: str) -> None:
    await write(store, [access(1, **about(DISGUISES[disguise]))])
    assert len(await found(store)) == 1


@pytest.mark.parametrize("commune", ["75056", "13055"])
async def test_who_read_finds_a_call_with_a_commune_and_a_foreign_country(store: Store, commune: str) -> None:
    await write(store, [access(1, **about(structs.replace(SAMIRA, code_cog_insee_commune_naissance=commune)))])
    given = {name: value for name, value in ASKED.items() if name != "commune"} | {"pays": "99351"}
    assert len(await found(store, given)) == 1


FOUND = structs.replace(
    PERSON, sexe_etat_civil=None, **dict.fromkeys(("code_cog_insee_commune_naissance", "code_cog_insee_pays_naissance"))
)
"""Identity of `PERSON` as an answer gives it: without sex and place of birth."""


def naming(*people: Identite, key: Secret = KEY) -> dict[str, tuple[str, ...]]:
    return {"found": tuple(pseudonym(key, person) for person in people)}


async def test_who_read_finds_answers_that_named_a_person_not_asked_about(store: Store) -> None:
    somebody = structs.replace(PERSON, nom_naissance="DURANT")
    await write(store, [access(1, **about(somebody), **naming(somebody, FOUND))])
    [only] = await found(store)
    assert (only["named"], only["left_out"]) == (["found"], ("lieu", "sexe"))


async def test_a_first_name_with_a_hyphen_is_found_where_a_caller_typed_two(store: Store) -> None:
    await write(store, [access(1, **about(structs.replace(PERSON, prenoms=("Ève Marie",))))])
    assert len(await found(store, {**ASKED, "prenom": "Ève-Marie"})) == 1


async def test_a_call_that_asked_about_and_found_a_person_is_returned_once(store: Store) -> None:
    await write(store, [access(1, **naming(FOUND))])
    [only] = await found(store)
    assert (only["named"], only["left_out"]) == (["asked", "found"], ())


async def test_who_read_leaves_out_answers_that_named_others(store: Store) -> None:
    other = structs.replace(FOUND, jour_date_naissance=8)
    await write(store, [access(1, **about(structs.replace(PERSON, nom_naissance="DURANT")), **naming(other))])
    assert await found(store) == []


async def test_a_call_is_found_by_the_request_id_that_its_caller_quotes(store: Store) -> None:
    quoted = "8d1f7e9e-6c30-4c47-a6b4-8d54b9a8f6c1"
    await write(store, [access(1, request_id=quoted), access(2, request_id="another"), access(3)])
    async with store.reading() as connection:
        [only] = await queries.accesses_of_request(connection, quoted)
        assert await queries.accesses_of_request(connection, "nobody's") == []
    assert (only["id"], only["request_id"], only["status"], only["duration_ms"]) == ("1", quoted, 200, 12.5)


async def test_a_call_is_found_by_the_id_of_its_record_which_a_proof_names(store: Store) -> None:
    await write(store, [access(1, request_id="one"), access(2, request_id="another")])
    async with store.reading() as connection:
        [only] = await queries.accesses_of_request(connection, "2")
    assert (only["id"], only["request_id"]) == ("2", "another")

"""Tests of proofs on a sandbox, of the participation familiale EAJE."""

from __future__ import annotations

from bouquet_casebook.cases import read_folder
from bouquet_mesh.secret import Secret
from bouquet_worker import paris_today
from tests.support.sandbox_gateway import OURS, sandbox_at

EAJE = "api_particulier_v3_cnav_participation_familiale_eaje_with_civility"


async def test_a_sandbox_proves_a_recorded_answer_as_test_data() -> None:
    maelys = next(case for case in read_folder(OURS / EAJE, paris_today()).cases if "maelys" in case.name)
    async with sandbox_at(OURS, proof_keys=Secret(f"1:{'k' * 32}"), public_url="http://sandbox") as client:
        answer = await client.ask(EAJE, maelys.params, **{"X-Generate-Proof": "proof-only"})
        path = answer.body["meta"]["verification_url"].removeprefix("http://sandbox")
        data = (await client.get(path)).body["data"]
        page = (await client.get(path, {"Accept": "text/html"})).body
    assert (data["titre"], data["donnees_de_test"]) == ("Attestation de participation familiale (EAJE)", True)
    shown = {
        one["titre"]: [{row["libelle"]: row["valeur"] for row in rows} for rows in one["entrees"]]
        for one in data["sections"]
    }
    assert shown["Allocataires"] == [
        {"Nom de naissance": "LE •••", "Date de naissance": "06/1989"},
        {"Nom de naissance": "KER•••", "Date de naissance": "01/1987"},
    ]
    assert shown["Enfants"] == [{"Nombre d'enfants": "3"}]
    assert shown["Paramètres de calcul de la participation familiale"][0]["Nombre d'enfants à charge"] == "3"
    assert "DONNÉES DE TEST — DOCUMENT SANS VALEUR" in page
    assert "RONAN" not in page

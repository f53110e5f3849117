"""Tests of the proofs that providers declare: what a gateway shows of them, and which it does not make."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from bouquet_gateway.call import Call
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import OfferRefusal, read_offer
from bouquet_gateway.paris import PARIS
from bouquet_gateway.proofs.keys import KeyRing
from bouquet_gateway.proofs.proofs import Proofs
from bouquet_gateway.proofs.statement import Row, Section, sections_of
from bouquet_mesh.secret import Secret
from bouquet_proto.messages import encode
from bouquet_proto.offer import Operation, Proof, ProofField, ProofSection
from tests.support.offers import V2_DOSSIER, dossier, offer

PROOF = Proof(
    title="Dossier ACME",
    sections=(
        ProofSection(title="Titulaire", at="titulaire", fields=(ProofField("Nom", "nom", "initials"),)),
        ProofSection(title="Membres", at="titulaire", count="Nombre de membres"),
    ),
)


def read(operation: Operation) -> tuple[Operation, tuple[OfferRefusal, ...]]:
    made = read_offer("acme", Raw(encode(offer(operation))), {})
    assert made.offer
    return made.offer.operations[0], made.refusals


def shown(value: Any, how: str = "whole") -> str | None:
    """Returns what a proof shows of a value, `None` if nothing."""
    proof = Proof(title="", sections=(ProofSection(title="", at="a", fields=(ProofField("", "b.c", how),)),))
    sections = sections_of(proof, Raw(msgspec.json.encode({"a": {"b": {"c": value}}})))
    return sections[0].entries[0][0].value if sections else None


def test_any_provider_may_declare_a_proof() -> None:
    declared = dossier(proof=PROOF)
    assert read(declared) == (declared, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": Proof(title="x" * 101, sections=())},
        {"proof": Proof(title="", sections=PROOF.sections * 30)},
        {"proof": Proof(title="", sections=(ProofSection(title="", at="a", fields=(ProofField("", "b", "later"),)),))},
    ],
    ids=["long", "many", "unknown way to show a field"],
)
def test_an_operation_whose_proof_the_gateway_cannot_make_is_served_without(changes: dict[str, Any]) -> None:
    assert read(dossier(**changes)) == (dossier(), (OfferRefusal("proof refused", "acme_v3_dossier"),))


def test_an_operation_of_version_2_is_served_without_its_proof() -> None:
    served, refusals = read(structs.replace(V2_DOSSIER, proof=PROOF))
    assert (served.proof, refusals) == (None, (OfferRefusal("proof refused", "acme_v2_dossier"),))


def test_an_operation_that_gives_a_verification_address_of_its_own_is_not_served() -> None:
    forging = dossier(meta_fields=("verification_url",))
    made = read_offer("acme", Raw(encode(offer(forging))), {})
    assert made.offer
    assert (made.offer.operations, made.refusals) == ((), (OfferRefusal("operation unreadable", forging.id),))


def test_an_operation_with_too_many_fields_in_meta_is_not_served() -> None:
    wide = dossier(meta_fields=tuple(f"field_{number}" for number in range(17)))
    made = read_offer("acme", Raw(encode(offer(wide))), {})
    assert made.offer
    assert (made.offer.operations, made.refusals) == ((), (OfferRefusal("operation too large", wide.id),))


def test_a_gateway_that_knows_no_proofs_reads_the_rest_of_an_offer() -> None:
    sent = msgspec.json.decode(encode(offer(dossier(proof=PROOF))))
    sent["operations"][0]["certificate"] = sent["operations"][0].pop("proof")  # a name that this gateway lacks
    made = read_offer("acme", Raw(msgspec.json.encode(sent)), {})
    assert made.offer == offer(dossier())


def test_each_object_of_a_list_is_an_entry_of_its_section() -> None:
    data = Raw(b'{"titulaire": [{"nom": "DURANT"}, {"nom": "Ly"}, {"age": 30}]}')
    assert sections_of(PROOF, data) == (
        Section("Titulaire", ((Row("Nom", "DUR•••"),), (Row("Nom", "Ly•••"),))),
        Section("Membres", ((Row("Nombre de membres", "3"),),)),
    )


def test_parts_that_the_data_lack_are_left_out() -> None:
    assert sections_of(PROOF, Raw(b"{}")) == ()


@pytest.mark.parametrize(
    ("value", "how", "expected"),
    [
        (9_999, "whole", "9999"),
        (10_000, "whole", "10 000"),
        (1_234_567, "whole", "1 234 567"),
        (0, "whole", "0"),
        (True, "whole", "Oui"),
        ("2026-04-15", "whole", "15/04/2026"),
        ("CNAF", "whole", "CNAF"),
        (None, "whole", None),
        ({"d": 1}, "whole", None),
        ("1989-06-14", "month", "06/1989"),
        ("1989-00-00", "month", "1989"),
        ("0000-00-00", "month", None),
        ("14 juin 1989", "month", None),
        ("LE GOUADEC", "initials", "LE •••"),
        ("", "initials", None),
        (12, "initials", None),
        ("CNAF", "later", None),
        ("F", "sex", "Féminin"),
        (["F"], "sex", None),
    ],
)
def test_a_field_is_shown_as_declared(value: Any, how: str, expected: str | None) -> None:
    assert shown(value, how) == expected


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ([f"{number:x}" for number in range(2000)], "Nom"),
        # Their links would be short, as they compress well, but no gateway would read their content.
        (["LE GOUADEC"] * 1000, "x" * 100),
        (["LE GOUADEC"] * 2001, ""),
    ],
    ids=["link", "content", "rows"],
)
def test_data_that_make_a_proof_too_large_are_a_failure_of_the_provider(names: list[str], label: str) -> None:
    section = ProofSection(title="Titulaire", at="titulaire", fields=(ProofField(label, "nom", "initials"),))
    [[served]] = Catalogue([offer(dossier(proof=Proof(title="", sections=(section,))))]).by_path.values()
    many = [{"nom": name} for name in names]
    proofs = Proofs(KeyRing({"1": Secret("k" * 32)}), lambda: datetime(2026, 11, 30, tzinfo=PARIS), "https://x.example")
    with pytest.raises(Problem) as failure:
        proofs.make(served, "proof-only", Raw(msgspec.json.encode({"titulaire": many})), Call("", "v3"))
    assert failure.value.reasons == ("malformed_reply",)

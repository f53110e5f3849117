from __future__ import annotations

import msgspec
import pytest

from bouquet_gateway.offers.catalogue import Catalogue, IdentificationMethod, Match, ServedOperation
from bouquet_gateway.paths import envelope_of, split
from bouquet_proto.offer import Authority, Offer
from bouquet_proto.quotient_familial import CNAF_AND_MSA, OPERATION, PROBLEMS
from bouquet_proto.rules import Check
from tests.support.offers import ACME, V2_DOSSIER, dossier, offer

V3 = "/v3/acme/dossier/identite"


def quotient_offer(provider: str, **changes: object) -> Offer:
    whole = Offer(provider=provider, owner="x", authority=Authority(provider.upper(), "77"), operations=(OPERATION,))
    return msgspec.structs.replace(whole, **changes)


def found(path: str, offers: list[Offer], **identified_by: bool) -> Match | None:
    return Catalogue(offers).match(path, IdentificationMethod(**identified_by))


def only(path: str, offers: list[Offer]) -> ServedOperation:
    [served] = Catalogue(offers).by_path[path]
    return served


def refused(offers: list[Offer]) -> list[tuple[str, str]]:
    """Returns the reason and the provider of everything that is refused of these offers."""
    refusals = Catalogue(offers).refusals.items()
    return [(refusal.reason, provider) for provider, own in refusals for refusal in own]


def test_a_path_leads_to_its_operation() -> None:
    match = found(V3, [offer()])
    assert match and match.served
    assert (match.version, match.served.operation, match.served.authority) == (3, dossier(), ACME)


def test_a_v2_path_leads_to_its_operation() -> None:
    match = found("/api/v2/dossier-acme", [offer()])
    assert match and match.served
    assert match.served.operation == V2_DOSSIER


def test_a_path_that_is_not_offered_has_no_match() -> None:
    assert found("/v3/acme/dossier/ine", [offer()]) is None


def test_an_unknown_version_of_a_known_resource_matches_its_family() -> None:
    match = found("/v4/acme/dossier/identite", [offer()])
    assert match and (match.version, match.served) == (4, None)


def test_a_family_has_the_scopes_of_all_its_versions() -> None:
    newer = dossier(id="acme_v4", path="/v4/acme/dossier/identite", scopes=("acme_newer",))
    match = found("/v4/acme/dossier/identite", [offer(dossier(), newer)])
    assert match and match.served
    assert match.served.operation == newer
    assert match.family.scopes == {"acme_dossier", "acme_age", "acme_newer"}


@pytest.mark.parametrize("path", ["/acme/dossier/identite", "/v/acme/dossier/identite", "/v3/api/v2/dossier-acme"])
def test_a_path_with_a_missing_or_misplaced_version_is_not_found(path: str) -> None:
    assert found(path, [offer()]) is None


@pytest.mark.parametrize(("path", "version"), [("/v3/a/b", 3), ("/v10/a/b", 10), ("/v0/a/b", 0)])
def test_a_path_version_is_a_number(path: str, version: int) -> None:
    assert split(path) == ("a/b", version)


@pytest.mark.parametrize("path", ["/v03/a/b", "/v3.1/a/b", "/v3x/a/b", "/vx3/a/b", "/v+3/a/b", "/v٣/a/b", "/v3;x/a/b"])
def test_a_path_version_has_one_spelling(path: str) -> None:
    assert split(path) == (path, 0)


def test_a_path_without_version_is_a_resource_of_its_own() -> None:
    assert split("/api/v2/etudiants") == ("/api/v2/etudiants", 0)


def test_paths_under_api_have_the_v2_envelope() -> None:
    assert (envelope_of("/api/v2/x"), envelope_of("/v3/x"), envelope_of("/nowhere")) == ("v2", "v3", "v3")


def test_two_providers_share_the_operation_of_a_regime_plan() -> None:
    match = found(OPERATION.path, [quotient_offer("cnaf"), quotient_offer("msa")])
    assert match and match.served
    assert match.served.authority == CNAF_AND_MSA
    assert list(match.served.authorities) == ["cnaf", "msa"]
    assert match.served.problems == PROBLEMS


def test_one_provider_is_enough_to_serve_a_regime_plan() -> None:
    match = found(OPERATION.path, [quotient_offer("msa")])
    assert match and match.served
    assert match.served.authority == CNAF_AND_MSA


def test_a_provider_outside_of_the_regimes_cannot_join_the_plan() -> None:
    offers = [quotient_offer("cnaf"), quotient_offer("acme")]
    assert list(only(OPERATION.path, offers).authorities) == ["cnaf"]
    assert refused(offers) == [("offer refused", "acme")]


def test_a_provider_cannot_take_the_path_of_a_plan() -> None:
    offers = [quotient_offer("cnaf"), quotient_offer("acme", operations=(dossier(path=OPERATION.path),))]
    assert only(OPERATION.path, offers).provider == "cnaf"
    assert refused(offers) == [("path already served", "acme")]


def test_a_provider_cannot_add_an_operation_to_a_plan() -> None:
    other = quotient_offer("cnaf", operations=(dossier(plan="regime"),))
    assert Catalogue([other]).by_path == {}
    assert refused([other]) == [("offer refused", "cnaf")]


def test_of_two_offers_of_one_path_the_earlier_wins() -> None:
    late = msgspec.structs.replace(offer(), provider="late")
    assert only(V3, [offer(), late]).provider == "acme"
    assert ("path already served", "late") in refused([offer(), late])


def test_only_the_operation_with_an_unknown_rule_is_left_out() -> None:
    newer = dossier(path="/v3/newer", checks=((Check("rule_of_tomorrow"),),))
    assert list(Catalogue([offer(newer, dossier())]).by_path) == [V3]
    assert refused([offer(newer, dossier())]) == [("rule unknown", "acme")]


def test_nothing_is_refused_of_a_valid_offer() -> None:
    assert refused([offer(), quotient_offer("cnaf"), quotient_offer("msa")]) == []


BY_NAME = dossier(path="/api/v2/pupils", id="by_name")
BY_INE = dossier(path="/api/v2/pupils", id="by_ine", modality="ine", checks=((Check("ine"),),))
BY_SESSION = dossier(path="/api/v2/pupils", id="by_session", modality="france_connect", checks=((),))


@pytest.mark.parametrize(
    ("identified_by", "picked"),
    [
        ({}, "by_name"),
        ({"by_ine": True}, "by_ine"),
        ({"by_session": True}, "by_session"),
        ({"by_session": True, "by_ine": True}, "by_session"),
    ],
)
def test_a_path_with_several_modalities_matches_that_of_the_request(
    identified_by: dict[str, bool], picked: str
) -> None:
    match = found("/api/v2/pupils", [offer(BY_INE, BY_SESSION, BY_NAME)], **identified_by)
    assert match and match.served
    assert match.served.operation.id == picked


def test_a_path_with_one_modality_matches_it_whatever_the_request() -> None:
    match = found("/api/v2/pupils", [offer(BY_NAME)], by_session=True, by_ine=True)
    assert match and match.served and not match.by_session
    assert match.served.operation.id == "by_name"


def test_a_provider_cannot_add_a_modality_to_another_provider_s_path() -> None:
    stranger = msgspec.structs.replace(offer(BY_INE), provider="stranger")
    assert only("/api/v2/pupils", [offer(BY_NAME), stranger]).provider == "acme"
    assert refused([offer(BY_NAME), stranger]) == [("path already served", "stranger")]

from __future__ import annotations

import re

import pytest

from bouquet_proto.failures import (
    FAILURES,
    PARAMETERS,
    PLATFORM,
    PROVIDER,
    REFUSALS,
    RENDERINGS,
    SESSION,
    Failure,
    Kind,
)

TWO_TEXTS = {"000", "020"}  # redirected or broken; a window that is known or not (docs/reference/contract.md §3.5)


def texts_by_code(rows: dict[str, Failure]) -> dict[str, set[tuple[str, str]]]:
    texts: dict[str, set[tuple[str, str]]] = {}
    for row in rows.values():
        texts.setdefault(row.code, set()).add((row.title, row.detail))
    return texts


def test_every_kind_has_a_rendering() -> None:
    assert RENDERINGS.keys() == set(Kind)


def test_no_failure_reason_is_in_two_tables() -> None:
    assert len(FAILURES) == sum(map(len, (PARAMETERS, PLATFORM, SESSION, REFUSALS, PROVIDER)))


def test_the_reason_of_a_parameters_failure_is_its_code() -> None:
    assert all(reason == row.code for reason, row in PARAMETERS.items())


def test_a_five_digit_code_has_one_meaning() -> None:
    codes = [row.code for reason, row in (PARAMETERS | PLATFORM).items() if reason != "token_missing"]
    assert len(codes) == len(set(codes))


def test_a_missing_and_an_invalid_token_share_a_code_with_different_texts() -> None:
    missing, invalid = PLATFORM["token_missing"], PLATFORM["token_invalid"]
    assert (missing.code, missing.detail) == ("00101", "Votre token n'est pas renseigné")
    assert (invalid.code, invalid.detail) == ("00101", "Votre token n'est pas valide")


def test_a_providers_code_has_one_text_unless_the_contract_has_two() -> None:
    assert {code for code, texts in texts_by_code(PROVIDER).items() if len(texts) > 1} == TWO_TEXTS


@pytest.mark.parametrize("code", ["00353", "00364", "00391", "00308", "00203", "00106", "00104", "00503"])
def test_codes_with_another_meaning_in_the_contract_are_not_used(code: str) -> None:
    assert code not in {row.code for row in FAILURES.values()}


def test_platform_codes_have_five_digits_and_provider_codes_three() -> None:
    rows = (*PARAMETERS.values(), *PLATFORM.values())
    assert {row.code for row in rows if not re.fullmatch(r"00\d{3}", row.code)} == {"39400"}
    whole = {reason for reason, row in PROVIDER.items() if not re.fullmatch(r"\d{3}", row.code)}
    assert whole == {"upstream_unreachable"}  # the network's, whoever was asked (docs/reference/contract.md §3.3)
    assert all(re.fullmatch(r"5\d\d", row.code) for row in (*SESSION.values(), *REFUSALS.values()))


def test_failures_by_the_callers_fault_are_logged_as_info() -> None:
    assert {row.log for row in FAILURES.values() if row.fault == "caller"} == {"info"}


def test_failures_by_the_callers_fault_are_not_retried() -> None:
    assert not any(row.retry for row in FAILURES.values() if row.fault == "caller")


def test_every_failure_has_its_texts() -> None:
    assert all(row.title and row.detail for row in FAILURES.values())


@pytest.mark.parametrize(
    ("kind", "v3_status", "v2"),
    [
        (Kind.WRONG_PARAMETER, 422, (400, "bad_request")),
        (Kind.UNAUTHORIZED, 401, (401, "access_denied")),
        (Kind.FORBIDDEN, 403, (401, "access_denied")),
        (Kind.NOT_FOUND, 404, (404, "not_found")),
        (Kind.CONFLICT, 409, (409, "conflict")),
        (Kind.PROVIDER_ERROR, 502, (503, "data_provider_error")),
        (Kind.PROVIDER_UNKNOWN, 502, (503, "provider_unknown_error")),
        (Kind.NETWORK, 502, (502, "network_error")),
        (Kind.TIMEOUT, 504, (504, "timeout_error")),
        (Kind.LEGAL, 451, (451, "unavailable_for_legal_reason")),
        (Kind.MAINTENANCE, 503, (503, "maintenance")),
    ],
)
def test_a_kind_has_the_statuses_of_the_contract(kind: Kind, v3_status: int, v2: tuple[int, str]) -> None:
    assert RENDERINGS[kind] == (v3_status, *v2)


@pytest.mark.parametrize(
    ("reason", "code", "title", "detail"),
    [
        (
            "00210",
            "00210",
            "Entité non traitable",
            "Le paramètre recipient n'est pas un siret valide",
        ),
        (
            "00411",
            "00411",
            "Entité non traitable",
            "L'année scolaire n'est pas correctement formatée: doit être sur le format YYYY ou YYYY-YYYY)",
        ),
        (
            "insufficient_scopes",
            "00100",
            "Privilèges insuffisants",
            "Votre token est valide mais vos privilèges sont insuffisants. Listez vos privilèges sur /api/introspect",
        ),
        (
            "token_invalid",
            "00101",
            "Interdit",
            "Votre token n'est pas valide",
        ),
        (
            "identity_unknown",
            "560",
            "Identité non reconnue par le fournisseur de données",
            "Les paramètres d'identité fournis ne correspondent à aucune personne connue du fournisseur de données.",
        ),
        (
            "civil_status_refused",
            "561",
            "Paramètres de civilité refusés par le fournisseur de données",
            "Un ou plusieurs paramètres de civilité ont été refusés par le fournisseur de données.",
        ),
        (
            "identifier_refused",
            "562",
            "Identifiant refusé par le fournisseur de données",
            "L'identifiant fourni a été refusé par le fournisseur de données.",
        ),
        (
            "identity_ambiguous",
            "563",
            "Identité ambiguë pour le fournisseur de données",
            "Les paramètres d'identité fournis correspondent à plusieurs personnes chez le fournisseur de données.",
        ),
        (
            "identity_unusable",
            "564",
            "Identité inexploitable renvoyée par le fournisseur de données",
            "L'identité renvoyée par le fournisseur de données est incomplète ou invalide.",
        ),
        (
            "period_refused",
            "565",
            "Période refusée par le fournisseur de données",
            "La période demandée n'est pas couverte par le fournisseur de données.",
        ),
        (
            "upstream_certificate",
            "009",
            "Erreur de connexion sécurisée (TLS) avec le fournisseur de données",
            "La connexion sécurisée avec le fournisseur de données n'a pas pu être établie : certificat invalide ou "
            "expiré, ou échec de la négociation TLS. L'équipe technique a été notifiée de cette erreur pour "
            "investigation.",
        ),
        (
            "upstream_unavailable",
            "001",
            "Service non disponible",
            "Service du fournisseur de données temporairement indisponible ou en maintenance.",
        ),
        (
            "deadline_exceeded",
            "002",
            "Intermédiaire hors-délai",
            "Temps d’attente d’une réponse du fournisseur de données écoulé.",
        ),
        (
            "upstream_unknown",
            "999",
            "Erreur inconnue du fournisseur de données",
            "La réponse retournée par le fournisseur de données est invalide et inconnue de notre service. "
            "L'équipe technique a été notifiée de cette erreur pour investigation.",
        ),
    ],
)
def test_failure_texts_are_those_of_the_contract(reason: str, code: str, title: str, detail: str) -> None:
    row = FAILURES[reason]
    assert (row.code, row.title, row.detail) == (code, title, detail)


def test_failures_of_the_bus_are_in_the_failure_table() -> None:
    assert FAILURES.keys() >= {
        "bus_unavailable",
        "deadline_exceeded",
        "malformed_reply",
        "malformed_request",
        "not_deployed",
        "worker_bug",
    }

"""Tests of how the portal reads the gateway's documents, and keeps the last known values while reading fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bouquet_portal.documents.client import Client, GatewayError
from bouquet_portal.documents.document import Document
from bouquet_portal.documents.gateway import Gateway
from bouquet_portal.documents.kept import Kept
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.environment import PortalSettings
from tests.portal.servers import GatewayServer
from tests.support.waiting import TEST_TIMEOUT_S

QUOTIENT = "/v3/dss/quotient_familial/identite"


@pytest.fixture
def documents(gateway: GatewayServer) -> Iterator[Gateway]:
    published = Gateway.of(PortalSettings(gateway_url=gateway.url))
    yield published
    published.stop()


@pytest.fixture
def operations(documents: Gateway) -> dict[str, Operation]:
    return {operation.path: operation for operation in documents.operations.read()}


def test_operations_have_version_resource_and_modality(operations: dict[str, Operation]) -> None:
    shape = {path: (one.version, one.resource, one.modality) for path, one in operations.items()}
    assert shape[QUOTIENT] == ("v3", "dss/quotient_familial", "identite")
    assert shape["/v5/men/scolarites/identite"] == ("v5", "men/scolarites", "identite")
    assert shape["/api/v2/composition-familiale"] == ("v2", "composition-familiale", "")
    assert not any(path.startswith("/api/ping") for path in operations)


def test_each_field_has_the_scopes_that_open_it(operations: dict[str, Operation]) -> None:
    scopes = {field.path: field.scopes for field in operations[QUOTIENT].all_fields()}
    assert scopes["quotient_familial"] == ("cnaf_quotient_familial",)
    assert scopes["quotient_familial.valeur"] == ("cnaf_quotient_familial",)
    assert scopes["allocataires[]"] == ("cnaf_allocataires",)
    assert scopes["adresse.code_postal_ville"] == ("cnaf_adresse",)


def test_parameters_have_the_flags_of_the_document(operations: dict[str, Operation]) -> None:
    required = {one.name for one in operations[QUOTIENT].parameters if one.is_required}
    assert required == {"recipient", "codeCogInseePaysNaissance", "nomNaissance"}
    [sex] = [one for one in operations[QUOTIENT].parameters if one.name == "sexeEtatCivil"]
    assert sex.choices == ("M", "F")


def test_an_unchanged_document_is_not_understood_again(gateway: GatewayServer) -> None:
    understood: list[object] = []

    def count(content: object) -> int:
        understood.append(content)
        return len(understood)

    client = Client(gateway.url, timeout_s=TEST_TIMEOUT_S)
    document = Document(client, "/api/openapi.json", count)
    assert [document.read(), document.read()] == [1, 1]
    client.close()


def test_every_operation_of_every_version_has_fields(operations: dict[str, Operation]) -> None:
    assert len(operations) > 40
    assert [path for path, one in operations.items() if not one.fields] == []


def test_an_error_stands_once_with_its_causes_and_operations(documents: Gateway) -> None:
    errors: dict[str, ErrorCode] = {error.code: error for error in documents.errors.read()}
    assert errors["23003"].provider == "CNAF"
    assert len(errors["23003"].causes) > 3
    assert errors["00101"].operation_ids == ()


def test_states_are_read_by_name(documents: Gateway) -> None:
    assert documents.states.read()["cnaf_msa_quotient_familial"].state == "ok"


def test_the_last_known_value_stays_while_reading_fails() -> None:
    answers: list[int | None] = [1, None, None, 2]

    def read() -> int:
        answer = answers.pop(0) if answers else 2
        if answer is None:
            raise GatewayError
        return answer

    kept = Kept("openapi", read, every_s=0.01)
    seen = set()
    while (2, True) not in seen:
        latest = kept.latest()
        assert latest
        seen.add((latest.value, latest.is_current))
    kept.stop()
    assert {(1, True), (2, True)} <= seen <= {(1, True), (1, False), (2, True)}


def test_a_page_waits_a_bounded_time_for_a_first_value() -> None:
    def read() -> int:
        raise GatewayError

    kept = Kept("openapi", read, every_s=0.01, first_wait_s=0.05)
    assert kept.latest() is None
    kept.stop()

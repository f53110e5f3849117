"""Tests that messages stay compatible: samples of every version decode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from bouquet_proto.identity import Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_proto.messages import (
    Caller,
    Changes,
    CheckCase,
    Describe,
    Failed,
    FindDelegations,
    FindEntry,
    FindRevocation,
    Found,
    ListCases,
    ListDelegations,
    Lookup,
    NotFound,
    Recorded,
    Rejected,
    Reply,
    Request,
    WhoIs,
    decode_reply,
    decode_request,
    encode,
)

SAMPLES = Path(__file__).parent / "samples" / "v1"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PERSON = Identite(
    nom_naissance="DURANT",
    nom_usage="DUPONT",
    prenoms=("ANNE", "Zoé"),
    annee_date_naissance=1990,
    mois_date_naissance=2,
    jour_date_naissance=28,
    sexe_etat_civil="F",
    code_cog_insee_pays_naissance="99100",
    code_cog_insee_commune_naissance="69123",
    nom_commune_naissance="Lyon",
    code_cog_insee_departement_naissance="69",
)


def lookup(identity: Identity) -> Lookup:
    return Lookup(id="5f1c", deadline=1777377600.5, operation="op", identity=identity)


EDITOR = "0c5e7f0a-3a51-4f6e-9f39-52c6b0b6b1f4"
RECORD = "01a22c389d6167c1a3edc25f3d4dec15"
REQUESTS: dict[str, Request] = {
    "lookup_identite": Lookup(
        id="5f1c",
        deadline=1777377600.5,
        operation="api_particulier_v3_cnav_quotient_familial_with_civility",
        identity=PERSON,
        parameters={
            "annee": 2026,
            "mois": 4,
            "codes_bcn_regions": ("01", "18"),
            "annee_scolaire": "2025-2026",
        },
        caller=Caller(recipient="13002526500013", token_id="f3b1"),
        traceparent=TRACE,
    ),
    "lookup_ine": lookup(Ine(ine="1234567890G")),
    "lookup_identifiant": lookup(Identifiant(identifiant="abc-1")),
    "lookup_numero_allocataire": lookup(NumeroAllocataire(numero_allocataire="0123456", code_postal="01000")),
    "describe": Describe(id="5f1c", deadline=1777377600.5, traceparent=TRACE),
    "describe_with_refusals": Describe(
        id="5f1c",
        deadline=1777377600.5,
        offer="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        refused=("path already served: acme_dossier", "field removed: acme_aide: montant"),
    ),
    "who_is": WhoIs(id="5f1c", deadline=1777377600.5, token="6f1ed002-ab55-4b31-8f1c-0242ac120002", traceparent=TRACE),
    "changes": Changes(id="5f1c", deadline=1777377600.5, log="0f6c", since=41, traceparent=TRACE),
    "find_delegations": FindDelegations(
        id="5f1c", deadline=1777377600.5, editor=EDITOR, siret="13002526500013", traceparent=TRACE
    ),
    "list_cases": ListCases(id="5f1c", deadline=1777377600.5, after="op/200_anne", traceparent=TRACE),
    "check_case": CheckCase(
        id="5f1c", deadline=1777377600.5, operation="op", text="params: {identifiant: a}\n", traceparent=TRACE
    ),
    "find_entry": FindEntry(id="5f1c", deadline=1777377600.5, record=RECORD, traceparent=TRACE),
    "find_revocation": FindRevocation(id="5f1c", deadline=1777377600.5, record=RECORD, traceparent=TRACE),
    "list_delegations": ListDelegations(
        id="5f1c", deadline=1777377600.5, editor=EDITOR, page=2, per_page=50, traceparent=TRACE
    ),
}
REPLIES: dict[str, Reply] = {
    "not_found": NotFound("no_file", {"fund": "cnaf", "retry": 3}),
    "rejected": Rejected("00355", {"provider_error_code": "40409"}),  # of a time when a field's code told it
    "rejected_by_a_provider": Rejected("period_refused", {"provider_error_code": "40029"}),
    "failed": Failed("upstream_rate_limited", 12, {"status": 429}),
}


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def with_extra_fields(body: bytes) -> bytes:
    """Adds an unknown field, as a newer version might, to every object whose fields Bouquet defines."""

    def grow(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        owned = {key: value[key] if key in OPEN else grow(value[key]) for key in value}
        return owned | {"added_in_2031": [1, {"deep": None}]}

    return json.dumps(grow(json.loads(body))).encode()


OPEN = {"data", "parameters", "meta"}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_sample_of_a_request_decodes(name: str) -> None:
    assert decode_request(sample(name)) == REQUESTS[name]


@pytest.mark.parametrize("name", REPLIES)
def test_the_sample_of_a_reply_decodes(name: str) -> None:
    assert decode_reply(sample(name)) == REPLIES[name]


def test_the_sample_of_found_decodes_and_keeps_its_data_unchanged() -> None:
    reply = decode_reply(sample("found"))
    assert isinstance(reply, Found)
    assert json.loads(bytes(reply.data)) == json.loads(sample("found"))["data"]


def test_the_sample_of_a_recorded_case_decodes() -> None:
    reply = decode_reply(sample("recorded"))
    assert isinstance(reply, Recorded)
    assert (reply.status, json.loads(bytes(reply.body))) == (404, {"errors": [{"code": "26003"}]})


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_equal_after_encoding_and_decoding(name: str) -> None:
    assert decode_request(encode(REQUESTS[name])) == REQUESTS[name]


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_equal_after_encoding_and_decoding(name: str) -> None:
    assert decode_reply(encode(REPLIES[name])) == REPLIES[name]


def test_found_is_equal_after_encoding_and_decoding() -> None:
    reply = decode_reply(encode(Found(Raw(b'{"valeur":873}'))))
    assert isinstance(reply, Found)
    assert bytes(reply.data) == b'{"valeur":873}'


@pytest.mark.parametrize("name", REQUESTS)
def test_unknown_fields_of_a_request_are_ignored(name: str) -> None:
    assert decode_request(with_extra_fields(sample(name))) == REQUESTS[name]


@pytest.mark.parametrize("name", REPLIES)
def test_unknown_fields_of_a_reply_are_ignored(name: str) -> None:
    assert decode_reply(with_extra_fields(sample(name))) == REPLIES[name]


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (
            b'{"type":"lookup","id":"1","deadline":2,"operation":"op",'
            b'"identity":{"type":"identite","nom_naissance":"DURANT"}}',
            Lookup(id="1", deadline=2, operation="op", identity=Identite(nom_naissance="DURANT")),
        ),
        (b'{"type":"describe","id":"1","deadline":2}', Describe(id="1", deadline=2)),
    ],
)
def test_a_request_needs_only_its_required_fields(body: bytes, request_: Request) -> None:
    assert decode_request(body) == request_


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (b'{"type":"not_found","reason":"x"}', NotFound("x")),
        (b'{"type":"rejected","reason":"x"}', Rejected("x")),
        (b'{"type":"failed","reason":"x"}', Failed("x")),
    ],
)
def test_a_reply_needs_only_its_required_fields(body: bytes, reply: Reply) -> None:
    assert decode_reply(body) == reply


def test_every_message_has_a_sample() -> None:
    names = {path.stem for path in SAMPLES.glob("*.json")}
    assert names == REQUESTS.keys() | REPLIES.keys() | {"found", "recorded"}
    tags = {kind.__struct_config__.tag for kind in (*get_args(Request), *get_args(Reply))}
    assert tags == {json.loads(sample(name))["type"] for name in names}


def test_every_identity_has_a_sample() -> None:
    sampled = {type(request.identity) for request in REQUESTS.values() if isinstance(request, Lookup)}
    assert sampled == set(get_args(Identity))


UNREADABLE = [
    b"",
    b"null",
    b"[]",
    b"<html>502</html>",
    b'{"type":"found"}',
    b'{"type":"found","data":',
    b'{"type":"failed"}',
    b'{"type":"failed","reason":7}',
    b'{"type":"failed","reason":"\xff"}',
    b'{"type":"found","data":{"nom":"\xe9t\xe9"}}',
    b'{"type":"found","data":' + b"[" * 100_000,
    b'{"type":"newcomer","reason":"x"}',
    b'{"type":"lookup","id":"1","deadline":2,"operation":"op","identity":{"type":"iris"}}',
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:40]))
def test_a_malformed_reply_decodes_to_a_failure(body: bytes) -> None:
    assert decode_reply(body) == Failed("malformed_reply")


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:40]))
def test_a_malformed_request_raises_a_decode_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_request(body)


@given(st.binary())
def test_no_bytes_make_a_reply_raise(body: bytes) -> None:
    decode_reply(body)


def test_a_decode_error_does_not_quote_the_message() -> None:
    body = sample("lookup_identite").replace(b'"F"', b'"HUNTER2"')
    with pytest.raises(msgspec.DecodeError) as caught:
        decode_request(body)
    assert "HUNTER2" not in str(caught.value)
    assert caught.value.__suppress_context__

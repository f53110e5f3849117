"""Tests of FranceConnect's worker on its simulator, in every situation of docs/reference/upstreams/france_connect.md
§5 and with forged answers."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import RSAKey

from bouquet_france_connect import keys, pivot
from bouquet_france_connect.keys import KID, decrypted, private_keys, published
from bouquet_france_connect.personas import MAELYS, SCOPES, Citizen
from bouquet_france_connect.simulator import (
    EXPIRED,
    FORGED_ANSWERS,
    KEY_RING,
    RESOURCES,
    SESSIONS,
    SIMULATED_ANSWERS,
    AnswerMaker,
    _signing_key,
    _worker_key,
    settings,
    simulator,
)
from bouquet_france_connect.upstream import Introspection
from bouquet_france_connect.worker import worker
from bouquet_mesh.settings import SettingsError
from bouquet_proto import france_connect_session
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import Identifiant, Identite
from bouquet_proto.messages import Failed, Found, Rejected, Reply
from bouquet_worker.errors import UpstreamError
from bouquet_worker.simulate import Fault, Received
from bouquet_worker.testing.captured_telemetry import capturing_telemetry
from tests.providers.worker_client import REPLY_MARGIN_S, SILENCE_S, WorkerClient, worker_client

UNKNOWN = Failed("upstream_unknown")
MAELYS_IDENTITY = Identite(
    nom_naissance="LE GOUADEC",
    prenoms=("Maëlys", "Inès"),
    annee_date_naissance=1989,
    mois_date_naissance=6,
    jour_date_naissance=14,
    sexe_etat_civil="F",
    code_cog_insee_pays_naissance="99100",
    code_cog_insee_commune_naissance="29019",
)


@pytest.fixture
async def france_connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def opened(asked: WorkerClient, token: str, resource: str = "quotient_familial", **options: Any) -> Reply:
    return await asked(france_connect_session.OPERATION, Identifiant(identifiant=token), resource=resource, **options)


def session_in(reply: Reply) -> Session:
    assert isinstance(reply, Found), reply
    return msgspec.json.decode(reply.data, type=Session)


async def reply_to(asked: WorkerClient, **changes: Any) -> Reply:
    """Returns the worker's reply about a citizen with Maëlys's data, in which `changes` replace fields of `Citizen`."""
    fields = {name: getattr(MAELYS, name) for name in MAELYS.__struct_fields__}
    asked.app[SESSIONS]["jeton-change"] = Citizen(**fields | changes)
    return await opened(asked, "jeton-change")


def calls_to(asked: WorkerClient, path: str) -> list[Received]:
    return [received for received in asked.received if received.path == f"/api/v2/{path}"]


# What is sent


@pytest.mark.parametrize("resource", RESOURCES)
async def test_each_resource_has_its_client(france_connect: WorkerClient, resource: str) -> None:
    assert isinstance(await opened(france_connect, "jeton-maelys", resource), Found)
    [call] = calls_to(france_connect, "checktoken")
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.query == ()
    assert call.body.startswith(f"client_id=sim-{resource}&client_secret=".encode())
    assert call.body.endswith(b"&token=jeton-maelys")


async def test_a_resource_without_a_client_is_not_asked_about(france_connect: WorkerClient) -> None:
    assert await opened(france_connect, "jeton-maelys", "impots") == Failed("upstream_refused_us")
    assert france_connect.received == []


async def test_only_who_brings_a_token_is_answered(france_connect: WorkerClient) -> None:
    reply = await france_connect(france_connect_session.OPERATION, MAELYS_IDENTITY, resource="quotient_familial")
    assert reply == Failed("malformed_request")


def test_the_operation_is_not_public() -> None:
    assert worker.offer().operations == ()
    assert worker.offer().authority == france_connect_session.AUTHORITY


# Whose session it is


async def test_a_session_has_the_identity_of_the_citizen_and_expanded_scopes(france_connect: WorkerClient) -> None:
    opened_session = session_in(await opened(france_connect, "jeton-maelys"))
    assert opened_session.identity == MAELYS_IDENTITY
    expanded = ("given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry")
    assert opened_session.scopes == (*SCOPES.split(), *expanded)


async def test_a_compound_first_name_stays_one(france_connect: WorkerClient) -> None:
    assert session_in(await opened(france_connect, "jeton-marie-claire")).identity.prenoms == (
        "Marie Claire",
        "Josette",
    )


async def test_first_names_are_split_where_there_is_no_list(france_connect: WorkerClient) -> None:
    assert session_in(await opened(france_connect, "jeton-sans-liste")).identity == MAELYS_IDENTITY


@pytest.mark.parametrize(
    ("birthdate", "known"),
    [
        ("1989-06-14", (1989, 6, 14)),
        ("1989-06-00", (1989, 6, None)),
        ("1989-00-00", (1989, None, None)),
        ("1989-00-14", (1989, None, None)),
        ("1989", (1989, None, None)),
        ("1988-02-29", (1988, 2, 29)),
    ],
)
async def test_a_part_of_the_date_may_be_unknown(
    france_connect: WorkerClient, birthdate: str, known: tuple[int | None, ...]
) -> None:
    who = session_in(await reply_to(france_connect, birthdate=birthdate)).identity
    assert (who.annee_date_naissance, who.mois_date_naissance, who.jour_date_naissance) == known


async def test_who_is_born_abroad_has_no_commune(france_connect: WorkerClient) -> None:
    who = session_in(await opened(france_connect, "jeton-samira")).identity
    assert (who.code_cog_insee_pays_naissance, who.code_cog_insee_commune_naissance) == ("99351", None)


@pytest.mark.parametrize(
    ("gender", "sexe"),
    [("male", "M"), ("female", "F"), ("unspecified", None), ("", None), (" ", None), ("Male", None), ("M", None)],
)
async def test_a_sex_that_is_not_told_is_not_known(france_connect: WorkerClient, gender: str, sexe: str | None) -> None:
    assert session_in(await reply_to(france_connect, gender=gender)).identity.sexe_etat_civil == sexe


async def test_a_sex_that_is_absent_is_not_known(france_connect: WorkerClient) -> None:
    assert session_in(await reply_to(france_connect, changed_claims={"gender": None})).identity.sexe_etat_civil is None


@pytest.mark.parametrize(
    ("country", "place", "kept"),
    [
        ("99100", "29019", "29019"),
        ("99100", "20004", "20004"),
        ("99100", "98511", "98511"),
        ("99100", "2a004", "2A004"),
        ("99100", "", None),
        ("99352", "Oran", None),
        ("99352", "90900", None),
        ("", "29019", None),
    ],
)
async def test_a_place_counts_for_a_birth_in_france(
    france_connect: WorkerClient, country: str, place: str, kept: str | None
) -> None:
    who = session_in(await reply_to(france_connect, birthcountry=country, birthplace=place)).identity
    assert who.code_cog_insee_commune_naissance == kept


@pytest.mark.parametrize("name", ["LEBŒUF", "L'HAŸ", "L’HAŸ-LES-ROSES", "NGUYỄN", "ȘERBAN", "GUTIÉRREZ"])
async def test_letters_that_nobody_could_type_are_taken_from_france_connect(
    france_connect: WorkerClient, name: str
) -> None:
    reply = await reply_to(france_connect, family_name=name)
    assert session_in(reply).identity.nom_naissance == name.replace("’", "'")


async def test_first_names_may_be_missing(france_connect: WorkerClient) -> None:
    assert session_in(await opened(france_connect, "jeton-sans-prenom")).identity.prenoms == ()


async def test_the_name_of_use_is_never_told(france_connect: WorkerClient) -> None:
    reply = await reply_to(france_connect, changed_claims={"preferred_username": "KERVENNIC"})
    assert session_in(reply).identity.nom_usage is None


@pytest.mark.parametrize(
    "token",
    [
        "jeton-sans-nom",
        "jeton-nom-illisible",
        "jeton-sans-naissance",
        "jeton-sans-annee",
        "jeton-mois-impossible",
        "jeton-jour-impossible",
        "jeton-date-impossible",
        "jeton-sans-rien",
    ],
)
async def test_an_identity_with_a_fault_is_unusable(france_connect: WorkerClient, token: str) -> None:
    assert await opened(france_connect, token) == Rejected(france_connect_session.IDENTITY_UNUSABLE)


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"birthdate": date}
            for date in ("14/06/1989", "14-06-1989", "89-06-14", "19890614", "1989-6-14", "0089-06-14")
        ),
        *({"family_name": name} for name in ("Лебедев", "  ", "R2D2", "DUPONT ©")),
        {"given_names": ("Maëlys", "Инес")},
        {"birthplace": "Brest"},
    ],
    ids=lambda changes: str(*changes.values()),
)
async def test_what_is_not_understood_of_an_identity_makes_no_other(
    france_connect: WorkerClient, changes: dict[str, Any]
) -> None:
    assert await reply_to(france_connect, **changes) == Rejected(france_connect_session.IDENTITY_UNUSABLE)


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("openid  cnaf_adresse\n", ("openid", "cnaf_adresse")),
        ("", ()),
        ("birth", ("birth", "birthplace", "birthcountry")),
        ("profile gender", ("profile", "gender", "given_name", "family_name", "birthdate")),
    ],
)
def test_scopes_are_told_and_aliases_expanded(scopes: str, expected: tuple[str, ...]) -> None:
    assert pivot.scopes_of(Introspection(active=True, scope=scopes)) == expected


# What FranceConnect refuses, and its own troubles (docs/reference/upstreams/france_connect.md §5)

REFUSED = {"error_message": "…"}
SITUATIONS: tuple[tuple[int, Any, Reply], ...] = (
    *((status, REFUSED | {"error": "invalid_request"}, Rejected("session_malformed")) for status in (400, 401)),
    *((status, REFUSED | {"error": "invalid_client"}, Rejected("session_unknown")) for status in (400, 401)),
    *((status, REFUSED | {"error": "server_error"}, UNKNOWN) for status in (400, 401)),
    *((status, REFUSED | {"error": None}, UNKNOWN) for status in (400, 401)),
    *((status, {}, UNKNOWN) for status in (400, 401)),
    *((status, {"error": ["invalid_client"]}, Failed("upstream_malformed")) for status in (400, 401)),
    *((status, "invalid_client", Failed("upstream_malformed")) for status in (400, 401)),
    *((status, {"error": "invalid_client"}, UNKNOWN) for status in (201, 204, 403, 404, 409, 429, 500, 501)),
    *((status, {"error": "invalid_client"}, Failed("upstream_unavailable")) for status in (502, 503)),
    (504, {"error": "invalid_client"}, Failed("upstream_timeout")),
    (200, {"token_introspection": {"active": True}}, UNKNOWN),
    (200, None, UNKNOWN),
)


@pytest.mark.parametrize(("status", "body", "reply"), SITUATIONS)
async def test_every_situation_has_its_reply(
    france_connect: WorkerClient, status: int, body: Any, reply: Reply
) -> None:
    france_connect.app[SIMULATED_ANSWERS]["jeton-maelys"] = (status, body)
    assert await opened(france_connect, "jeton-maelys") == reply


@pytest.mark.parametrize(
    ("token", "reply"),
    [
        (EXPIRED, Rejected("session_unknown")),
        ("jeton-de-personne", Rejected("session_unknown")),
        ("jeton mal formé", Rejected("session_malformed")),
        ("", Rejected("session_malformed")),
        ("panne-internal", UNKNOWN),
        ("panne-html", UNKNOWN),
        ("panne-empty", UNKNOWN),
        ("panne-truncated", UNKNOWN),
        ("panne-redirect", Failed("upstream_redirected")),
        ("panne-unavailable", Failed("upstream_unavailable")),
        ("panne-gateway-timeout", Failed("upstream_timeout")),
        ("panne-cut", Failed("upstream_timeout")),
    ],
)
async def test_a_token_that_opens_nothing(france_connect: WorkerClient, token: str, reply: Reply) -> None:
    assert await opened(france_connect, token) == reply


async def test_silence_ends_before_the_deadline(france_connect: WorkerClient) -> None:
    assert await opened(france_connect, "panne-slow", within_s=SILENCE_S) == Failed("upstream_timeout")


# What is not to be believed


@pytest.mark.parametrize("token", FORGED_ANSWERS)
async def test_a_forged_answer_of_france_connect_is_refused(france_connect: WorkerClient, token: str) -> None:
    assert await opened(france_connect, token) == UNKNOWN


async def test_the_same_answer_is_accepted_when_it_is_not_forged(france_connect: WorkerClient) -> None:
    """Tests that the worker accepts the valid answer from which other tests make forged ones."""
    seal = AnswerMaker(france_connect.app[KEY_RING].signer, _worker_key(), {"iss": "x", "aud": "y"})
    assert decrypted(seal.answer().encode(), (_worker_key(),)).count(b".") == 2
    assert isinstance(await opened(france_connect, "jeton-maelys"), Found)


@given(st.data())
def test_a_damaged_message_is_a_failure_and_no_exception(data: st.DataObject) -> None:
    message = bytearray(AnswerMaker(_signing_key("k"), _worker_key(), {"iss": "x", "aud": "y"}).answer().encode())
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != message[place]))
    with pytest.raises(UpstreamError) as caught:
        decrypted(bytes(message), (_worker_key(),))
    assert caught.value.reason == "upstream_unknown"


HEADERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ES256", "none", "RSA-OAEP", "A256GCM", "kid", "b64"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["alg", "enc", "kid", "crit", "b64", "zip", "jwk", "iv"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(HEADERS)
@example(["alg", "enc"])
@example("alg enc")
async def test_a_malformed_header_is_a_failure_and_no_exception(header: Any) -> None:
    segment = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    with pytest.raises(UpstreamError):
        decrypted(segment + b".AAAA.AAAA.AAAA.AAAA", (_worker_key(),))
    signing = keys.SigningKeys(None)  # type: ignore[arg-type]
    signing._keys, signing._good_until, signing._rests_until = (_signing_key("kid"),), float("inf"), float("inf")
    with pytest.raises(UpstreamError):
        await signing.verified(segment + b".AAAA.AAAA")


# FranceConnect's keys


async def test_france_connect_s_keys_are_requested_once(france_connect: WorkerClient) -> None:
    for _ in range(3):
        await opened(france_connect, "jeton-maelys")
    assert len(calls_to(france_connect, "jwks")) == 1


async def test_france_connect_s_keys_are_requested_again_after_ten_minutes(
    france_connect: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEPT_S", 0.0)
    monkeypatch.setattr(keys, "REQUEST_PAUSE_S", 0.0)
    for _ in range(3):
        assert isinstance(await opened(france_connect, "jeton-maelys"), Found)
    assert len(calls_to(france_connect, "jwks")) == 3


async def test_a_new_key_of_france_connect_is_requested(
    france_connect: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REQUEST_PAUSE_S", 0.0)
    await opened(france_connect, "jeton-maelys")
    france_connect.app[KEY_RING].rotate()
    for _ in range(3):
        assert isinstance(await opened(france_connect, "jeton-maelys"), Found)
    assert len(calls_to(france_connect, "jwks")) == 2


async def test_a_withdrawn_key_of_france_connect_is_no_longer_accepted(
    france_connect: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REQUEST_PAUSE_S", 0.0)
    key_ring = france_connect.app[KEY_RING]
    await opened(france_connect, "jeton-maelys")
    stolen = key_ring.signer
    key_ring.rotate()
    key_ring.rotate()
    await opened(france_connect, "jeton-maelys")
    key_ring.keys.append(stolen)
    key_ring.fault = Fault.UNAVAILABLE
    assert await opened(france_connect, "jeton-maelys") == UNKNOWN


async def test_unknown_key_names_do_not_cause_a_request_each(france_connect: WorkerClient) -> None:
    await opened(france_connect, "jeton-maelys")
    for _ in range(10):
        assert await opened(france_connect, "jeton-signe-par-un-inconnu") == UNKNOWN
    assert len(calls_to(france_connect, "jwks")) == 1
    assert isinstance(await opened(france_connect, "jeton-maelys"), Found)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
async def test_without_france_connect_s_keys_an_answer_is_a_failure(
    france_connect: WorkerClient, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REQUEST_PAUSE_S", 0.0)
    key_ring = france_connect.app[KEY_RING]
    key_ring.fault = fault
    assert await opened(france_connect, "jeton-maelys") == UNKNOWN
    key_ring.fault = None
    assert isinstance(await opened(france_connect, "jeton-maelys"), Found)


async def test_a_request_for_keys_ends_before_the_deadline(france_connect: WorkerClient) -> None:
    france_connect.app[KEY_RING].fault = Fault.SLOW
    assert await opened(france_connect, "jeton-maelys", within_s=REPLY_MARGIN_S + 2.0) == UNKNOWN


# Our keys


def pem(*ours: RSAKey) -> str:
    return "\n".join(key.as_pem(private=True).decode() for key in ours)


def test_an_answer_for_an_older_private_key_is_still_decrypted() -> None:
    old, new = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
    ours = private_keys(pem(new, old))
    for key in (old, new):
        message = jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": KID}, b"told", key)
        assert decrypted(message.encode(), ours) == b"told"


def test_private_keys_may_be_on_one_line() -> None:
    key = RSAKey.generate_key(2048)
    [read] = private_keys(pem(key).replace("\n", " "))
    assert read.as_dict() == key.as_dict()


def test_only_the_public_part_of_the_current_key_is_published() -> None:
    environ = settings("http://fc.test")
    document = worker.offer(worker.settings(environ)).documents["/api/france_connect_jwks"]
    [key] = document["keys"]
    public = _worker_key().as_dict(private=False)
    assert key == {
        "kty": "RSA",
        "kid": "api_particulier_rsa_oaep_jwks",
        "use": "enc",
        "alg": "RSA-OAEP",
        "n": public["n"],
        "e": "AQAB",
    }
    assert "=" not in key["n"]
    assert published(_worker_key()) == key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRIVATE_KEYS", "no key"),
        ("PRIVATE_KEYS", "-----BEGIN PRIVATE KEY-----AQAB-----END PRIVATE KEY-----"),
        ("CLIENTS", "quotient_familial:id:secret"),
        ("CLIENTS", '{"quotient_familial": {"id": "id"}}'),
    ],
)
async def test_wrong_settings_of_france_connect_stop_the_worker(name: str, value: str) -> None:
    variable = f"BOUQUET_FRANCE_CONNECT_{name}"
    with pytest.raises(SettingsError) as caught:
        async with worker.connected(worker.settings(settings("http://fc.test") | {variable: value})):
            pass
    assert str(caught.value).startswith(variable)
    assert value not in str(caught.value)


# Privacy


@pytest.mark.parametrize(
    "token", ["jeton-maelys", "jeton-sans-nom", "jeton-autre-emetteur", "jeton-perime", *FORGED_ANSWERS]
)
async def test_no_log_span_or_metric_holds_anything_of_a_session(france_connect: WorkerClient, token: str) -> None:
    with capturing_telemetry() as captured:
        await opened(france_connect, token)
    [call] = calls_to(france_connect, "checktoken")
    client_secret = parse_qs(call.body.decode())["client_secret"][0]
    personal = (token, client_secret, "gouadec", "maëlys", "inès", "1989-06-14", "29019", "cnaf_enfants")
    for kind, text in captured.texts().items():
        assert [word for word in personal if word.casefold() in text.casefold()] == [], kind

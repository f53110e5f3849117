"""Attacks by a caller: forged tokens, smuggled requests, foreign URLs and injected headers."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from bouquet_gateway.access.tokens import STAGING_TOKEN_ID
from bouquet_mesh.secret import Secret
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, SCOPES, TOKEN_KEY, token
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.waiting import TEST_TIMEOUT_S

OWN = ECKey.generate_key("P-256", {"kid": "2026-01"})
"""Key pair of these tests. Its private key signs tokens; the gateway verifies them with the public key, which anybody
may know."""
THEIRS = OctKey.generate_key(256)
KEY_SET = Secret(json.dumps({"keys": [OWN.as_dict(private=False)]}))


@pytest.fixture(scope="module")
def claims() -> bytes:
    everything = {"uid": STAGING_TOKEN_ID, "jti": STAGING_TOKEN_ID, "scopes": SCOPES, "exp": time.time() + 600}
    return msgspec.json.encode(everything)


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh(token_keys=KEY_SET) as opened:
        yield opened


# Tokens


def by_hand(header: dict[str, Any], payload: bytes, signature: bytes = b"") -> str:
    parts = (msgspec.json.encode(header), payload, signature)
    return ".".join(map(_encoded, parts))


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def signed_by(secret: bytes, header: dict[str, Any], payload: bytes) -> str:
    # It is built by hand, because some attacks use a public key as the secret, and libraries refuse to sign with one.
    signed = by_hand({"alg": "HS256", **header}, payload).removesuffix(".")
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def public_forms() -> dict[str, bytes]:
    """Returns the public key in several encodings (PEM, DER, JWK). The attacks use each as an HS256 secret, which a
    careless verifier would accept."""
    return {"PEM": OWN.as_pem(private=False), "DER": OWN.as_der(private=False), "JWK": KEY_SET.reveal().encode()}


@pytest.mark.parametrize("form", public_forms())
async def test_a_token_signed_with_the_public_key_as_secret_is_refused(form: str, client: Mesh, claims: bytes) -> None:
    for header in ({}, {"kid": "2026-01"}):
        forged = signed_by(public_forms()[form], header, claims)
        assert (await client.get(params=CAF_ALLOCATAIRE, token=forged)).status == 401


async def test_a_token_signed_with_the_private_key_is_accepted(client: Mesh, claims: bytes) -> None:
    """Tests that a token signed with the private key is accepted. This shows that the tokens of the other tests are
    refused only because they are forged."""
    good = jws.serialize_compact({"alg": "ES256", "kid": "2026-01"}, claims, OWN, ["ES256"])
    assert (await client.get(params=CAF_ALLOCATAIRE, token=good)).status == 200


@pytest.mark.parametrize(
    "kid",
    [
        "../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "2026-01\x00",
        "http://127.0.0.1/jwks",
        "",
        "2026-01/",
        [],
        1,
        {},
    ],
    ids=repr,
)
async def test_a_key_id_that_is_a_path_or_url_is_only_compared(kid: Any, client: Mesh, claims: bytes) -> None:
    key = THEIRS.as_dict(private=True)["k"]
    forged = [
        signed_by(str(key).encode(), {"kid": kid} if isinstance(kid, str) else {}, claims),
        by_hand({"alg": "HS256", "kid": kid}, claims, b"\x00" * 32),
        by_hand({"alg": "none", "kid": kid}, claims),
    ]
    for text in forged:
        assert (await client.get(params=CAF_ALLOCATAIRE, token=text)).status == 401


HEADERS: dict[str, dict[str, Any]] = {
    "its own key": {"alg": "HS256", "jwk": THEIRS.as_dict(private=True)},
    "a critical extension": {"alg": "HS256", "crit": ["b64"], "b64": False},
    "a critical extension that is a number": {"alg": "HS256", "crit": 5},
    "no algorithm": {},
    "a list of algorithms": {"alg": ["HS256", "none"]},
    "encryption": {"alg": "dir", "enc": "A256GCM"},
    "compression": {"alg": "HS256", "zip": "DEF"},
}


@pytest.mark.parametrize("header", HEADERS)
async def test_a_token_header_cannot_choose_key_or_algorithm(header: str, client: Mesh, claims: bytes) -> None:
    signature = jws.serialize_compact({"alg": "HS256"}, claims, THEIRS, ["HS256"]).rpartition(".")[2]
    for text in (by_hand(HEADERS[header], claims), f"{by_hand(HEADERS[header], claims)}{signature}"):
        assert (await client.get(params=CAF_ALLOCATAIRE, token=text)).status == 401


@pytest.mark.parametrize("size", [7_000, 100_000, 2_000_000])
async def test_a_huge_token_is_refused_by_the_http_server(size: int, client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="a" * size)
    assert answer.status in (401, 413)
    assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200


async def test_of_a_claim_given_twice_the_last_counts(client: Mesh) -> None:
    twice = f'"exp":{time.time() + 60},"exp":1,"uid":"{STAGING_TOKEN_ID}","jti":"{STAGING_TOKEN_ID}"'
    payload = f'{{"scopes":["{SCOPES[0]}"],{twice}}}'.encode()
    answer = await client.get(params=CAF_ALLOCATAIRE, token=signed_by(TOKEN_KEY.reveal().encode(), {}, payload))
    assert answer.codes == ["00103"]


async def test_a_token_of_deeply_nested_json_is_refused(client: Mesh) -> None:
    deep = b'{"alg":' + b"[" * 2000 + b"]" * 2000 + b"}"
    anybody_s = f"{_encoded(deep)}.{_encoded(b'{}')}.{_encoded(b'x')}"
    for forged in (anybody_s, signed_by(TOKEN_KEY.reveal().encode(), {}, deep)):
        assert (await client.get(params=CAF_ALLOCATAIRE, token=forged)).status == 401
        assert (await client.get("/api/introspect", token=forged)).status == 401


# No URL sent by a caller is fetched


@asynccontextmanager
async def jwks_server() -> AsyncIterator[tuple[str, list[int]]]:
    calls: list[int] = []

    async def caught(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        writer.close()

    async with await asyncio.start_server(caught, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", calls


async def test_no_url_sent_by_a_caller_is_fetched(client: Mesh, claims: bytes) -> None:
    async with jwks_server() as (url, calls):
        for name in ("jku", "x5u", "kid", "iss", "x5c"):
            value = [url] if name == "x5c" else f"{url}/{name}"
            header = {"alg": "ES256", "kid": "2026-01", name: value}
            forged = by_hand(header, claims, b"\x00" * 64)
            for asked in ({"token": forged}, {"token": "", "headers": {"X-Api-Key": forged}}):
                assert (await client.get(params=CAF_ALLOCATAIRE, **asked)).status == 401
        everywhere = {"X-Forwarded-Host": url, "Forwarded": f"host={url}", "Referer": url, "X-Original-Url": url}
        everywhere |= {"Host": url.removeprefix("http://")}
        more = dict.fromkeys(("url", "callback", "redirect_uri", "nomUsage", "codePostal"), url)
        assert (await client.get(params={**CAF_ALLOCATAIRE, **more}, headers=everywhere)).status in (200, 422)
        assert calls == []


# Smuggled requests


def request(*headers: str, method: str = "GET", target: str = "/livez", body: str = "") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", body]).encode()


INNER = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED_INNER = f"0\r\n\r\n{INNER}"
SMUGGLED = {
    "length and chunks": request(
        f"Content-Length: {len(CHUNKED_INNER)}", "Transfer-Encoding: chunked", body=CHUNKED_INNER
    ),
    "chunks and length": request("Transfer-Encoding: chunked", "Content-Length: 4", body=CHUNKED_INNER),
    "chunks by another name": request("Content-Length: 4", "Transfer-Encoding: xchunked", body=CHUNKED_INNER),
    "chunks twice": request("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKED_INNER),
    "chunks after a tab": request("Content-Length: 4", "Transfer-Encoding:\tchunked", body=CHUNKED_INNER),
    "a space before the colon": request("Content-Length : 4", body=INNER),
    "a signed length": request("Content-Length: +4", body=INNER),
    "a length in hexadecimal": request("Content-Length: 0x4", body=INNER),
    "a length below zero": request("Content-Length: -1", body=INNER),
    "two lengths": request("Content-Length: 0", f"Content-Length: {len(INNER)}", body=INNER),
    "a folded header": request("X: 1", f" Content-Length: {len(INNER)}", body=INNER),
    "a line break alone in a header": request(f"X: 1\nContent-Length: {len(INNER)}", body=INNER),
    "a carriage return alone in a header": request(f"X: 1\rContent-Length: {len(INNER)}", body=INNER),
    "a chunk's size that is none": request("Transfer-Encoding: chunked", body=f"-1\r\n{INNER}"),
    "a chunk's size of many digits": request("Transfer-Encoding: chunked", body="f" * 40 + f"\r\n{INNER}"),
    "a null": request(f"X: \x00\r\nContent-Length: {len(INNER)}", body=INNER),
}


async def answer_text(client: Mesh, raw: bytes) -> bytes:
    """Sends the bytes `raw` to the gateway, and returns all bytes that the gateway sends until it closes the
    connection."""
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    heard = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while piece := await reader.read(65536):
                heard += piece
    writer.close()
    return heard


@pytest.mark.parametrize("trick", SMUGGLED)
async def test_a_request_smuggled_in_an_ambiguous_one_is_not_answered(trick: str, client: Mesh) -> None:
    """Tests a request that a proxy in front of the gateway might read as two. The gateway must answer once, with 400,
    and close the connection."""
    heard = await answer_text(client, SMUGGLED[trick])
    assert b"bouquet_gateway_requests_total" not in heard
    assert heard.count(b"HTTP/1.") == 1
    assert heard.split()[1] == b"400"


# Values that are written to headers, keys and logs


INJECTED = ("\r\nX-Injected: yes", "\nX-Injected: yes", "\r\n\r\n<html>", "\x00", "\u2028X-Injected: yes")


@pytest.mark.parametrize("parameter", ["recipient", "nomNaissance", "prenoms[]", "codeCogInseePaysNaissance"])
async def test_a_line_break_in_a_parameter_reaches_no_header(parameter: str, client: Mesh) -> None:
    """Tests that a line break in a parameter's value adds no header to the answer, or to a request to an upstream."""
    for injected in INJECTED:
        person = {name: value for name, value in CAF_ALLOCATAIRE.items() if name != parameter}
        good = CAF_ALLOCATAIRE[parameter]
        value = (good[0] if isinstance(good, list) else good) + injected
        answer = await client.get(query=f"{urlencode(person, doseq=True)}&{quote(parameter)}={quote(value)}")
        assert answer.status in (400, 422, 404)
        assert "X-Injected" not in answer.headers
    for provider in client.simulators:
        for received in client.received(provider):
            assert "X-Injected" not in received.headers


async def test_an_invalid_request_id_is_replaced(client: Mesh) -> None:
    for given in ("1", "<script>", "a" * 4000, "6f1ed002-ab55-4b31-8f1c-0242ac120002 X", "${jndi:ldap://x}"):
        answer = await client.get(params=CAF_ALLOCATAIRE, headers={"X-Request-Id": given})
        assert len(answer.headers["X-Request-Id"]) == 36
        assert answer.headers["X-Request-Id"] not in given


async def test_a_name_of_a_million_letters_is_refused_by_the_http_server(client: Mesh) -> None:
    answer = await client.get(params={**CAF_ALLOCATAIRE, "nomNaissance": "A" * 1_000_000})
    assert answer.status == 413
    longest = await client.get(params={**CAF_ALLOCATAIRE, "nomNaissance": "A" * 7_000})
    assert longest.status == 422
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_a_path_with_dot_segments_reaches_no_other_path(client: Mesh) -> None:
    for path in (
        "/v3/../metrics",
        "/v3/%2e%2e/metrics",
        "//metrics",
        "/v3/dss/..%2f..%2fmetrics",
        f"{QUOTIENT_FAMILIAL_PATH}/../../x",
    ):
        answer = await client.get(path, token=token())
        assert answer.status == 404
        assert "bouquet_gateway_requests_total" not in answer.body.decode()


DRESSED = {
    "a dot": QUOTIENT_FAMILIAL_PATH.replace("/dss", "/./dss"),
    "a way round": QUOTIENT_FAMILIAL_PATH.replace("/dss", "/x/../dss"),
    "a way round, encoded": QUOTIENT_FAMILIAL_PATH.replace("/dss", "/x/%2e%2e/dss"),
    "an encoded slash": QUOTIENT_FAMILIAL_PATH.replace("/dss", "%2fdss"),
    "a backslash": QUOTIENT_FAMILIAL_PATH.replace("/dss", "%5cdss"),
    "letters encoded twice": QUOTIENT_FAMILIAL_PATH.replace("dss", "%2564ss"),
    "capitals": QUOTIENT_FAMILIAL_PATH.upper(),
    "a parameter of the path": f"{QUOTIENT_FAMILIAL_PATH};v=1",
    "a null": f"{QUOTIENT_FAMILIAL_PATH}%00",
    "a line break": f"{QUOTIENT_FAMILIAL_PATH}%0d%0aX-Injected:%20yes",
    "bytes that are no UTF-8": f"{QUOTIENT_FAMILIAL_PATH}%c0%af",
    "a version of other digits": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v%D9%A3"),
    "a version with a zero": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v03"),
    "a version with a sign": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v+3"),
    "a version after a space": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v%203"),
    "a version after a tab": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v%093"),
    "a version before a null": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v3%00"),
    "a version with a parameter": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v3;x"),
    "a version with a suffix": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v3-internal"),
    "a version with a letter": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v3abc"),
    "a version with an accent": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v3%C3%A9"),
    "an encoded version": QUOTIENT_FAMILIAL_PATH.replace("/v3", "/v%33"),
    "an encoded letter": QUOTIENT_FAMILIAL_PATH.replace("dss", "%64ss"),
}


@pytest.mark.parametrize("path", ["/%6detrics", "/m%65trics", "/api/%70ings", "/liv%65z", "/api/openapi%2Ejson"])
async def test_the_gateway_s_own_paths_have_one_spelling(path: str, client: Mesh) -> None:
    assert (await client.get(path, token="")).status == 404


@pytest.mark.parametrize("dress", DRESSED)
async def test_an_encoded_path_is_not_found_and_bypasses_no_proxy_rule(dress: str, client: Mesh) -> None:
    """Tests that an unusual spelling of an operation's path gets a 404. Otherwise, a caller could bypass a proxy rule
    written for the usual spelling."""
    answer = await client.get(DRESSED[dress], params=CAF_ALLOCATAIRE)
    assert answer.status == 404
    assert "X-Injected" not in answer.headers
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_an_absolute_request_target_is_never_forwarded(client: Mesh) -> None:
    for method, target in (("GET", "http://evil.test/metrics"), ("CONNECT", "evil.test:443"), ("OPTIONS", "*")):
        heard = await answer_text(client, request("Connection: close", method=method, target=target))
        assert heard.count(b"HTTP/1.") == 1
        assert heard.split()[1] in (b"200", b"400", b"404")
        assert b"evil" not in heard


# Parameters


async def test_of_a_parameter_given_twice_the_last_counts_everywhere(client: Mesh) -> None:
    """Tests that all parts of the gateway use the last value of a parameter that is sent twice. Otherwise, a caller
    could get another person's answer."""
    theirs = urlencode(CAF_ALLOCATAIRE, doseq=True)
    assert (await client.get(query=theirs)).status == 200
    assert (await client.get(query=f"{theirs}&nomNaissance=CAF-NO-FILE")).status == 404
    assert (await client.get(query=f"nomNaissance=CAF-NO-FILE&{theirs}")).status == 200
    assert (await client.get(query=f"{theirs}&recipient=1")).status == 422


@pytest.mark.parametrize("flood", ["a&", "a=1&", "prenoms[]=A&", "prenoms[]&", "x[][][]=1&", "%00=&", "&", "=&"])
async def test_a_request_line_full_of_parameters_is_answered_and_so_is_the_next_call(flood: str, client: Mesh) -> None:
    theirs = urlencode(CAF_ALLOCATAIRE, doseq=True)
    room = 8000 - len(QUOTIENT_FAMILIAL_PATH) - len(theirs)
    answer = await client.get(query=flood * (room // len(flood)) + theirs)
    assert answer.status in ((404, 422) if flood == "prenoms[]=A&" else (200,))
    assert (await client.get(query=theirs)).status == 200


# A token that is not valid yet


async def test_a_token_is_refused_before_its_nbf(client: Mesh, claims: bytes) -> None:
    later = msgspec.json.encode(msgspec.json.decode(claims) | {"nbf": time.time() + 600})
    answer = await client.get(params=CAF_ALLOCATAIRE, token=signed_by(TOKEN_KEY.reveal().encode(), {}, later))
    assert answer.status == 401

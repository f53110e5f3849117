"""Tests of authentication: a request's credentials identify its caller (docs/reference/contract.md §2.2, §2.7, §4)."""

from __future__ import annotations

from typing import Any

import pytest

from bouquet_gateway.access.authenticate import Admission, Authenticator, Requester
from bouquet_gateway.access.credentials import credentials_of
from bouquet_gateway.access.rate_limit import MemoryCounters, RateLimiter
from bouquet_gateway.access.sessions import Sessions
from bouquet_gateway.access.tokens import ClaimedTokens, CredentialRefusal, TokenVerifier, issue
from bouquet_gateway.access.unknown_bearers import AddressThrottle
from bouquet_gateway.call import Call, HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.secret import Secret
from bouquet_proto.deadline import Deadline

KEY = Secret("k" * 32)
ID = "6f1ed002-ab55-4b31-8f1c-0242ac120002"
NOW = 1_800_000_000.0


def request(bearer: str = "", api_key: str = "", query: str = "", authorization: str = "") -> HttpRequest:
    return HttpRequest(
        method="GET",
        raw_path="/",
        raw_query=query,
        authorization=f"Bearer {bearer}" if bearer else authorization,
        api_key=api_key,
        peer="127.0.0.1",
        forwarded_for=(),
        no_cache=False,
    )


def issued(expires_at: float = NOW + 60, id: str = ID) -> str:
    return issue(KEY, ["a_scope"], expires_at=int(expires_at), token_id=id)


def authenticate(now: float = NOW, **options: Any) -> Authenticator:
    limiter = RateLimiter(MemoryCounters(), limit=1000, clock=lambda: NOW)
    return Authenticator(
        ClaimedTokens(TokenVerifier(KEY)),
        limiter,
        Sessions(MemoryBus(), lambda *_: None, unknown_per_second=50),
        addresses=AddressThrottle(30),
        **{"clock": lambda: now} | options,
    )


async def admitted(request: HttpRequest) -> Admission:
    return await authenticate().admit(request, Call("a request", "v3"), Deadline.after(5))


async def identified(request: HttpRequest, now: float = NOW) -> Requester:
    room, call, deadline = authenticate(now), Call("a request", "v3"), Deadline.after(5)
    return await room.identify_by_token(await room.admit(request, call, deadline), request, call, deadline)


def carried(request: HttpRequest) -> list[str]:
    return [f"{one.place} {one.text}" for one in credentials_of(request)]


def test_credentials_come_in_order_bearer_api_key_query() -> None:
    assert carried(request("one", "two", "token=three")) == ["bearer one", "api_key two", "query three"]
    assert carried(request("", "two", "token=three")) == ["api_key two", "query three"]
    assert carried(request("one", "", "token=three")) == ["bearer one", "query three"]
    assert carried(request()) == []


@pytest.mark.parametrize("value", ["bearer one", "Basic one", "Bearer", "Bearer ", "Bearerone", "one"])
def test_an_authorization_that_is_not_a_bearer_counts_as_absent(value: str) -> None:
    assert carried(request(authorization=value, api_key="two")) == ["api_key two"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("a=1&token=x&token=y", "y"),
        ("%74oken=x%2By+z", "x+y z"),
        ("token=", ""),
        ("token=&token=x", "x"),
        ("token=x&token=", ""),
        ("token", ""),
        ("token[]=x", ""),
        ("xtoken=x", ""),
    ],
)
def test_the_last_token_of_a_query_is_read_decoded(query: str, text: str) -> None:
    assert carried(request(query=query)) == ([f"query {text}"] if text else [])


def test_a_long_token_in_the_query_is_read_whole() -> None:
    text = issue(KEY, ["a_scope_of_some_length"] * 20, expires_at=int(NOW) + 1)
    assert carried(request(query=f"token={text}")) == [f"query {text}"]


async def test_a_token_is_valid_until_it_expires() -> None:
    assert (await identified(request(issued(NOW + 1)))).token.id == ID
    with pytest.raises(Problem, match="token_expired"):
        await identified(request(issued(NOW + 1)), now=NOW + 1)


async def test_a_remembered_token_still_expires() -> None:
    now = [NOW]
    room = authenticate(clock=lambda: now[0])
    carried, call, deadline = request(issued()), Call("a request", "v3"), Deadline.after(5)
    admission = await room.admit(carried, call, deadline)
    await room.identify_by_token(admission, carried, call, deadline)
    now[0] += 60
    with pytest.raises(Problem, match="token_expired"):
        await room.identify_by_token(admission, carried, call, deadline)


async def test_an_invalid_token_is_refused_only_after_routing() -> None:
    assert (await admitted(request("no token"))).token == CredentialRefusal("token_invalid")
    with pytest.raises(Problem, match="token_invalid"):
        await identified(request("no token"))


async def test_the_digest_is_that_of_the_valid_token_in_the_query() -> None:
    behind = await identified(request("no token", query=f"token={issued()}"))
    assert behind == await identified(request(issued()))


async def test_the_call_records_the_id_of_the_valid_token() -> None:
    carried, call, deadline = request("no token", query=f"token={issued()}"), Call("a request", "v3"), Deadline.after(5)
    room = authenticate()
    admission = await room.admit(carried, call, deadline)
    assert call.token_id == ""
    await room.identify_by_token(admission, carried, call, deadline)
    assert call.token_id == ID


async def test_a_token_has_one_digest_wherever_it_is_sent() -> None:
    text = issued()
    assert (await admitted(request(text))).digest == (await admitted(request(api_key=text))).digest


async def test_two_signatures_of_one_token_id_share_a_digest() -> None:
    assert (await admitted(request(issued()))).digest == (await admitted(request(issued(NOW + 90)))).digest


async def test_each_invalid_token_has_a_digest_of_its_own() -> None:
    assert (await admitted(request("x"))).digest != (await admitted(request("y"))).digest


async def test_a_digest_contains_neither_id_nor_token() -> None:
    digest = (await admitted(request(issued()))).digest
    assert len(digest) == 64
    assert ID not in digest


async def test_a_call_without_a_credential_has_no_digest() -> None:
    assert (await admitted(request())).digest == ""

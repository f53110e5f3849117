"""Tests of answers of an upstream: statuses, headers and bodies."""

from __future__ import annotations

import pytest

from bouquet_worker import Answer, Upstream, UpstreamClient
from bouquet_worker.errors import UpstreamError
from tests.kit.upstream.fake_upstream import FakeUpstream, Household, reason_of
from tests.support.upstream_client import open_upstream


@pytest.mark.parametrize("status", [200, 204, 400, 404, 409, 429, 500])
async def test_a_status_that_is_no_declared_failure_is_an_answer(
    fake: FakeUpstream, upstream: UpstreamClient, status: int
) -> None:
    fake.statuses = [status]
    assert (await upstream.get("/")).status == status


async def test_headers_of_an_answer_are_found_in_any_letter_case(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    fake.headers = {"X-APISECU-FD": "00810011"}
    assert (await upstream.get("/")).headers["x-apisecu-fd"] == "00810011"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, "upstream_redirected"),
        (302, "upstream_redirected"),
        (303, "upstream_redirected"),
        (307, "upstream_redirected"),
        (308, "upstream_redirected"),
        (502, "upstream_unavailable"),
        (503, "upstream_unavailable"),
        (504, "upstream_timeout"),
    ],
)
async def test_redirects_and_gateway_errors_are_failures_of_every_upstream(
    fake: FakeUpstream, upstream: UpstreamClient, status: int, reason: str
) -> None:
    fake.statuses = [status]
    fake.headers = {"Location": "/elsewhere"}
    assert await reason_of(upstream.post("/")) == reason
    assert len(fake.received) == 1


async def test_an_upstream_may_declare_other_statuses_as_failures(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [429]
    async with open_upstream(Upstream("api", url, failures={429: "upstream_rate_limited"})) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_rate_limited"


def test_a_body_is_read_whatever_its_content_type() -> None:
    answer = Answer(200, {"Content-Type": "text/plain"}, b'{"quotientFamilial": 812, "inconnu": 1}')
    assert answer.decode(Household) == Household(812)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "$.quotientFamilial"),
        (b'{"quotientFamilial": "KERVALLAN"}', "$.quotientFamilial"),
        (b'{"quotientFamilial": 1, "enfants": [{"prenom": "MALO"}, {}]}', "$.enfants[1].prenom"),
        (b'{"quotientFamilial": 1, "parAnnee": {"KERVALLAN": "x"}}', "$.parAnnee[...]"),
        (b"<html>KERVALLAN</html>", "$"),
        (b'{"quotientFamilial": "KERV', "$"),
        (b'{"quotientFamilial": 1, "enfants": [{"prenom": "\xff"}]}', "$"),
        (b"[" * 100_000, "$"),
        (b"", "$"),
    ],
)
def test_an_unreadable_body_is_reported_by_field_and_never_by_value(body: bytes, field: str) -> None:
    with pytest.raises(UpstreamError) as raised:
        Answer(200, {}, body).decode(Household)
    assert (raised.value.reason, raised.value.field) == ("upstream_malformed", field)
    assert raised.value.__suppress_context__
    assert str(raised.value) == f"upstream_malformed: {field}"


def test_an_answer_does_not_show_its_body() -> None:
    assert repr(Answer(200, {"Set-Cookie": "KERVALLAN"}, b"KERVALLAN")) == "Answer(200)"

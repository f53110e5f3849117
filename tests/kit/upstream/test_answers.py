"""What an upstream's answers become."""

from __future__ import annotations

import pytest

from bouquet_worker import Answer, Upstream, UpstreamClient
from bouquet_worker.errors import UpstreamError
from tests.kit.upstream.fund import Fund, Household, reason_of
from tests.support.upstream_client import opened


@pytest.mark.parametrize("status", [200, 204, 400, 404, 409, 429, 500])
async def test_a_status_that_nobody_named_is_an_answer(fund: Fund, upstream: UpstreamClient, status: int) -> None:
    fund.statuses = [status]
    assert (await upstream.get("/")).status == status


async def test_header_names_have_no_case(fund: Fund, upstream: UpstreamClient) -> None:
    fund.headers = {"X-APISECU-FD": "00810011"}
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
async def test_some_statuses_fail_alike_for_everybody(
    fund: Fund, upstream: UpstreamClient, status: int, reason: str
) -> None:
    fund.statuses = [status]
    fund.headers = {"Location": "/elsewhere"}
    assert await reason_of(upstream.post("/")) == reason
    assert len(fund.received) == 1


async def test_an_author_names_other_failures(fund: Fund, url: str) -> None:
    fund.statuses = [429]
    async with opened(Upstream("fund", url, failures={429: "upstream_rate_limited"})) as upstream:
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
def test_what_cannot_be_read_is_told_by_field_and_never_by_value(body: bytes, field: str) -> None:
    with pytest.raises(UpstreamError) as raised:
        Answer(200, {}, body).decode(Household)
    assert (raised.value.reason, raised.value.field) == ("upstream_malformed", field)
    assert raised.value.__suppress_context__
    assert str(raised.value) == f"upstream_malformed: {field}"


def test_an_answer_does_not_show_its_body() -> None:
    assert repr(Answer(200, {"Set-Cookie": "KERVALLAN"}, b"KERVALLAN")) == "Answer(200)"

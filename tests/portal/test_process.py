"""Tests of the portal as a process: headers, logs, metrics and probes, and its pages while no gateway answers."""

from __future__ import annotations

import gzip
import http.client
import re
import time
from pathlib import Path

import pytest

from tests.portal.servers import GatewayServer, Page, PortalServer
from tests.support.daemon import free_port
from tests.support.processes import running_command
from tests.support.sandbox_gateway import token
from tests.support.waiting import TEST_TIMEOUT_S

FICHE = "/catalogue/cnav/quotient_familial"
PEOPLE = "/developpeurs/bac-a-sable"
STATES = "/etat"
SECRET = "zq7lecret"


def test_every_response_forbids_what_is_not_of_the_site(portal: PortalServer) -> None:
    for path in ("/", "/nothing-here"):
        policy = portal.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_pages_have_neither_inline_scripts_nor_styles(portal: PortalServer) -> None:
    page = portal.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_static_files_have_hashed_names_that_browsers_keep(portal: PortalServer) -> None:
    [style] = re.findall(r'href="(/static/theme/portal\.[0-9a-f]{12}\.css)"', portal.get("/").text)
    assert "immutable" in portal.get(style).headers["cache-control"]


def test_a_missing_page_is_a_404_that_leads_on(portal: PortalServer) -> None:
    page = portal.get("/nothing-here")
    assert page.status == 404
    assert "Page introuvable" in page.words


def test_an_unknown_host_is_refused_but_not_for_probes(portal: PortalServer) -> None:
    assert portal.get("/", {"Host": "evil.example"}).status == 400
    assert portal.get("/readyz", {"Host": "10.1.2.3"}).status == 200


def test_no_log_line_contains_a_path_or_query_string(portal: PortalServer) -> None:
    portal.get(f"/{SECRET}?q={SECRET}", {"Host": "localhost"})
    portal.get(f"/?q={SECRET}", {"Host": f"{SECRET}.example"})
    log = (portal.folder / "output.log").read_text(encoding="utf-8")
    assert "page answered" in log
    assert SECRET not in log


ODD = (
    "%00",
    "%FF%FE",
    "..%2f..%2fetc%2fpasswd",
    "a" * 3000,
    "%22%3E%3Cscript",
    "%0d%0aX:1",
    "%2F%2Fevil.example",
    "-1",
)
PLACES = (
    "/",
    "/catalogue/",
    "/catalogue?q=",
    "/cas_usages/",
    "/developpeurs/openapi/",
    "/developpeurs/erreurs/",
    "/developpeurs/versions/",
    "/developpeurs/bac-a-sable/personnes/",
    "/developpeurs/bac-a-sable/essayer/",
    "/developpeurs/bac-a-sable/proposer?operation=",
    "/developpeurs/bac-a-sable/proposer/yaml?operation=",
    "/developpeurs/bac-a-sable/situations?q=",
    "/faq?q=",
    "/eligibilite?profil=",
    "/editeurs/referencement/confirmer/",
    "/static/",
)


@pytest.mark.parametrize("place", PLACES)
def test_an_odd_address_is_no_fault_of_the_site(place: str, portal: PortalServer) -> None:
    pages = {odd: portal.get(f"{place}{odd}") for odd in ODD}
    assert {odd: page.status for odd, page in pages.items() if page.status not in (200, 400, 404)} == {}
    assert [page.headers["location"] for page in pages.values() if "location" in page.headers] == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "a=" + "x" * 300_000),
        ("application/x-www-form-urlencoded", "&a=1" * 2_000),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("multipart/form-data", "x"),
        ("application/x-www-form-urlencoded; charset=nope", "a=1"),
    ],
    ids=["long", "many fields", "file", "no boundary", "unknown charset"],
)
def test_an_odd_form_is_refused_without_a_line_of_error(kind: str, body: str, portal: PortalServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=TEST_TIMEOUT_S)
    connection.request("POST", "/editeurs/referencement", body, {"Content-Type": kind})
    answer = connection.getresponse()
    id = answer.headers["X-Request-Id"]
    connection.close()
    assert answer.status in (400, 403)
    assert [line["levelname"] for line in portal.log if line["request_id"] == id] == ["INFO"]


def test_the_request_id_of_the_response_is_in_the_log(portal: PortalServer) -> None:
    id = portal.get("/").headers["x-request-id"]
    [line] = [line for line in portal.log if line["request_id"] == id]
    assert (line["message"], line["route"], line["status"]) == ("page answered", "home", 200)


def test_metrics_are_on_a_port_of_their_own(portal: PortalServer) -> None:
    portal.get("/")
    metrics = portal.get("/metrics", port=portal.metrics_port).text
    assert 'bouquet_portal_requests_total{route="home",status="200"}' in metrics
    assert portal.get("/metrics").status == 404


def test_pages_are_compressed(portal: PortalServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=TEST_TIMEOUT_S)
    connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(answer.read())
    connection.close()


def test_pages_answer_while_the_gateway_is_away(portal: PortalServer, gateway: GatewayServer) -> None:
    assert "Aucune perturbation observée" in portal.get("/").words
    gateway.kill()
    try:
        give_up = time.monotonic() + TEST_TIMEOUT_S
        while "dernier relevé connu" not in portal.get("/").words:
            assert time.monotonic() < give_up
            time.sleep(0.1)
    finally:
        gateway.start()
    assert [line["document"] for line in portal.log if line["message"] == "document unavailable"]


def test_a_portal_that_has_never_reached_a_gateway_answers(lonely_portal: PortalServer) -> None:
    assert lonely_portal.get("/").status == 200
    assert lonely_portal.get("/readyz").status == 200


def once(portal: PortalServer, path: str, words: str) -> Page:
    """Reloads a page until it has these words, at most for `TEST_TIMEOUT_S` seconds. Returns the last version."""
    ends = time.monotonic() + TEST_TIMEOUT_S
    while words not in (page := portal.get(path)).words and time.monotonic() < ends:
        time.sleep(0.1)
    return page


def test_a_portal_shows_what_it_read_last_while_no_gateway_answers(tmp_path: Path) -> None:
    """Tests that a portal that loses its gateway, and one that starts without a gateway, show the documents and states
    that were read last, and say so."""
    for name in ("gateway", "first", "next"):
        (tmp_path / name).mkdir()
    gateway = GatewayServer(tmp_path / "gateway")
    settings = {
        "database_url": f"sqlite:///{tmp_path}/portal.db",
        "sandbox_url": gateway.url,
        "sandbox_token": token(),
    }
    with gateway, PortalServer(tmp_path / "first", gateway.url, **settings) as first:
        for path, words in ((FICHE, "cnaf_quotient_familial"), (PEOPLE, "Maëlys"), (STATES, "Relevé du")):
            once(first, path, words)
        gateway.stop()
        states = [once(first, STATES, "dernier relevé")]
    with PortalServer(tmp_path / "next", gateway.url, **settings) as restarted:
        fiche, people = restarted.get(FICHE), restarted.get(PEOPLE)
        states.append(restarted.get(STATES))
    assert "cnaf_quotient_familial" in fiche.words
    assert "La passerelle ne répond pas en ce moment" in fiche.words
    assert "Maëlys LE GOUADEC" in people.words
    assert "le bac à sable ne répond plus depuis" in people.words
    for page in states:
        assert page.status == 200
        assert "dernier relevé" in page.words
        assert "cnaf_msa_quotient_familial" in page.words


async def test_a_portal_reports_its_start_only_once_it_answers(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "BOUQUET_PORTAL_PORT": "0",
        "BOUQUET_PORTAL_METRICS_PORT": str(port),
        "BOUQUET_PORTAL_DATABASE_URL": f"sqlite:///{tmp_path}/portal.db",
    }
    async with running_command(settings, "bouquet-portal", "serve", "--migrate") as process:
        await process.until_logged("portal started")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TEST_TIMEOUT_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
    assert "bouquet_portal_ready 1.0" in text

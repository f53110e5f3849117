"""Tests of all pages of the portal: links, sizes and French typography."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

import bouquet_portal
from bouquet_portal.redirects import REDIRECTS
from tests.portal.links import Site
from tests.portal.servers import PortalServer

STATIC = Path(bouquet_portal.__file__).parent / "theme" / "static" / "theme"
MAX_HTML_BYTES = 30_000
MAX_STATIC_BYTES = 20_000


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Site that one of the processes that run tests crawls, for all of them."""

    def crawled() -> Site:
        portal: PortalServer = request.getfixturevalue("portal")
        return Site(portal.get)

    folder = tmp_path_factory.getbasetemp()
    is_shared = "PYTEST_XDIST_WORKER" in os.environ
    return Site.kept_in((folder.parent if is_shared else folder) / "portal-pages.json", crawled)


def test_every_link_leads_to_a_page_and_to_a_place_on_it(site: Site) -> None:
    links = {(path, link) for path, found in site.links.items() for link in found}
    broken = {(path, link) for path, link in links if not site.has(link)}
    assert len(site.html) > 40
    assert broken == set()


@pytest.mark.parametrize("path", ["/catalogue/cnav/quotient_familial", "/cas_usages/ccas", "/cgu", "/eligibilite"])
def test_a_page_is_reached_by_links(site: Site, path: str) -> None:
    assert path in site.html


def test_no_page_is_longer_than_its_budget(site: Site) -> None:
    sizes = {path: len(gzip.compress(page.text.encode(), 6)) for path, page in site.html.items()}
    assert {path: size for path, size in sizes.items() if size > MAX_HTML_BYTES} == {}


@pytest.mark.parametrize("name", ["portal.css", "portal.js"])
def test_static_files_are_within_their_budget(name: str) -> None:
    assert len(gzip.compress((STATIC / name).read_bytes(), 6)) <= MAX_STATIC_BYTES


def test_every_page_has_one_title_and_one_first_heading(site: Site) -> None:
    titles = {path: re.findall(r"<title>(.+?)</title>", page.text, re.DOTALL) for path, page in site.html.items()}
    assert [path for path, found in titles.items() if len(found) != 1 or not found[0].strip()] == []
    assert [path for path, page in site.html.items() if page.text.count("<h1") != 1] == []


def test_ids_are_unique_on_each_page(site: Site) -> None:
    repeated = {}
    for path, page in site.html.items():
        ids = re.findall(r'\sid="([^"]*)"', page.text)
        if len(ids) > len(set(ids)):
            repeated[path] = {id for id in ids if ids.count(id) > 1}
    assert repeated == {}


def test_every_page_has_french_typography(site: Site) -> None:
    wrong = {
        (path, found)
        for path in site.html
        for found in re.findall(r".{0,15}(?: [;!?»]|« |\w'\w| :\s|\d %).{0,10}", site.prose(path))
    }
    assert wrong == set()


def test_no_text_lacks_the_space_of_a_sign(site: Site) -> None:
    wrong = {
        (path, found)
        for path in site.html
        for found in re.findall(r".{0,15}[a-zéè](?:[!?;](?=\s|$)|:(?=\s)).{0,10}", site.prose(path))
    }
    assert wrong == set()


def test_pages_load_nothing_from_elsewhere(site: Site) -> None:
    loaded = {
        address
        for page in site.html.values()
        for address in re.findall(r'<(?:img|script|iframe|source|video)[^>]*\ssrc="([^"]*)"', page.text)
        + re.findall(r'<link rel="(?:stylesheet|icon)" href="([^"]*)"', page.text)
        + re.findall(r'<use href="([^"]*)"', page.text)
    }
    assert loaded
    assert {address for address in loaded if not address.startswith("/static/")} == set()


def test_no_page_has_inline_scripts_or_styles(site: Site) -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|<[^>]*\sstyle=|<[^>]*\son[a-z]+=")
    assert [path for path, page in site.html.items() if inline.search(page.text)] == []


def test_the_site_map_for_search_engines_lists_existing_pages(site: Site, portal: PortalServer) -> None:
    listed = re.findall(r"<loc>(.*?)</loc>", portal.get("/sitemap.xml").text)
    assert len(listed) > 30
    assert {url.removeprefix(portal.url) for url in listed} - site.html.keys() == set()
    assert f"Sitemap: {portal.url}/sitemap.xml" in portal.get("/robots.txt").text


def test_the_changelog_is_an_atom_feed(portal: PortalServer) -> None:
    feed = portal.get("/nouveautes.atom")
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert feed.text.count("<entry>") > 5


def test_the_profile_chosen_gets_its_answer(portal: PortalServer) -> None:
    assert "Réponse : non" in portal.get("/eligibilite?profil=entreprise-ou-particulier").words


def test_former_addresses_lead_to_places_that_exist(site: Site, portal: PortalServer) -> None:
    led = {former: portal.get(f"/{former}").headers.get("location", "") for former in REDIRECTS}
    assert {former: place for former, place in led.items() if not site.has(place)} == {}

"""Tests that the portal's texts agree with what Bouquet offers, with its settings, and with one another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from bouquet_gateway.access.tokens import issue
from bouquet_gateway.errors.nomenclature import nomenclature
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.secret import Secret
from bouquet_portal.content.loader import FOLDER, load
from bouquet_portal.content.model import Content
from bouquet_portal.environment import PortalSettings
from bouquet_portal.site import variables
from bouquet_portal.theme.typography import french_html
from bouquet_proto.names import WORKERS
from bouquet_proto.offer import Offer, Operation
from bouquet_registry.notices import THRESHOLDS
from tests.portal.servers import KEY, GatewayServer
from tests.support.nomenclature import all_codes
from tests.support.waiting import TEST_TIMEOUT_S

FILES = [path for path in sorted(FOLDER.rglob("*.md")) if path.name != "README.md"]
PAGES = {
    "/",
    "/eligibilite",
    "/catalogue",
    "/cas_usages",
    "/developpeurs",
    "/developpeurs/openapi",
    "/developpeurs/erreurs",
    "/developpeurs/versions",
    "/developpeurs/bac-a-sable",
    "/developpeurs/bac-a-sable/dossiers",
    "/developpeurs/bac-a-sable/proposer",
    "/open-api-v2.yml",
    "/open-api-v3.yml",
    "/faq",
    "/nouveautes",
    "/etat",
    "/editeurs/referencement",
}
"""Paths of the site that are not made from content files."""
MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
CODE = re.compile(r"```.*?```|`[^`]*`|<[^>]*>|\{\{.*?\}\}", re.DOTALL)
SHELL = re.compile(r'<pre tabindex="0"><code class="language-sh">(.*?)</code></pre>', re.DOTALL)
"""Pattern of a shell command in HTML."""
UNWANTED = re.compile(
    r"veuillez|merci de |afin de |dans le cadre de|cliquez ici|ci-dessous|ci-après|\be-?mails?\b|\btokens?\b|[’“”]",
    re.IGNORECASE,
)
"""Pattern of what texts must not contain: officialese, words replaced by a chosen one (courriel, jeton), and characters
that the filter of French typography inserts itself."""

UNTYPOGRAPHIC = re.compile(r"['\"]| [;:!?»%€]|« |\w[;!?](?!\w)|\.\.\.")
"""Pattern of what breaks the rules of French typography, such as straight quotes or a plain space before a colon."""


@pytest.fixture(scope="module")
def content() -> Content:
    return load(variables(PortalSettings()))


@pytest.fixture(scope="module")
def offers() -> list[Offer]:
    return [entry.load().offer() for entry in entry_points(group=WORKERS)]


@pytest.fixture(scope="module")
def operations(offers: list[Offer]) -> list[Operation]:
    return [operation for offer in offers for operation in offer.operations]


@pytest.fixture(scope="module")
def codes(offers: list[Offer]) -> set[str]:
    return {error.code for error in all_codes(msgspec.to_builtins(nomenclature(Catalogue(offers))))}


def resource_of(operation: Operation) -> str:
    """Returns the part of an operation's path by which a fiche (an API's page) names the operation: without the version
    and, from version 3 on, without the last segment, the modality."""
    if operation.path.startswith("/api/v2/"):
        return operation.path.removeprefix("/api/v2/")
    return operation.path.split("/", 2)[2].rpartition("/")[0]


def written(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def in_words(day: str) -> str:
    """Returns an ISO date as in a French sentence, such as `1er mars 2026`."""
    year, month, number = day.split("-")
    return f"{'1er' if number == '01' else int(number)} {MONTHS[int(month) - 1]} {year}"


class _Targets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if tag == "a" and name == "href"]


def html_of(content: Content) -> Iterator[tuple[str, str]]:
    """Yields every HTML text of the content, each preceded by the path of the page that shows it."""
    for api in content.apis:
        yield from ((f"/catalogue/{api.uid}", text.html) for text in (*api.sections.values(), *api.questions))
        yield from ((f"/catalogue/{api.uid}", alert.html) for alert in api.alerts)
    for case in content.use_cases:
        yield f"/cas_usages/{case.id}", case.introduction
        yield from ((f"/cas_usages/{case.id}", text.html) for text in case.sections)
    for group in content.faq:
        yield from (("/faq", question.html) for question in group.questions)
    yield from (("/developpeurs", section.html) for section in content.guide)
    yield from ((f"/{page.slug}", page.html) for page in content.legal.values())
    yield from (("/nouveautes", change.html) for change in content.changes)
    yield from (("/eligibilite", profile.page.html) for profile in content.profiles)
    yield from ((f"/developpeurs/erreurs/{code}", advice.html) for code, advice in content.advice.items())
    yield from (("/developpeurs/versions", notes.html) for notes in content.version_notes.values())


def links_of(content: Content) -> Iterator[tuple[str, str]]:
    """Yields the links to pages of the portal: the path of the page that shows the link, and the link's target."""
    for page, html in html_of(content):
        targets = _Targets()
        targets.feed(html)
        yield from ((page, unquote(target)) for target in targets.found if target.startswith(("/", "#")))


def leads_somewhere(content: Content, codes: set[str], page: str, target: str) -> bool:
    path, _, anchor = target.partition("#")
    anchors = {
        "/faq": {question.anchor for group in content.faq for question in group.questions},
        "/developpeurs": {section.slug for section in content.guide},
    }
    paths = PAGES | {f"/{slug}" for slug in content.legal}
    paths |= {f"/catalogue/{api.uid}" for api in content.apis} | {
        f"/cas_usages/{case.id}" for case in content.use_cases
    }
    paths |= {f"/developpeurs/erreurs/{code}" for code in codes}
    there = path or page
    return there in paths and (not anchor or anchor in anchors.get(there, ()))


def test_every_link_of_a_text_leads_to_a_page_of_the_portal(content: Content, codes: set[str]) -> None:
    links = list(links_of(content))
    assert {(page, target) for page, target in links if not leads_somewhere(content, codes, page, target)} == set()
    assert len(links) > 100


def test_a_link_that_leads_nowhere_is_found(content: Content, codes: set[str]) -> None:
    assert not leads_somewhere(content, codes, "/faq", "/catalogue/cnav/quotient")
    assert not leads_somewhere(content, codes, "/faq", "/developpeurs#limites")
    assert not leads_somewhere(content, codes, "/faq", "/developpeurs/erreurs/00999")


def test_fiches_name_the_operations_that_are_offered(content: Content, operations: list[Operation]) -> None:
    named = {resource for api in content.apis for resource in api.operations}
    assert named == {resource_of(operation) for operation in operations}


def test_fiches_name_the_states_that_the_gateway_observes(content: Content, operations: list[Operation]) -> None:
    observed = Catalogue([entry.load().offer() for entry in entry_points(group=WORKERS)]).monitored
    named = {state for api in content.apis for state in api.state_names}
    assert named <= set(observed)
    served = {api.uid for api in content.apis if not api.is_incoming}
    assert {api.uid for api in content.apis if not api.state_names} == {api.uid for api in content.apis} - served


def test_every_code_that_can_be_answered_has_an_advice(content: Content, codes: set[str]) -> None:
    assert {code for code in codes if content.advice_on(code) in (None, content.advice["autre"])} == set()


def test_every_advice_is_about_a_code_that_can_be_answered(content: Content, codes: set[str]) -> None:
    shared = {f"XX{code[2:]}" for code in codes}
    assert set(content.advice) - codes - shared == {"autre"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_text_has_no_word_of_officialese(path: Path) -> None:
    assert UNWANTED.findall(CODE.sub(" ", path.read_text(encoding="utf-8"))) == []


def test_a_word_of_officialese_is_found() -> None:
    assert UNWANTED.findall("Veuillez écrire un e-mail afin de recevoir l’accord.") == [
        "Veuillez",
        "e-mail",
        "afin de ",
        "’",
    ]


def test_texts_are_shown_with_french_typography(content: Content) -> None:
    found = {(page, wrong) for page, html in html_of(content) for wrong in UNTYPOGRAPHIC.findall(shown(html))}
    assert found == set()
    assert len(UNTYPOGRAPHIC.findall("l'« État »  : 99 % ! Non?")) == 7


def shown(html: str) -> str:
    """Applies the filter of French typography to HTML, and returns the resulting text without tags and code."""
    without_code = re.sub(r"<(code|pre)\b.*?</\1>", "", french_html(html), flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", without_code))


def test_limits_that_pages_name_are_the_gateway_s_own() -> None:
    portal, gateway = PortalSettings(), GatewaySettings()
    assert portal.calls_per_second == gateway.calls_per_second
    assert portal.deadline_s == gateway.deadline_s
    assert portal.client_timeout_s > gateway.deadline_s
    assert gateway.refused_bearers_per_minute == 30
    assert "plus de trente jetons inconnus en une minute" in written("guide/10-respecter-la-volumetrie")


def test_the_guide_s_table_of_cache_times_is_that_of_the_offers(operations: list[Operation]) -> None:
    times = {("QF" if "quotient" in operation.id else "DSS", operation.cache_s) for operation in operations}
    assert {time for time in times if time[1]} == {("QF", 86_400), ("DSS", 3_600)}
    rows = written("guide/12-cache")
    assert "| Quotient familial | 24 heures, dans le même mois |" in rows
    assert "| Autres prestations de la Sécurité sociale | 1 heure |" in rows


def test_every_end_of_a_version_is_in_the_guide(operations: list[Operation]) -> None:
    ends = {operation.retirement.sunset_on for operation in operations if operation.retirement}
    assert {day for day in ends if in_words(str(day)) not in written("guide/15-versions")} == set()


def test_the_guide_lists_the_first_digits_of_every_provider(codes: set[str]) -> None:
    rows = set(re.findall(r"^\| `(\d\d)` \|", written("guide/08-erreurs"), re.MULTILINE))
    assert rows == {code[:2] for code in codes}


def test_the_faq_names_the_days_of_the_notices_before_expiry() -> None:
    *before, last, on_the_day = map(str, THRESHOLDS)
    assert on_the_day == "0"
    assert f"{', '.join(before)} et {last} jours avant la fin, puis le jour même" in written("faq/4-jetons")


def test_the_guide_s_commands_get_an_answer_from_the_sandbox(gateway: GatewayServer) -> None:
    scopes = ("cnaf_quotient_familial", "cnaf_allocataires")
    token = issue(Secret(KEY), scopes, expires_at=int(time.time()) + 3600)
    settings = PortalSettings(api_url=gateway.url, sandbox_url=gateway.url)
    commands = [command for section in load(variables(settings)).guide for command in SHELL.findall(section.html)]
    answers = [answer_to(unescape(command), token) for command in commands]
    assert len(answers) == 3
    assert all("data" in answer for answer in answers)


def answer_to(command: str, token: str) -> dict[str, Any]:
    """Runs a command from the guide and returns the JSON that it prints."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=os.environ | {"JETON": token},
        capture_output=True,
        timeout=TEST_TIMEOUT_S,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer

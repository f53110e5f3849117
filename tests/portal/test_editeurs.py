"""Tests of editors' requests to be listed: the form, the mail that confirms the address, and what operators get."""

from __future__ import annotations

import csv
import email
import email.message
import email.policy
import io
import json
import re
import shutil
import sqlite3
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.portal.forms import Form
from tests.portal.servers import Page, PortalServer
from tests.support.daemon import free_port
from tests.support.processes import BIN
from tests.support.tls import HOST, CertificateFiles, certificate_files
from tests.support.waiting import TEST_TIMEOUT_S

PATH = "/editeurs/referencement"
SIRET = "13002526500013"
NOWHERE = "http://127.0.0.1:9"
SOURCES = (f"127.0.1.{n}" for n in range(1, 255))
ADDRESS = "equipe@editeur.example"


def parsed(content: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(content, _class=email.message.EmailMessage, policy=email.policy.default)


class Inbox:
    """Mails that an SMTP server has received. The server refuses recipients in `refused`."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.refused: set[str] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(
            email.message_from_bytes(content, _class=email.message.EmailMessage, policy=email.policy.default)
        )
        return "250 OK"


@contextmanager
def smtp(own: CertificateFiles, port: int) -> Iterator[Inbox]:
    """Runs an SMTP server that requires STARTTLS."""
    inbox = Inbox()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(own.certificate, own.key)
    controller = Controller(inbox, hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=True)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return certificate_files(tmp_path_factory.mktemp("tls"))


def mail_url(own: CertificateFiles, port: int) -> str:
    return f"smtp://{HOST}:{port}?{urlencode({'cafile': own.ca})}"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site(own: CertificateFiles, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    """A portal without a gateway, whose mail server listens only in tests that start one."""
    folder = tmp_path_factory.mktemp("editors")
    with PortalServer(folder, NOWHERE, mail_url=mail_url(own, port)) as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    """A portal without a gateway, whose mails become files."""
    with PortalServer(tmp_path_factory.mktemp("shared"), NOWHERE) as server:
        yield server


@pytest.fixture
def portal(shared: PortalServer) -> PortalServer:
    """The shared portal, without requests and mails of other tests."""
    change(shared, "DELETE FROM editeurs_editorrequest")
    shutil.rmtree(shared.folder / "mails", ignore_errors=True)
    return shared


def filled(portal: PortalServer, **values: str) -> Form:
    form = {
        "name": "Logiciels Fictifs",
        "siret": "130 025 265 00013",
        "solution": "Guichet Fictif",
        "website": "https://editeur.example/guichet",
        "description": "Inscriptions scolaires.\nPour les communes.",
        "deployment": "saas",
        "use_cases": "ccas",
        "technologies": "Python",
        "email": ADDRESS,
        "phone": "01 23 45 67 89",
        "agreement": "on",
    }
    return Form(portal, PATH).fill(**form | values)


def sent(portal: PortalServer, **values: str) -> Page:
    """Sends the form from an address that no other form came from, so that no limit is reached."""
    return filled(portal, **values).send(source=next(SOURCES))


def link_in(mail: email.message.EmailMessage) -> str:
    """Returns the path of the link in a mail."""
    [link] = re.findall(r"^https?://\S+", mail.get_content(), re.MULTILINE)
    return re.sub("^https?://[^/]*", "", str(link))


def files_of(portal: PortalServer) -> list[email.message.EmailMessage]:
    """Returns the mails that a portal has written to files."""
    files = sorted((portal.folder / "mails").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    return [parsed(path.read_bytes().strip(b"\n-") + b"\n") for path in files]


def change(portal: PortalServer, statement: str) -> None:
    """Changes the database of a portal."""
    with closing(sqlite3.connect(portal.folder / "portal.db", timeout=TEST_TIMEOUT_S)) as database, database:
        database.execute(statement)


def exported(portal: PortalServer, *arguments: str) -> str:
    """Runs `bouquet-portal editors` with the settings of a portal, and returns what it writes."""
    done = subprocess.run(
        [str(BIN / "bouquet-portal"), "editors", *arguments],
        env=dict(portal.environment()),
        capture_output=True,
        text=True,
        timeout=TEST_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(portal: PortalServer) -> list[dict[str, Any]]:
    """Returns the requests in the database of a portal."""
    with closing(sqlite3.connect(portal.folder / "portal.db", timeout=TEST_TIMEOUT_S)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM editeurs_editorrequest ORDER BY id")]


def eventually(is_so: Any) -> None:
    ends = time.monotonic() + TEST_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.2)


def words(page: Page) -> str:
    return page.words.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2019", "'")


def test_a_request_is_confirmed_by_the_link_of_its_mail(site: PortalServer, own: CertificateFiles, port: int) -> None:
    with smtp(own, port) as inbox:
        answer = sent(site)
    assert (answer.status, answer.headers["location"]) == (303, f"{PATH}/envoye")
    [mail] = inbox.mails
    assert (mail["To"], mail["Auto-Submitted"]) == (ADDRESS, "auto-generated")
    form = Form(site, link_in(mail))
    assert "Guichet Fictif" in form.page.words
    assert "no-store" in form.page.headers["cache-control"]
    assert [row["confirmed_at"] for row in rows(site)] == [None]  # to open the link confirms nothing
    assert form.send().headers["location"] == f"{PATH}/confirme"
    assert rows(site)[0]["confirmed_at"]
    assert form.send().headers["location"] == f"{PATH}/confirme"  # again
    assert len(rows(site)) == 1


def test_the_mail_repeats_nothing_of_the_form(portal: PortalServer) -> None:
    sent(portal, name="GAGNEZ https://evil.example", description="GAGNEZ https://evil.example")
    [mail] = files_of(portal)
    assert "GAGNEZ" not in mail.as_string()
    assert "evil" not in mail.get_content()


def test_only_the_portals_user_reads_the_files_with_requests_and_mails(portal: PortalServer) -> None:
    sent(portal)
    mails = portal.folder / "mails"
    for path in (*portal.folder.glob("portal.db*"), mails, *mails.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.slow
def test_a_request_outlives_a_mail_server_that_is_away(
    portal: PortalServer, own: CertificateFiles, tmp_path: Path
) -> None:
    away = free_port()
    (tmp_path / "away").mkdir()
    with PortalServer(tmp_path / "away", NOWHERE, mail_url=mail_url(own, away)) as server:
        assert sent(server).headers["location"] == f"{PATH}/enregistre"
        assert "Rien n'est perdu" in words(server.get(f"{PATH}/enregistre"))
        with smtp(own, away) as inbox:
            change(server, "UPDATE editeurs_editorrequest SET mail_due_at = '2000-01-01'")
            eventually(lambda: inbox.mails)
            assert Form(server, link_in(inbox.mails[0])).send().status == 303
        assert "confirmation mail not sent" in {line["message"] for line in server.log}
        metrics = server.get("/metrics", port=server.metrics_port).text
        assert 'bouquet_portal_mails_total{result="deferred"} 1.0' in metrics
        assert 'bouquet_portal_mails_total{result="sent"} 1.0' in metrics


def test_a_mail_server_with_another_certificate_gets_no_mail(own: CertificateFiles, tmp_path: Path) -> None:
    other, away = certificate_files(tmp_path / "other"), free_port()
    with smtp(other, away) as inbox, PortalServer(tmp_path, NOWHERE, mail_url=mail_url(own, away)) as server:
        assert sent(server).headers["location"] == f"{PATH}/enregistre"
    assert inbox.mails == []


def test_an_address_that_the_mail_server_refuses_is_reported_at_its_field(
    site: PortalServer, own: CertificateFiles, port: int
) -> None:
    with smtp(own, port) as inbox:
        inbox.refused = {"absent@editeur.example"}
        page = sent(site, email="absent@editeur.example")
    assert page.status == 422
    assert "refuse cette adresse" in words(page)
    assert "absent" not in json.dumps(rows(site))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "", "Ce champ est obligatoire."),
        ("name", "x" * 121, "au plus 120 caractères"),
        ("name", "a\nBcc: b@evil.example", "retours à la ligne"),
        ("name", "a\u202eb", "caractères invisibles"),
        ("siret", "13002526500014", "Ce SIRET n'existe pas"),
        ("siret", "1300252650001٣", "Un SIRET a 14 chiffres"),
        ("website", "javascript:alert(1)", "URL valide"),
        ("website", "ftp://editeur.example", "URL valide"),
        ("description", "x" * 1001, "au plus 1000 caractères"),
        ("deployment", "", "Ce champ est obligatoire."),
        ("deployment", "autre", "Sélectionnez un choix valide"),
        ("use_cases", "inconnu", "Sélectionnez un choix valide"),
        ("email", "equipe@editeur.example\nBcc: b@evil.example", "adresse"),
        ("email", "nowhere", "adresse"),
        ("phone", "appelez-moi", "en chiffres"),
        ("agreement", "", "Cochez cette case"),
    ],
)
def test_a_wrong_value_is_reported_at_its_field_in_french(
    field: str, value: str, text: str, portal: PortalServer
) -> None:
    page = sent(portal, **{field: value})
    assert page.status == 422
    assert text in words(page)
    assert "<title>Erreur" in page.text
    assert f'href="#id_{field}"' in page.text
    assert f'id="id_{field}"' in page.text


def test_a_form_that_is_sent_twice_is_kept_and_mailed_once(portal: PortalServer) -> None:
    assert [sent(portal).status for _ in range(2)] == [303, 303]
    assert (len(rows(portal)), len(files_of(portal))) == (1, 1)


def test_an_address_has_few_unconfirmed_requests(portal: PortalServer) -> None:
    statuses = [sent(portal, solution=f"Guichet {n}").status for n in range(4)]
    assert statuses == [303, 303, 303, 429]
    assert len(files_of(portal)) == 3


def test_forms_are_rate_limited(portal: PortalServer) -> None:
    form, source = filled(portal, siret="1"), next(SOURCES)
    statuses = [form.send(source=source).status for _ in range(20)]
    assert (set(statuses[:10]), statuses[-1]) == ({422}, 429)
    assert form.send(source=next(SOURCES)).status == 422


def test_a_new_request_for_the_same_solution_replaces_the_former_one(portal: PortalServer) -> None:
    for name in ("Avant", "Après"):
        sent(portal, name=name)
    for mail in files_of(portal):
        Form(portal, link_in(mail)).send()
    assert [row["name"] for row in rows(portal)] == ["Après"]


def test_the_link_also_removes_the_request(portal: PortalServer) -> None:
    sent(portal)
    [mail] = files_of(portal)
    form = Form(portal, link_in(mail))
    assert form.fill(remove="1").send().headers["location"] == f"{PATH}/supprime"
    assert rows(portal) == []
    assert portal.get(link_in(mail)).status == 410


def test_a_link_of_somebody_else_confirms_nothing(portal: PortalServer) -> None:
    sent(portal)
    path = link_in(files_of(portal)[0])
    for wrong in (f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}", f"{PATH}/confirmer/1", f"{PATH}/confirmer/a:b:c"):
        assert portal.get(wrong).status == 404


@pytest.mark.slow
def test_requests_are_deleted_when_their_retention_is_over(portal: PortalServer) -> None:
    sent(portal)
    sent(portal, solution="Autre")
    change(portal, "UPDATE editeurs_editorrequest SET created_at = '2000-01-01' WHERE solution = 'Autre'")
    eventually(lambda: [row["solution"] for row in rows(portal)] == ["Guichet Fictif"])
    change(portal, "UPDATE editeurs_editorrequest SET confirmed_at = '2000-01-01'")
    eventually(lambda: rows(portal) == [])


def test_no_log_line_contains_what_the_form_sends(site: PortalServer) -> None:
    sent(site, name="SECRETNAME", email="secretname@editeur.example")
    sent(site, name="SECRETNAME", siret="wrong")
    assert "secretname" not in (site.folder / "output.log").read_text(encoding="utf-8").lower()


def test_operators_export_requests_without_formulas(portal: PortalServer) -> None:
    filled(portal, name='=HYPERLINK("https://evil.example")').send()
    [row] = csv.DictReader(io.StringIO(exported(portal, "csv", "--with-unconfirmed")))
    assert (row["name"], row["solution"]) == ('\'=HYPERLINK("https://evil.example")', "Guichet Fictif")
    assert exported(portal, "list") == ""
    assert "unconfirmed\tGuichet Fictif" in exported(portal, "list", "--with-unconfirmed")
    assert json.loads(exported(portal, "json", "--with-unconfirmed"))[0]["siret"] == SIRET
    exported(portal, "remove", row["id"])
    assert rows(portal) == []


def test_a_forged_form_is_refused(portal: PortalServer) -> None:
    assert filled(portal).send(forged=True).status == 403


def test_a_portal_without_a_mail_server_names_an_address_instead(tmp_path: Path) -> None:
    with PortalServer(tmp_path, NOWHERE, mail_url="", contact_email="aide@bouquet.example") as server:
        page = server.get(PATH)
    assert (page.status, "aide@bouquet.example" in page.words, "<form" in page.text) == (200, True, False)

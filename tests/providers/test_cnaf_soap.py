"""Tests of the CAF's older SOAP service (docs/reference/upstreams/cnaf.md): requests byte by byte, and answers through
the worker."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from multidict import CIMultiDict

from bouquet_cnaf.contract import COMPOSITION_FAMILIALE
from bouquet_cnaf.personas import PERSONAS, Dossier, Key, PersonOfFile
from bouquet_cnaf.settings import Settings
from bouquet_cnaf.simulator import FILES, PATH, simulator
from bouquet_cnaf.upstream import ABSENCES, FAILURES, WRONG_PARAMETERS, document_of, envelope, retour_of
from bouquet_cnaf.worker import read, soap, worker
from bouquet_mesh.secret import Secret
from bouquet_proto.failures import PARAMETERS, PERIMETER
from bouquet_proto.identity import NumeroAllocataire
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError
from bouquet_worker.simulate import Fault
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.worker_client import PATIENCE_S, SILENCE_S, WorkerClient, worker_client
from tests.support.openapi import upstream_sample
from tests.support.raw_http_server import SelfSignedCertificate, answer, raw_server
from tests.support.upstream_client import open_upstream

MAELYS = NumeroAllocataire(numero_allocataire="4471820", code_postal="29200")

ASKED = """\
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:tns="http://v1.ws.wsdemandedocumentcafweb.cnaf/">
  <soap:Header/>
  <soap:Body>
    <tns:demanderDocumentWeb>
      <arg0>
        <app>WDD</app>
        <id>?</id>
        <beanEntreeDemandeDocumentWeb>
          <codeAppli>WDD</codeAppli>
          <matricule>0000354</matricule>
          <codePostal>01190</codePostal>
          <typeDocument>4</typeDocument>
          <typeEnvoi>5</typeEnvoi>
        </beanEntreeDemandeDocumentWeb>
      </arg0>
    </tns:demanderDocumentWeb>
  </soap:Body>
</soap:Envelope>
"""
REPLY = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<ns2:demanderDocumentWebResponse xmlns:ns2="http://v1.ws.wsdemandedocumentcafweb.cnaf/"><return>'
    "<beanRetourDemandeDocumentWeb>{bean}</beanRetourDemandeDocumentWeb>"
    "</return></ns2:demanderDocumentWebResponse></soapenv:Body></soapenv:Envelope>"
)
BOMB = '<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};">' for n in range(1, 30))


@pytest.fixture
async def cnaf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def ask(cnaf: WorkerClient, numero: str, code_postal: str, *, within_s: float = PATIENCE_S) -> Reply:
    who = NumeroAllocataire(numero_allocataire=numero, code_postal=code_postal)
    return await cnaf(COMPOSITION_FAMILIALE.id, who, within_s=within_s)


def ok(body: bytes) -> Answer:
    return Answer(200, CIMultiDict(), body)


def data_in(reply: object) -> object:
    return msgspec.json.decode(reply.data if isinstance(reply, Found) else msgspec.json.encode(reply))


def error_of(call: Callable[[], object]) -> UpstreamError:
    with pytest.raises(UpstreamError) as raised:
        call()
    return raised.value


# The question


def test_the_envelope_is_written_element_by_element() -> None:
    assert envelope(NumeroAllocataire(numero_allocataire="0000354", code_postal="01190")) == ASKED


def test_nobody_writes_xml_into_the_envelope() -> None:
    assert (
        "<id>"
        not in envelope(NumeroAllocataire(numero_allocataire="<id>1</id>", code_postal="&")).split("<matricule>")[1]
    )


async def test_a_question_is_posted_as_xml_without_a_soap_action(cnaf: WorkerClient) -> None:
    await cnaf(COMPOSITION_FAMILIALE.id, MAELYS)
    [question] = cnaf.received
    assert (question.method, question.path, question.query) == ("POST", PATH, ())
    assert question.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert "SOAPAction" not in question.headers
    assert question.body == envelope(MAELYS).encode()


# The answer, through the worker


async def test_a_file_becomes_the_flat_resource(cnaf: WorkerClient) -> None:
    key = Key("1234567", "56190")
    cnaf.app[FILES][key] = Dossier(
        persons=(PersonOfFile("OWENA KERVALLAN", "01111987", "F"), PersonOfFile("EWEN TREGUIDEL", "02041985", "M")),
        children=(PersonOfFile("MALO TREGUIDEL", "09062016", "M"),),
        lines=("Madame OWENA KERVALLAN", "", "BATIMENT B", "7 ALLEE DES GOELANDS", "", "56190 MUZILLAC", "FRANCE"),
        quotient="812",
        month=(2025, 3),
    )
    assert data_in(await ask(cnaf, *key)) == {
        "quotientFamilial": 812,
        "mois": 3,
        "annee": 2025,
        "allocataires": [
            {"nomPrenom": "OWENA KERVALLAN", "dateDeNaissance": "01111987", "sexe": "F"},
            {"nomPrenom": "EWEN TREGUIDEL", "dateDeNaissance": "02041985", "sexe": "M"},
        ],
        "enfants": [{"nomPrenom": "MALO TREGUIDEL", "dateDeNaissance": "09062016", "sexe": "M"}],
        "adresse": {
            "identite": "Madame OWENA KERVALLAN",
            "complementIdentiteGeo": "BATIMENT B",
            "numeroRue": "7 ALLEE DES GOELANDS",
            "codePostalVille": "56190 MUZILLAC",
            "pays": "FRANCE",
        },
    }


@pytest.mark.parametrize("key", PERSONAS, ids=lambda key: key.numero)
async def test_each_persona_is_what_its_row_says(cnaf: WorkerClient, key: Key) -> None:
    reply = await ask(cnaf, *key)
    match PERSONAS[key]:
        case Dossier(quotient=None):
            assert reply == Failed("quotient_missing")
        case Dossier(quotient=quotient):
            found = data_in(reply)
            assert isinstance(found, dict)
            assert found["quotientFamilial"] == int(quotient or 0)
        case _:
            assert reply == NotFound("file_struck_off")


async def test_a_blank_quotient_is_null(cnaf: WorkerClient) -> None:
    cnaf.app[FILES][Key("55555", "01000")] = Dossier(persons=(), lines=("",) * 7, quotient="", month=(2025, 3))
    assert data_in(await ask(cnaf, "55555", "01000")) == {
        "quotientFamilial": None,
        "mois": 3,
        "annee": 2025,
        "allocataires": [],
        "enfants": [],
        "adresse": {},
    }


async def test_a_number_that_nobody_has_is_an_unknown_file(cnaf: WorkerClient) -> None:
    assert await ask(cnaf, "9999999", "75001") == NotFound("file_unknown")


@pytest.mark.parametrize(("code", "reason"), ABSENCES.items())
async def test_each_code_of_absence_is_not_found(cnaf: WorkerClient, code: int, reason: str) -> None:
    assert await ask(cnaf, f"{code:05}", "00000") == NotFound(reason)


@pytest.mark.parametrize(("code", "reason"), WRONG_PARAMETERS.items())
async def test_each_code_of_a_bad_parameter_is_rejected(cnaf: WorkerClient, code: int, reason: str) -> None:
    assert await ask(cnaf, f"{code:05}", "00000") == Rejected(reason)


@pytest.mark.parametrize("code", FAILURES)
async def test_each_code_of_an_incident_is_the_cafs_failure(cnaf: WorkerClient, code: int) -> None:
    assert await ask(cnaf, f"{code:05}", "00000") == Failed("upstream_internal")


@pytest.mark.parametrize("code", [1, 99, 134, 999])
async def test_a_code_that_nobody_documented_is_unknown(cnaf: WorkerClient, code: int) -> None:
    assert await ask(cnaf, f"{code:05}", "00000") == Failed("upstream_unknown")


@pytest.mark.parametrize(
    ("fault", "reason"),
    {
        Fault.INTERNAL: "upstream_internal",
        Fault.RATE_LIMITED: "upstream_unknown",
        Fault.UNAVAILABLE: "upstream_unavailable",
        Fault.GATEWAY_TIMEOUT: "upstream_timeout",
        Fault.HTML: "upstream_malformed",
        Fault.TRUNCATED: "upstream_malformed",
        Fault.EMPTY: "upstream_malformed",
        Fault.REDIRECT: "upstream_redirected",
        Fault.SLOW: "upstream_timeout",
        Fault.CUT: "upstream_timeout",
    }.items(),
)
async def test_each_fault_has_its_reason(cnaf: WorkerClient, fault: Fault, reason: str) -> None:
    number = list(Fault).index(fault) + 1
    within_s = SILENCE_S if reason == "upstream_timeout" else PATIENCE_S
    assert await ask(cnaf, f"{number:05}", "00500", within_s=within_s) == Failed(reason)


# The table of codes, and what is told of it


def test_the_codes_are_those_of_the_reference() -> None:
    not_found = {101, 102, 111, 121, 122, 132, 133, 141, 151, 161, 171, 191, 194, 1113, 1114}
    wrong = {131, 181, 103, 192, 193, 195, 196, 197, 198}
    incidents = {201, 211, 221, 231, 241, 251, 252, 253, 254, 255, 256, 257}
    assert (set(ABSENCES), set(WRONG_PARAMETERS), set(FAILURES)) == (not_found, wrong, incidents)


def test_every_reason_has_a_row() -> None:
    known = worker.offer().problems.keys() | PARAMETERS.keys()
    assert known >= {*ABSENCES.values(), *WRONG_PARAMETERS.values()}
    assert known >= set(COMPOSITION_FAMILIALE.reasons)


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("file_struck_off", "Dossier radié. Le document ne peut être édité."),
        ("file_unknown", "Dossier allocataire inexistant. Le document ne peut être édité."),
    ],
)
def test_two_labels_are_known_to_the_letter(reason: str, label: str) -> None:
    row = worker.offer().problems[reason]
    assert (row.code, row.title, row.detail) == ("003", "Entité non trouvée", label + PERIMETER)


# Real-shaped answers


def test_the_valid_answer_is_read_to_the_last_line() -> None:
    assert data_in(read(ok(upstream_sample("cnaf_soap/valid.mime")))) == {
        "quotientFamilial": 1234,
        "mois": 7,
        "annee": 2022,
        "allocataires": [
            {"nomPrenom": "MARIE DUPONT", "dateDeNaissance": "01031988", "sexe": "F"},
            {"nomPrenom": "JEAN DUPONT", "dateDeNaissance": "01041990", "sexe": "M"},
        ],
        "enfants": [
            {"nomPrenom": "JACQUES DUPONT", "dateDeNaissance": "01012010", "sexe": "M"},
            {"nomPrenom": "JEANNE DUPONT", "dateDeNaissance": "01022012", "sexe": "F"},
        ],
        "adresse": {
            "identite": "Monsieur JEAN DUPONT",
            "complementIdentite": "APPARTEMENT 51",
            "complementIdentiteGeo": "RESIDENCE DES COLOMBES",
            "numeroRue": "42 RUE DE LA PAIX",
            "lieuDit": "ILOTS DES OISEAUX",
            "codePostalVille": "75002 PARIS",
            "pays": "FRANCE",
        },
    }


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("not_found", NotFound("file_unknown")),
        ("disbared_beneficiary", NotFound("file_struck_off")),
        ("no_qf", Failed("quotient_missing")),
        ("no_qf_different_mime_format", Failed("quotient_missing")),
    ],
)
def test_the_other_answers_are_understood(name: str, reply: Reply) -> None:
    assert read(ok(upstream_sample(f"cnaf_soap/{name}.mime"))) == reply


def test_a_document_without_children_has_none() -> None:
    retour = retour_of(upstream_sample("cnaf_soap/no_qf_different_mime_format.mime"))
    document = document_of(retour.document)
    assert (document.children, len(document.persons)) == ((), 1)


# Envelopes


@pytest.mark.parametrize(
    "wrap",
    [
        "{reply}",
        '<?xml version="1.0" encoding="utf-8"?>{reply}',
        "--b\r\nContent-Type: text/xml\r\n\r\n{reply}\r\n--b--\r\n",
        "--b\n\n\nContent-Type: text/xml\n\n\n\n{reply}",
        "--b\nContent-ID: <0@apache.org>\n\n{reply}\n--b--\n--b--",
    ],
)
def test_an_envelope_is_found_whatever_surrounds_it(wrap: str) -> None:
    reply = REPLY.format(bean="<codeRetour>133</codeRetour><libelleRetour/>")
    assert retour_of(wrap.format(reply=reply).encode()).code == 133


def test_other_prefixes_and_namespaces_are_read_alike() -> None:
    reply = REPLY.format(bean="<codeRetour>101</codeRetour>").replace("soapenv", "S").replace("ns2", "x")
    assert retour_of(reply.replace("cafweb.cnaf", "web.cnaf").encode()).code == 101


def test_a_document_may_be_a_cdata_section_with_a_declaration_of_its_own() -> None:
    flux = '<![CDATA[<?xml version="1.0" encoding="UTF-8"?><drtData><quotients/></drtData>]]>'
    reply = REPLY.format(bean=f"<codeRetour>0</codeRetour><fluxRetour>{flux}</fluxRetour>")
    assert read(ok(reply.encode())) == Failed("quotient_missing")


@pytest.mark.parametrize(
    "bean",
    [
        "",
        "<codeRetour/>",
        "<codeRetour>zero</codeRetour>",
        "<codeRetour>0</codeRetour>",
        "<codeRetour>0</codeRetour><fluxRetour/>",
        "<codeRetour>0</codeRetour><fluxRetour>DUPONT</fluxRetour>",
        "<codeRetour>0</codeRetour><fluxRetour>&lt;drtData&gt;&lt;quotients&gt;</fluxRetour>",
        "<codeRetour>0</codeRetour><fluxRetour>&lt;autre/&gt;</fluxRetour>",
        "<codeRetour>0</codeRetour><fluxRetour>&lt;drtData&gt;&lt;quotients&gt;&lt;QFMOIS&gt;&lt;DUMOIS&gt;mars"
        "&lt;/DUMOIS&gt;&lt;/QFMOIS&gt;&lt;/quotients&gt;&lt;/drtData&gt;</fluxRetour>",
    ],
)
def test_what_is_not_a_reply_is_malformed(bean: str) -> None:
    assert error_of(lambda: read(ok(REPLY.format(bean=bean).encode()))).reason == "upstream_malformed"


@pytest.mark.parametrize("body", [b"", b"OK", b"<html/>", b"<?xml version='1.0'?>", b"\xff\xfe<\x00", b"<Envelope"])
def test_what_is_not_an_envelope_is_malformed(body: bytes) -> None:
    assert error_of(lambda: read(ok(body))).reason == "upstream_malformed"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b"<h1>Internal Server Error</h1>", "upstream_internal"),
        (500, b"<soapenv:Fault/>", "upstream_unknown"),
        (403, b"Internal Server Error", "upstream_unknown"),
    ],
)
def test_statuses_are_read_before_bodies(status: int, body: bytes, reason: str) -> None:
    assert error_of(lambda: read(Answer(status, CIMultiDict(), body))).reason == reason


# Hostile XML


def test_a_document_type_is_refused_in_the_envelope() -> None:
    reply = "<?xml version='1.0'?><!DOCTYPE x>" + REPLY.format(bean="<codeRetour>133</codeRetour>")
    assert error_of(lambda: retour_of(reply.encode())).cause == "document type"


def test_a_document_type_is_refused_in_the_document() -> None:
    assert error_of(lambda: document_of("<!DOCTYPE drtData><drtData/>")).cause == "document type"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "utf-32"])
def test_a_document_type_cannot_hide_in_another_encoding(encoding: str) -> None:
    hidden = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [{BOMB}]><Envelope>&l9;</Envelope>'.encode(
        encoding
    )
    assert error_of(lambda: retour_of(b"<?xml " + hidden + b"</Envelope>")).reason == "upstream_malformed"


def test_an_entity_bomb_does_not_go_off() -> None:
    error = error_of(lambda: document_of(f"<!DOCTYPE x [{BOMB}]><drtData a='&l29;'>&l29;</drtData>"))
    assert (error.reason, error.cause) == ("upstream_malformed", "document type")


@pytest.mark.parametrize("opening", [b"<?xml ", b"<Envelope ", b"<a:Envelope ", b"</Envelope"])
def test_a_body_that_never_closes_is_no_long_reading(opening: bytes) -> None:
    """Tests that the parser reports a body of 200,000 unfinished tags as malformed without a long computation."""
    assert error_of(lambda: retour_of(opening * 200_000)).reason == "upstream_malformed"


def test_an_external_entity_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very secret")
    xml = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]><drtData>&e;</drtData>'
    assert "secret" not in str(error_of(lambda: document_of(xml)))


def test_an_undeclared_entity_is_an_error() -> None:
    assert error_of(lambda: document_of("<drtData><adresse>&e;</adresse></drtData>")).reason == "upstream_malformed"


def test_a_very_deep_document_is_an_error() -> None:
    assert error_of(lambda: document_of("<drtData>" + "<a>" * 100_000)).reason == "upstream_malformed"


# Privacy and transport


@pytest.mark.parametrize("numero", ["4471820", "2207719", "3390456"])
async def test_no_log_names_the_person(cnaf: WorkerClient, numero: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await ask(cnaf, numero, "29200")
        error_of(lambda: document_of("<drtData><NOMPRENOM>KERVENNIC</drtData>")).log()
    told = "".join(map(log_text_of, caplog.records))
    assert not [value for value in (numero, "29200", "KERVENNIC", "DUMOIS") if value in told]


def settings(url: str, *, ca: str = "", certificate: str = "", key: str = "") -> Settings:
    return Settings(
        hub_url="",
        hub_token_url="",
        hub_client_id="",
        hub_client_secret=Secret(""),
        hub_scope="",
        soap_url=url,
        soap_ca_path=ca,
        soap_certificate_path=certificate,
        soap_key_path=key,
    )


async def test_the_caf_knows_us_by_our_certificate(tmp_path: Path) -> None:
    caf, us = SelfSignedCertificate(tmp_path, "caf"), SelfSignedCertificate(tmp_path, "us")
    key = str(tmp_path / "us.key")
    async with raw_server(answer, caf.server(trusting=us)) as server:
        async with open_upstream(
            soap(settings(server.url, ca=str(caf.cert), certificate=str(us.cert), key=key))
        ) as upstream:
            assert (await upstream.post()).status == 200
        async with open_upstream(soap(settings(server.url, ca=str(caf.cert)))) as upstream:
            with pytest.raises(UpstreamError):
                await upstream.post()


async def test_a_caf_that_nobody_vouches_for_is_not_asked(tmp_path: Path) -> None:
    async with (
        raw_server(answer, SelfSignedCertificate(tmp_path, "caf").server()) as server,
        open_upstream(soap(settings(server.url))) as upstream,
    ):
        with pytest.raises(UpstreamError) as raised:
            await upstream.post()
    assert raised.value.reason == "upstream_certificate"


def test_its_end_is_announced() -> None:
    retirement = COMPOSITION_FAMILIALE.retirement
    assert retirement is not None
    assert (retirement.deprecated_on, retirement.successor) == ("2025-10-31", "/api/v2/composition-familiale-v2")

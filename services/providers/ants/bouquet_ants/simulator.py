"""Simulator of the SIV, the State's register of vehicles (docs/reference/upstreams/ants.md). Its vehicles are in
`personas`. A test sets another answer about a number plate by `app[SIMULATED_ANSWERS][plate] = (status, body)`."""
# The real SIV knows the certificate that the platform has registered. This simulator reads its digest from the path, so
# that a simulator and a worker in different processes need nothing else in common. It speaks plain HTTP.

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias
from xml.sax.saxutils import escape

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml.etree import DocumentInvalid, XMLParser, XMLSyntaxError, _Element, fromstring
from msgspec import Struct
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from bouquet_ants.assertion import CONCENTRATOR_ATTRIBUTE, DS, SAML
from bouquet_ants.envelope import OPERATION, SIV, SOAP, WSSE
from bouquet_ants.personas import VEHICLES, Holder, Texts, Vehicle
from bouquet_ants.settings import KEY_BITS
from bouquet_worker.simulate import Simulator, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SimulatedAnswer: TypeAlias = tuple[int, str]

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, SimulatedAnswer])
USED_SESSION_NUMBERS = web.AppKey("used_session_numbers", set[str])
"""Key under which the application keeps the session numbers (`numero_session`) of all requests so far. Like the SIV,
the simulator refuses a request that repeats a number."""

IDENTITY_PROVIDER, PARTNER, MIAT, CONCENTRATOR_CODE = "bouquet-simule", "131614", "QSIV", "CONC01"
UNKNOWN_PLATE = "Aucune réponse trouvée pour les critères en entrée."
REUSED_SESSION = "Numéro de session déjà utilisé."
REQUEST = f"{{{SOAP}}}Body/{{{SIV}}}req_consulter_dossier"
ASSERTION = f"{{{SOAP}}}Header/{{{WSSE}}}Security/{{{SAML}}}Assertion"
SIGNATURE = SignatureConfiguration(
    location=f"./{{{SOAP}}}Header/{{{WSSE}}}Security/{{{SAML}}}Assertion/",
    signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
)
CLOCK_SKEW = timedelta(minutes=1)

ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    "{body}</soapenv:Body></soapenv:Envelope>"
)
REPLY = f'<siv:rep_consulter_dossier xmlns:siv="{SIV}">{{content}}</siv:rep_consulter_dossier>'
FAULT = "<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>{why}</faultstring></soapenv:Fault>"


class Credentials(Struct, frozen=True):
    """Key and certificate with which a client of the simulated vehicle register (SIV) signs its SAML assertions."""

    key: RSAPrivateKey
    certificate: x509.Certificate

    @property
    def digest(self) -> str:
        return digest_of(self.certificate)


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app[USED_SESSION_NUMBERS] = set()
    app.add_routes([web.post("/siv/{digest}", _siv)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator."""
    own = registered()
    key = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "BOUQUET_ANTS_URL": f"{base_url}/siv/{own.digest}",
        "BOUQUET_ANTS_ASSERTION_KEY": " ".join(key.split("\n")),
        "BOUQUET_ANTS_ASSERTION_CERTIFICATE": " ".join(own.certificate.public_bytes(Encoding.PEM).decode().split("\n")),
        "BOUQUET_ANTS_IDENTITY_PROVIDER": IDENTITY_PROVIDER,
        "BOUQUET_ANTS_PARTNER_CODE": PARTNER,
        "BOUQUET_ANTS_MIAT_CODE": MIAT,
        "BOUQUET_ANTS_CONCENTRATOR_CODE": CONCENTRATOR_CODE,
    }


simulator = Simulator(provider="ants", app=app, settings=settings)


@cache
def registered() -> Credentials:
    """Returns the signing key and the certificate that the simulated SIV accepts from a worker."""
    return new_credentials()


def new_credentials() -> Credentials:
    key, now = generate_private_key(65537, KEY_BITS), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, IDENTITY_PROVIDER)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return Credentials(key, certificate)


def digest_of(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


async def _siv(request: web.Request) -> web.StreamResponse:
    if request.content_type != "application/soap+xml" or request.headers.get("SOAPAction") != "":
        return web.Response(status=415)
    question = _parsed(await request.read())
    if question is None or (why := _wrong_assertion(question, request.match_info["digest"])):
        return _say(500, FAULT.format(why="no question" if question is None else why))
    plate = question.findtext(f"{REQUEST}/{{{SIV}}}requete/{{{SIV}}}informations/{{{SIV}}}num_immat") or ""
    if fault := await simulated_fault(request, plate):
        return fault
    if plate in request.app[SIMULATED_ANSWERS]:
        status, body = request.app[SIMULATED_ANSWERS][plate]
        return web.Response(status=status, text=body, content_type="application/octet-stream")
    return _say(200, REPLY.format(content=_content(request.app[USED_SESSION_NUMBERS], question, plate)))


def _parsed(body: bytes) -> _Element | None:
    """Returns the root of a request's XML. Returns `None` if the body is not a SOAP envelope with a request about a
    vehicle."""
    parser = XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = fromstring(body, parser)
    except XMLSyntaxError:
        return None
    is_question = root.tag == f"{{{SOAP}}}Envelope" and root.find(REQUEST) is not None
    return root if is_question and not root.getroottree().docinfo.doctype else None


def _wrong_assertion(question: _Element, digest: str) -> str:
    """Returns what is wrong with the SAML assertion in a request, or "" if the SIV accepts it. `digest` is the SHA-256
    fingerprint, in hexadecimal, of the registered certificate."""
    inlined = question.findtext(
        f"{ASSERTION}/{{{DS}}}Signature/{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate"
    )
    if inlined is None:
        return "no signature"
    pem = f"-----BEGIN CERTIFICATE-----\n{inlined.strip()}\n-----END CERTIFICATE-----\n"
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        result = XMLVerifier().verify(question, x509_cert=certificate, id_attribute="ID", expect_config=SIGNATURE)
    except (InvalidSignature, InvalidInput, DocumentInvalid, ValueError):
        return "wrong signature"
    if digest_of(certificate) != digest:
        return "foreign certificate"
    signed = result.signed_xml if not isinstance(result, list) else None
    assertion = question.find(ASSERTION)
    if signed is None or assertion is None or signed.get("ID") != assertion.get("ID"):
        return "another element is signed"
    return _wrong_claim(signed)


def _wrong_claim(assertion: _Element) -> str:
    conditions, now = assertion.find(f"{{{SAML}}}Conditions"), datetime.now(UTC)
    if conditions is None:
        return "no conditions"
    begins, ends = (datetime.fromisoformat(conditions.get(name, "")) for name in ("NotBefore", "NotOnOrAfter"))
    if not begins - CLOCK_SKEW <= now < ends:
        return "not valid now"
    attributes = assertion.iterfind(f"{{{SAML}}}AttributeStatement/{{{SAML}}}Attribute")
    claims = {one.get("Name"): one.findtext(f"{{{SAML}}}AttributeValue") for one in attributes}
    is_known = assertion.findtext(f"{{{SAML}}}Issuer") == IDENTITY_PROVIDER
    return "" if is_known and claims == {CONCENTRATOR_ATTRIBUTE: CONCENTRATOR_CODE} else "unknown partner"


def _content(sessions: set[str], question: _Element, plate: str) -> str:
    control = {name: question.findtext(f"{REQUEST}/{{{SIV}}}control/{{{SIV}}}{name}") or "" for name in _CONTROL}
    session, vehicle = control["numero_session"], VEHICLES.get(plate)
    if (control["code_partenaire"], control["code_miat"], control["type_operation"]) != (PARTNER, MIAT, OPERATION):
        return _refusal(control, 12, "Partenaire inconnu.")
    if session in sessions:
        return _refusal(control, 31, REUSED_SESSION)
    sessions.add(session)
    if vehicle is None:
        return _refusal(control, 20, UNKNOWN_PLATE)
    return _element("control", _texts(control | {"code_traitement": "0"})) + _element("reponse", _dossier(vehicle))


_CONTROL = ("code_partenaire", "code_miat", "date_envoi", "type_operation", "numero_session")


def _refusal(control: Texts, code: int, message: str) -> str:
    described = _element("description_erreur", _element("item_erreur", _texts({"message_erreur": message})))
    return _element("control", _texts(control | {"code_traitement": "1", "code_erreur": str(code)}) + described)


def _dossier(vehicle: Vehicle) -> str:
    people = "".join(map(_person, vehicle.holders))
    return _element(
        "dossier",
        _element("immatriculation", _texts(vehicle.registration))
        + _element("vehicule", _element("caracteristiques_techniques", _texts(vehicle.characteristics)))
        + _element("personne", _element("liste_personnes", people)),
    )


def _person(holder: Holder) -> str:
    address = _element("adresse_personne", _texts(holder.address)) if holder.address else ""
    identity = _element("identite_personne", _texts(holder.identity))
    return _element("personne", _texts({"libelle_type_personne": holder.link}) + identity + address)


def _texts(texts: Texts) -> str:
    return "".join(_element(name, escape(text)) for name, text in texts.items())


def _element(name: str, content: str) -> str:
    return f"<siv:{name}>{content}</siv:{name}>"


def _say(status: int, body: str) -> web.Response:
    # The SIV labels its XML as binary.
    return web.Response(status=status, text=ENVELOPE.format(body=body), content_type="application/octet-stream")

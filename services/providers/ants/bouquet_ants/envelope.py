"""Client that asks the SIV, the State's register of vehicles, about a number plate. Each request is a SOAP 1.2 envelope
with a signed assertion (docs/reference/upstreams/ants.md §1-3)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from lxml.etree import Element as new_element
from lxml.etree import QName, SubElement, _Element, tostring

from bouquet_ants.assertion import Signer, signed_assertion
from bouquet_ants.settings import Settings, signer_of
from bouquet_worker import Answer, UpstreamClient

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
SIV = "http://siv.mi.fr/DefinitionsServices/2007-06"
HEADERS = {"Content-Type": "application/soap+xml; charset=utf-8", "SOAPAction": ""}
OPERATION = "Consultation Dossier"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Siv:
    """Client of the SIV, the State's register of vehicles. Signs a new assertion for each request."""

    def __init__(self, settings: Settings, api: UpstreamClient, clock: Callable[[], datetime] = utc_now) -> None:
        """Prepares requests that are signed with the key and certificate in `settings`, and sent through `api`. `clock`
        returns the current time, with a time zone. Raises `SettingsError` if the key or the certificate is unusable."""
        self._settings = settings
        self._signer: Signer = signer_of(settings)
        self._api = api
        self._clock = clock

    async def ask(self, plate: str) -> Answer:
        """Asks the SIV about a number plate and returns its answer. Raises `UpstreamError` if the SIV does not
        answer."""
        # Not repeated by the kit: the SIV refuses a second question with the same session number.
        return await self._api.post(data=envelope(plate, self._settings, self._signer, self._clock()))


def envelope(plate: str, settings: Settings, signer: Signer, now: datetime) -> bytes:
    """Returns the SOAP envelope that asks about a number plate, as XML in UTF-8, with an assertion signed by `signer`.
    `now`, with a time zone, is the time of the request."""
    root = new_element(QName(SOAP, "Envelope"), nsmap={"soap": SOAP})
    security = SubElement(
        SubElement(root, QName(SOAP, "Header")),
        QName(WSSE, "Security"),
        {"actor": "", "mustUnderstand": "1"},
        nsmap={"wsse": WSSE},
    )
    security.append(signed_assertion(signer, now))
    body = SubElement(root, QName(SOAP, "Body"))
    question = SubElement(body, QName(SIV, "req_consulter_dossier"), nsmap={"ns1": SIV})
    _children(
        SubElement(question, QName(SIV, "control")),
        code_partenaire=settings.partner_code,
        code_miat=settings.miat_code,
        type_operation=OPERATION,
        # Not the id of the caller's request, which a redelivered question has again.
        numero_session=f"rnd_{uuid.uuid4()}",
        date_envoi=now.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    request = SubElement(question, QName(SIV, "requete"))
    _children(request, mode_appel="L")
    _children(SubElement(request, QName(SIV, "informations")), num_immat=plate.upper())
    return tostring(root, xml_declaration=True, encoding="utf-8")


def _children(parent: _Element, **texts: str) -> None:
    """Appends an element to `parent` for each keyword argument, in their order: `num_immat="AB-123-CD"` becomes an
    element `num_immat` with the text `AB-123-CD`."""
    for name, text in texts.items():
        SubElement(parent, QName(SIV, name)).text = text

"""Simulator, over plain HTTP, of the services that CNAF's worker asks: the social-security hub and the CAF's older SOAP
service (docs/reference/upstreams/cnaf.md)."""
# The simulated people, and the names and numbers that make the simulator fail, are in bouquet_hub.personas and
# bouquet_cnaf.personas. A test adds files with `app[FILES][key] = …`.

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import date
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from bouquet_cnaf.personas import PERSONAS, Dossier, Key, Mime, PersonOfFile, Retour, SimulatedAnswer, answer_to
from bouquet_hub.personas import CAF
from bouquet_hub.simulator import hub_app, hub_settings
from bouquet_worker.simulate import CLOCK, Fault, Simulator, respond_with_fault

FILES = web.AppKey("files", MutableMapping[Key, SimulatedAnswer])
PATH = "/sgmap/wswdd/v1"

QUESTION = (
    "{http://schemas.xmlsoap.org/soap/envelope/}Body/{http://v1.ws.wsdemandedocumentcafweb.cnaf/}demanderDocumentWeb"
    "/arg0/beanEntreeDemandeDocumentWeb"
)
ELEMENTS = ["codeAppli", "matricule", "codePostal", "typeDocument", "typeEnvoi"]
REGISTERED = (
    "Votre demande est bien enregistrée. Un document vous sera adressé à votre domicile dans les prochains jours."
)
REPLY = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<ns2:demanderDocumentWebResponse xmlns:ns2="http://v1.ws.wsdemandedocumentcafweb.cnaf/"><return>'
    "<beanRetourDemandeDocumentWeb><codeRetour>{code}</codeRetour>{flux}<libelleRetour>{label}</libelleRetour>"
    "</beanRetourDemandeDocumentWeb></return></ns2:demanderDocumentWebResponse></soapenv:Body></soapenv:Envelope>"
)
BOUNDARY = "MIMEBoundary_4d1c0e77a9b2"
CONTENT_ID = "<0.5d1c0e77a9b2@apache.org>"
PART_HEADERS = (
    'Content-Type: application/xop+xml; charset=utf-8; type="text/xml"',
    "Content-Transfer-Encoding: binary",
    f"Content-ID: {CONTENT_ID}",
)
HEADERS = {
    "Content-Type": f'multipart/related; boundary="{BOUNDARY}"; type="application/xop+xml"; '
    f'start="{CONTENT_ID}"; start-info="text/xml"'
}


def cnaf_app() -> web.Application:
    app = hub_app(CAF)
    app[FILES] = dict(PERSONAS)
    app.router.add_post(PATH, _soap)
    return app


def cnaf_settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return hub_settings(CAF, base_url) | {"BOUQUET_CNAF_SOAP_URL": base_url + PATH}


simulator = Simulator(provider="cnaf", app=cnaf_app, settings=cnaf_settings)


async def _soap(request: web.Request) -> web.StreamResponse:
    key = _key_asked(await request.text()) if request.content_type == "text/xml" else None
    files = request.app[FILES]
    match answer_to(files, key) if key else Fault.INTERNAL:
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case Retour(code=code, label=label, mime=mime):
            return _wrapped(REPLY.format(code=code, flux="", label=escape(label)), mime)
        case Dossier(mime=mime) as dossier:
            flux = f"<fluxRetour>{escape(_document(dossier, request.app[CLOCK]()))}</fluxRetour>"
            return _wrapped(REPLY.format(code=0, flux=flux, label=REGISTERED), mime)


def _key_asked(envelope: str) -> Key | None:
    """Returns the file number and the postal code that a SOAP envelope asks about, or `None` if the envelope is not
    built as documented (docs/reference/upstreams/cnaf.md §2)."""
    try:
        bean = ElementTree.fromstring(envelope).find(QUESTION)
    except ElementTree.ParseError:
        return None
    if bean is None or [element.tag for element in bean] != ELEMENTS:
        return None
    application, numero, code_postal, document, sending = (element.text or "" for element in bean)
    return Key(numero, code_postal) if (application, document, sending) == ("WDD", "4", "5") else None


def _document(dossier: Dossier, today: date) -> str:
    """Returns the CAF's XML document about a family's file. A file without a month gets the month before `today`."""
    # A list without items is written as one empty element.
    lines = "".join(f"<LIBLIG{n}ADR>{escape(line)}</LIBLIG{n}ADR>" for n, line in enumerate(dossier.lines, 1))
    return '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + _element(
        "drtData",
        _element("adresse", lines),
        _element("identeEnfants", *(_element("UNENFANT", _someone(child)) for child in dossier.children)),
        _element("identePersonnes", *(_element("UNEPERSONNE", _adult(person)) for person in dossier.persons)),
        _element("quotients", *_quotient_elements(dossier, today)),
    )


def _element(name: str, *content: str) -> str:
    return f"<{name}>\n{''.join(content)}</{name}>\n" if content else f"<{name}/>\n"


def _adult(person: PersonOfFile) -> str:
    return f"<QUAL>{'Madame' if person.sex == 'F' else 'Monsieur'}</QUAL>" + _someone(person)


def _someone(person: PersonOfFile) -> str:
    return f"<NOMPRENOM>{escape(person.name)}</NOMPRENOM><DATNAISS>{person.born}</DATNAISS><SEXE>{person.sex}</SEXE>"


def _quotient_elements(dossier: Dossier, today: date) -> tuple[str, ...]:
    """Returns the XML elements inside `quotients` in the CAF's document; none for a file without a quotient familial. A
    file without a month gets the month before `today`."""
    if dossier.quotient is None:
        return ()
    year, month = dossier.month or _month_before(today)
    value = f"<DUMOIS>{month}</DUMOIS><DELANNEE>{year}</DELANNEE><QUOTIENTF>{dossier.quotient}</QUOTIENTF>"
    return (_element("QFMOIS", value),)


def _month_before(today: date) -> tuple[int, int]:
    return (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)


def _wrapped(reply: str, mime: Mime) -> web.Response:
    """Returns a multipart message that contains a SOAP reply. `mime` is the variant of the message, such as `crlf` for
    CRLF line ends (docs/reference/upstreams/cnaf.md §3)."""
    newline = "\r\n" if mime == "crlf" else "\n"
    gap = newline * (2 if mime == "doubled" else 1)
    head = gap.join((f"--{BOUNDARY}", *PART_HEADERS))
    closing = "" if mime == "unclosed" else f"{newline}--{BOUNDARY}--{newline}"
    return web.Response(body=(head + gap + newline + reply + closing).encode(), headers=HEADERS)

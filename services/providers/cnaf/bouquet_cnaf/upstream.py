"""Requests to the CAF's older web service, and its answers (docs/reference/upstreams/cnaf.md). An answer is a MIME
message with a SOAP 1.1 envelope, which contains an XML document as text."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from msgspec import Struct

from bouquet_worker import NumeroAllocataire, UpstreamError, parse_xml

HEADERS = {"Content-Type": "text/xml; charset=utf-8"}  # and no SOAPAction (docs/reference/upstreams/cnaf.md §1)

ENVELOPE = """\
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:tns="http://v1.ws.wsdemandedocumentcafweb.cnaf/">
  <soap:Header/>
  <soap:Body>
    <tns:demanderDocumentWeb>
      <arg0>
        <app>WDD</app>
        <id>?</id>
        <beanEntreeDemandeDocumentWeb>
          <codeAppli>WDD</codeAppli>
          <matricule>{matricule}</matricule>
          <codePostal>{code_postal}</codePostal>
          <typeDocument>4</typeDocument>
          <typeEnvoi>5</typeEnvoi>
        </beanEntreeDemandeDocumentWeb>
      </arg0>
    </tns:demanderDocumentWeb>
  </soap:Body>
</soap:Envelope>
"""
OPENING = re.compile(rb"<(\?xml|(\w+:)?Envelope\b)")
CLOSING = re.compile(rb"</(\w+:)?Envelope\s*>")
"""Pattern of the closing tag of a SOAP envelope."""
# It is searched for on its own, since a pattern of the whole envelope would take minutes on a long body without a
# closing tag.
BEAN = "{*}Body/{*}demanderDocumentWebResponse/{*}return/{*}beanRetourDemandeDocumentWeb"
LINES = tuple(f"adresse/LIBLIG{number}ADR" for number in range(1, 8))

# Return codes, by docs/reference/upstreams/cnaf.md §5. Labels are not read.
SUCCESS = 0
ABSENCES = {
    101: "file_struck_off",
    102: "file_closed",
    111: "file_pending",
    **dict.fromkeys((121, 122), "file_suspended"),
    132: "file_closed",  # the code means a death, which the caller does not learn
    133: "file_unknown",
    **dict.fromkeys((141, 171, 191, 194, 1113, 1114), "no_right"),
    **dict.fromkeys((151, 161), "no_quotient"),
}
WRONG_PARAMETERS = {
    # These codes are about the file number or the postal code, which has replaced a confidential code.
    **dict.fromkeys((103, 131, 192, 193, 195, 196, 197, 198), "00352"),
    181: "00351",
}
FAILURES = dict.fromkeys((201, 211, 221, 231, 241, *range(251, 258)), "upstream_internal")


class Retour(Struct, frozen=True):
    """Content of the SOAP envelope in an answer: the CAF's return code, and an XML document as text. The text may be
    empty if the CAF refuses the request."""

    code: int
    document: str


class Quotient(Struct, frozen=True):
    value: int | None
    month: int
    year: int


class Person(Struct, frozen=True):
    name: str
    born: str
    """Date of birth, `ddMMyyyy`."""
    sex: str


class Document(Struct, frozen=True):
    """Document of the CAF about a family: the seven lines of the address, people and quotient familial."""

    lines: tuple[str, ...]
    persons: tuple[Person, ...]
    children: tuple[Person, ...]
    quotient: Quotient | None


def envelope(who: NumeroAllocataire) -> str:
    """Returns the SOAP envelope that asks a CAF for the family's file with this number and postal code
    (docs/reference/upstreams/cnaf.md §2)."""
    # The file's number is sent as the caller typed it, without padding or key letter.
    return ENVELOPE.format(matricule=escape(who.numero_allocataire), code_postal=escape(who.code_postal))


def retour_of(body: bytes) -> Retour:
    """Returns the content of the SOAP envelope in a MIME message. Raises `UpstreamError` if there is no readable
    envelope."""
    # It finds the envelope by its tags, whatever the message's headers and boundaries (docs/reference/upstreams/cnaf.md
    # §3).
    opening, closings = OPENING.search(body), [closing.end() for closing in CLOSING.finditer(body)]
    bean = parse_xml(body[opening.start() : closings[-1]] if opening and closings else b"").find(BEAN)
    if bean is None:
        raise UpstreamError("upstream_malformed", field=BEAN)
    return Retour(code=_integer(bean, "{*}codeRetour"), document=_text(bean, "{*}fluxRetour"))


def document_of(text: str) -> Document:
    """Returns the content of a family's file, given as the text of an XML document. Raises `UpstreamError` if the text
    is not XML, or not a document about a family."""
    root = parse_xml(text.strip().encode())
    if root.tag != "drtData":
        raise UpstreamError("upstream_malformed", field="drtData")
    return Document(
        lines=tuple(_text(root, line) for line in LINES),
        persons=_persons(root, "identePersonnes/UNEPERSONNE"),
        children=_persons(root, "identeEnfants/UNENFANT"),
        quotient=_quotient(root.find("quotients/QFMOIS")),
    )


def _persons(root: Element, path: str) -> tuple[Person, ...]:
    return tuple(
        Person(_text(person, "NOMPRENOM"), _text(person, "DATNAISS"), _text(person, "SEXE"))
        for person in root.iterfind(path)
    )


def _quotient(month: Element | None) -> Quotient | None:
    if month is None:
        return None
    value = _integer(month, "QUOTIENTF") if _text(month, "QUOTIENTF") else None
    return Quotient(value, _integer(month, "DUMOIS"), _integer(month, "DELANNEE"))


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _integer(element: Element, path: str) -> int:
    try:
        return int(_text(element, path))
    except ValueError:
        raise UpstreamError("upstream_malformed", field=path) from None

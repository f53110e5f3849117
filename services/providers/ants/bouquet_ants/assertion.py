"""SAML 2.0 assertion: the signed text by which the SIV, the State's register of vehicles, authenticates the platform
(docs/reference/upstreams/ants.md §2)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate
from lxml.etree import Element as new_element
from lxml.etree import QName, SubElement, _Element
from msgspec import Struct
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
SENDER_VOUCHES = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
BY_SIGNATURE = "urn:oasis:names:tc:SAML:2.0:ac:classes:XMLDSig"
CONCENTRATOR_ATTRIBUTE = "CodePartenaire"
"""Name of the only attribute in the SAML assertions. Its value is the code that the ANTS gave the platform as a
"concentrator"."""
VALIDITY = timedelta(minutes=10)


class Signer(Struct, frozen=True):
    """Key and certificate with which the platform signs SAML assertions. `issuer` and `concentrator` are the platform's
    name and code at the ANTS."""

    key: RSAPrivateKey
    certificate: Certificate
    issuer: str
    concentrator: str


def signed_assertion(signer: Signer, now: datetime) -> _Element:
    """Returns a new signed assertion, valid for ten minutes from `now` (a time with a time zone)."""
    begins, ends = _written(now), _written(now + VALIDITY)
    name = f"_{uuid.uuid4().hex}"
    root = new_element(QName(SAML, "Assertion"), ID=name, IssueInstant=begins, Version="2.0", nsmap={"saml2": SAML})
    _child(root, "Issuer", signer.issuer, Format=ENTITY)
    SubElement(root, QName(DS, "Signature"), Id="placeholder", nsmap={"ds": DS})  # replaced by the signature
    subject = _child(root, "Subject")
    _child(subject, "NameID", signer.issuer, Format=UNSPECIFIED)
    _child(subject, "SubjectConfirmation", Method=SENDER_VOUCHES)
    _child(root, "Conditions", NotBefore=begins, NotOnOrAfter=ends)
    statement = _child(root, "AuthnStatement", AuthnInstant=begins)
    _child(_child(statement, "AuthnContext"), "AuthnContextClassRef", BY_SIGNATURE)
    attribute = _child(_child(root, "AttributeStatement"), "Attribute", Name=CONCENTRATOR_ATTRIBUTE)
    _child(attribute, "AttributeValue", signer.concentrator)
    return XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    ).sign(root, key=signer.key, cert=[signer.certificate], reference_uri=f"#{name}", id_attribute="ID")


def _child(parent: _Element, name: str, text: str | None = None, **attributes: str) -> _Element:
    element = SubElement(parent, QName(SAML, name), attributes)
    element.text = text
    return element


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

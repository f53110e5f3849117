"""Tests of what the ANTS's worker is declared with: its key and certificates, the assertions that it signs, which the
simulator verifies as the SIV does, and its offer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml.etree import QName, _Element, fromstring, tostring
from msgspec import structs

from bouquet_ants.assertion import DS, SAML, Signer, signed_assertion
from bouquet_ants.contract import EXTRAIT_IMMATRICULATION, NO_SUCH_HOLDER, UNKNOWN_VEHICLE
from bouquet_ants.envelope import HEADERS, WSSE, envelope
from bouquet_ants.labels import CATEGORIES, FUELS, KINDS
from bouquet_ants.settings import Settings, signer_of
from bouquet_ants.simulator import new_credentials, simulator
from bouquet_ants.worker import worker
from bouquet_mesh.listen import listening
from bouquet_mesh.settings import SettingsError
from bouquet_proto.failures import GENERIC_ABSENCE, PERIMETER

NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)


def settings() -> Settings:
    read = worker.settings(simulator.settings("http://siv.test"))
    assert isinstance(read, Settings)
    return read


# The assertion (docs/reference/upstreams/ants.md §2)


def test_an_assertion_is_valid_for_ten_minutes_from_the_clock_that_is_given() -> None:
    assertion = signed_assertion(signer_of(settings()), NOW)
    conditions = assertion.find(f"{{{SAML}}}Conditions")
    assert conditions is not None
    assert assertion.get("IssueInstant") == conditions.get("NotBefore") == "2026-11-30T10:20:30Z"
    assert conditions.get("NotOnOrAfter") == "2026-11-30T10:30:30Z"


def test_an_assertion_is_signed_as_the_siv_wants() -> None:
    assertion = signed_assertion(signer_of(settings()), NOW)
    assert [QName(child).localname for child in assertion][:3] == ["Issuer", "Signature", "Subject"]
    algorithms = [one.get("Algorithm") for one in assertion.iter() if one.get("Algorithm")]
    exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
    assert algorithms == [
        exclusive,
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        exclusive,
        "http://www.w3.org/2001/04/xmlenc#sha256",
    ]
    [reference] = assertion.iter(f"{{{DS}}}Reference")
    assert reference.get("URI") == f"#{assertion.get('ID')}"
    assert len(list(assertion.iter(f"{{{DS}}}X509Certificate"))) == 1


def _assertion(root: _Element) -> _Element:
    return next(root.iter(f"{{{SAML}}}Assertion"))


def _without_signature(root: _Element) -> None:
    _assertion(root).remove(next(root.iter(f"{{{DS}}}Signature")))


def _without_signed_info(root: _Element) -> None:
    signature = next(root.iter(f"{{{DS}}}Signature"))
    signature.remove(next(signature.iter(f"{{{DS}}}SignedInfo")))


def _without_assertion(root: _Element) -> None:
    security = next(root.iter(f"{{{WSSE}}}Security"))
    security.remove(_assertion(root))


def _for_another(root: _Element) -> None:
    next(root.iter(f"{{{SAML}}}AttributeValue")).text = "CONC02"


def _replace_assertion(root: _Element, signer: Signer, now: datetime) -> None:
    security = next(root.iter(f"{{{WSSE}}}Security"))
    security.replace(_assertion(root), signed_assertion(signer, now))


def _by_a_stranger(root: _Element) -> None:
    own = new_credentials()
    stranger = structs.replace(signer_of(settings()), key=own.key, certificate=own.certificate)
    _replace_assertion(root, stranger, datetime.now(UTC))


def _by_a_stranger_under_our_certificate(root: _Element) -> None:
    _replace_assertion(root, structs.replace(signer_of(settings()), key=new_credentials().key), datetime.now(UTC))


def _of_yesterday(root: _Element) -> None:
    _replace_assertion(root, signer_of(settings()), datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize(
    "spoil",
    [
        _without_assertion,
        _without_signature,
        _without_signed_info,
        _for_another,
        _by_a_stranger,
        _by_a_stranger_under_our_certificate,
        _of_yesterday,
    ],
)
async def test_the_simulator_refuses_an_assertion_that_the_siv_would_refuse(spoil: Callable[[_Element], None]) -> None:
    own = settings()
    async with listening(simulator.app(), "127.0.0.1", 0) as url, aiohttp.ClientSession() as client:
        address = simulator.settings(url)["BOUQUET_ANTS_URL"]

        async def status_of(root: _Element) -> int:
            async with client.post(address, data=tostring(root), headers=HEADERS) as response:
                assert b"Fault" in await response.read() or response.status == 200
                return response.status

        root = fromstring(envelope("BZ-290-MA", own, signer_of(own), datetime.now(UTC)))
        assert await status_of(root) == 200
        spoil(root)
        assert await status_of(root) == 500


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"assertion_key": "no key"}, "ASSERTION_KEY: must be an RSA key of 2048 bits or more, unencrypted, in PEM"),
        ({"assertion_certificate": "none"}, "ASSERTION_CERTIFICATE: must be an X.509 certificate in PEM"),
        ({"certificate_path": "/nowhere/client.pem"}, "URL: names certificates, and is not encrypted"),
        (
            {"certificate_path": "/nowhere/client.pem", "url": "https://siv.test"},
            "URL: its certificates cannot be used (No such file or directory)",
        ),
    ],
)
def test_unusable_secrets_stop_the_worker_at_its_start(changes: dict[str, str], what: str) -> None:
    environ = {f"BOUQUET_ANTS_{name.upper()}": value for name, value in changes.items()}
    with pytest.raises(SettingsError) as caught:
        worker.settings(simulator.settings("http://siv.test") | environ)
    assert f"BOUQUET_ANTS_{what}" in str(caught.value)
    assert "no key" not in str(caught.value)


def test_a_certificate_of_another_key_is_refused() -> None:
    foreign = new_credentials().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    environ = simulator.settings("http://siv.test") | {"BOUQUET_ANTS_ASSERTION_KEY": foreign}
    with pytest.raises(SettingsError, match="ASSERTION_CERTIFICATE: must be the certificate of ASSERTION_KEY"):
        worker.settings(environ)


# The offer


def test_the_offer_speaks_for_the_ants() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("ants", "ANTS", "42")
    [one] = offer.operations
    assert (one.cache_s, one.status) == (0, "ants")
    assert one.france_connect_resource == "extrait_immatriculation_vehicule"
    assert one == EXTRAIT_IMMATRICULATION


def test_the_codes_of_the_official_document_have_labels() -> None:
    assert (len(CATEGORIES), len(KINDS)) == (17, 19)
    assert {"ES", "GO", "EL", "EE", "EH", "H2", "GP"} <= FUELS.keys()


def test_the_texts_of_absences_are_those_of_the_contract() -> None:
    problems = worker.offer().problems
    assert problems[UNKNOWN_VEHICLE].detail == GENERIC_ABSENCE + PERIMETER
    unmatched = problems[NO_SUCH_HOLDER]
    assert (unmatched.code_of("42"), unmatched.title) == ("42404", "Identité non trouvée")
    assert unmatched.detail == "Immatriculation trouvée mais aucune identité ne correspond"

"""Makes a server's certificate, signed by a private authority, and its key: `tls.crt` and `tls.key` in FOLDER.

    python deploy/tls/make_certificate.py --authority DIR FOLDER broker broker.bouquet.svc

If DIR has no authority, the script makes its key, its certificate and `trusted.pem` there. Clients trust the
authorities in `trusted.pem`. An operator may add authorities to the file. Existing files are kept: to renew a
certificate, delete it and run the script again.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=730)
CLOCK_TOLERANCE = timedelta(minutes=5)


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--authority", type=Path, required=True, metavar="DIR")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="host name or address by which clients reach the server"
    )
    given = parser.parse_args()
    authority: Path = given.authority
    if not (authority / "key.pem").exists():
        make_authority(authority)
    if not (given.folder / "tls.crt").exists():
        make_certificate(authority, given.folder, given.names)


def make_authority(folder: Path) -> None:
    """Makes a private certificate authority in a folder: its key, its certificate, and `trusted.pem` for clients."""
    folder.mkdir(parents=True, exist_ok=True)
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bouquet's own authority")])
    built = (
        _builder(name, name, key, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    certificate = built.sign(key, SHA256()).public_bytes(Encoding.PEM)
    _write_key(folder / "key.pem", key)
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "trusted.pem").write_bytes(certificate)


def make_certificate(authority: Path, folder: Path, names: list[str]) -> None:
    """Writes a server's key and certificate into `folder`. The certificate is for the server's `names`, and signed by
    the authority in the folder `authority`. Raises `SystemExit` if the authority's key is no elliptic-curve key."""
    folder.mkdir(parents=True, exist_ok=True)
    issuer = x509.load_pem_x509_certificate((authority / "certificate.pem").read_bytes())
    issuer_key = load_pem_private_key((authority / "key.pem").read_bytes(), None)
    if not isinstance(issuer_key, EllipticCurvePrivateKey):
        raise SystemExit(f"{authority}: its key is of another kind than this script makes")
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    built = (
        _builder(subject, issuer.subject, key, SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    _write_key(folder / "tls.key", key)
    (folder / "tls.crt").write_bytes(built.sign(issuer_key, SHA256()).public_bytes(Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - CLOCK_TOLERANCE,
        not_valid_after=now + lasts,
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(file: Path, key: EllipticCurvePrivateKey) -> None:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


if __name__ == "__main__":
    main()

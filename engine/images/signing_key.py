"""The key by which this engine signs its pictures: made by itself, vouched for by nobody else.

One PEM file holds the private key (EC P-256), its certificate and the certificate of the authority that
issued it. The authority's own key is thrown away at once: it signs nothing again. The certificates follow the
profile of C2PA 2, section 14.5: an end entity with emailProtection, which must not be its own issuer.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine import private_file
from engine.errors import Misconfigured

log = logging.getLogger(__name__)

VALID_FOR = timedelta(days=20 * 365)  # nothing but the operator renews it
NAME = "Darkroom"
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, repr=False)
class SigningKey:
    """PEM texts. `chain` is the certificate and those of its authorities; `authority` is the latter alone.

    `serial` is the certificate's own number, in decimal digits.
    """

    private: str
    chain: str
    authority: str
    serial: str


def load_or_make(path: Path) -> SigningKey:
    """The key in `path`, made (mode 0600) where there is none. Raises Misconfigured."""
    try:
        if not path.exists():
            private_file.create(path, make(datetime.now(UTC)))
            log.info("made a new signing key, %s: its signatures are not those of an older one", path.name)
    except OSError as error:
        raise Misconfigured(f"The signing key {path} cannot be made: {error.strerror}.") from None
    return load(path)


def load(path: Path) -> SigningKey:
    """The key in `path`. Raises Misconfigured where it cannot be read, is damaged or has expired."""
    try:
        data = path.read_bytes()
        private = serialization.load_pem_private_key(data, password=None)
        certificate, *authorities = x509.load_pem_x509_certificates(data)
        fits = bool(authorities) and certificate.public_key() == private.public_key()
    except OSError:
        raise Misconfigured(f"The signing key {path} cannot be read.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: encrypted
        fits = False
    if not fits:
        raise Misconfigured(f"The signing key {path} is damaged: move it away, and a new one is made.")
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise Misconfigured(
            f"The signing key {path} is of another kind: it must be an elliptic curve's, P-256."
        )
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise Misconfigured(f"The signing key {path} has expired: move it away, and a new one is made.")
    issuers = "".join(map(_text, authorities))
    serial = str(certificate.serial_number)
    return SigningKey(_private_text(private), _text(certificate) + issuers, issuers, serial)


def make(now: datetime) -> str:
    """A new key with its certificates, as PEM, valid for 20 years from `now`."""
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        _certificate(f"{NAME} authority", root.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(root, hashes.SHA256())
    )
    certificate = (
        _certificate(NAME, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        .sign(root, hashes.SHA256())
    )
    return _private_text(key) + _text(certificate) + _text(authority)


def _certificate(name: str, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(f"{NAME} authority"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # another machine's clock may be behind
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    parts = {NameOID.ORGANIZATION_NAME: NAME, NameOID.COMMON_NAME: common}
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts.items()])


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(_PEM).decode()


def _private_text(key: PrivateKeyTypes) -> str:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()

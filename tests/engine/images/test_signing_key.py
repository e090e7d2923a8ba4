"""The key that signs pictures: made once, for its owner alone, and refused in a sentence when it is no good."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from engine.errors import Misconfigured
from engine.images import signing_key


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "signing.pem"
    first = signing_key.load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_key.load_or_make(path) == first
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(signing_key.load_or_make(tmp_path / "signing.pem"))


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\n"])
def test_a_damaged_key_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "signing.pem"
    path.write_text(content)
    with pytest.raises(Misconfigured, match=r"signing\.pem is damaged: move it away, and a new one is made"):
        signing_key.load(path)


def test_a_key_with_the_certificate_of_another_is_damaged(tmp_path: Path) -> None:
    for name in ("one", "two"):
        signing_key.load_or_make(tmp_path / name)
    key, certificates = (tmp_path / "one").read_text(), (tmp_path / "two").read_text()
    border = "-----BEGIN CERTIFICATE-----"
    mixed = key.partition(border)[0] + border + certificates.partition(border)[2]
    (tmp_path / "mixed").write_text(mixed)
    with pytest.raises(Misconfigured, match="damaged"):
        signing_key.load(tmp_path / "mixed")


def test_an_expired_key_is_named(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - signing_key.VALID_FOR - timedelta(days=1)
    (tmp_path / "signing.pem").write_text(signing_key.make(long_ago))
    with pytest.raises(Misconfigured, match="has expired"):
        signing_key.load(tmp_path / "signing.pem")


def test_a_key_that_is_not_there_or_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        signing_key.load(tmp_path / "signing.pem")
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be made"):
        signing_key.load_or_make(tmp_path / "file" / "signing.pem")


@pytest.mark.parametrize(
    "private", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
)
def test_a_key_of_another_kind_is_named_before_it_is_used(
    tmp_path: Path, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "signing.pem").write_bytes(key + 2 * certificate)
    with pytest.raises(Misconfigured, match="of another kind"):
        signing_key.load(tmp_path / "signing.pem")


def test_what_a_killed_program_left_aside_is_swept_up(tmp_path: Path) -> None:
    left, young = tmp_path / "signing.pem.0123456789abcdef", tmp_path / "signing.pem.fedcba9876543210"
    for path in (left, young):
        path.write_text("secret")
    os.utime(left, (0, 0))
    signing_key.load_or_make(tmp_path / "signing.pem")
    assert not left.exists()
    assert young.exists()  # somebody may be writing it now

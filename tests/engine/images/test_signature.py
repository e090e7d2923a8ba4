"""C2PA signatures, judged by C2PA's own reader."""

import io
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from engine.images import signing_key
from engine.images.signature import State, read_signature, sign
from engine.images.signing_key import SigningKey
from engine.images.xmp import SOURCE_TYPE
from engine.wire import MEDIA_TYPES, Format

CREATED = {
    "label": "c2pa.actions.v2",
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key.load_or_make(tmp_path_factory.mktemp("data") / "signing.pem")


def file(kind: Format) -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(stream, kind.upper())
    return stream.getvalue()


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        place += size + 12


def with_another_pixel(png: bytes) -> bytes:
    """The same file, every chunk kept, with the last colour of the last pixel changed."""
    parts = [png[:8]]
    for name, data in chunks(png):
        if name == b"IDAT":
            rows = bytearray(zlib.decompress(data))
            rows[-1] ^= 1
            data = zlib.compress(bytes(rows))
        parts.append(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return b"".join(parts)


@pytest.mark.parametrize("kind", Format)
def test_c2pas_own_reader_finds_the_manifest_valid(kind: Format, key: SigningKey) -> None:
    signed = sign(file(kind), MEDIA_TYPES[kind], key, "0.1.0")
    with c2pa.Context() as context, c2pa.Reader(MEDIA_TYPES[kind], io.BytesIO(signed), context=context) as it:
        assert it.get_validation_state() == "Valid"
        manifest = it.get_active_manifest()
    assert manifest is not None
    (actions,) = (each["data"]["actions"] for each in manifest["assertions"])
    assert [(each["action"], each["digitalSourceType"]) for each in actions] == [
        ("c2pa.created", SOURCE_TYPE)
    ]
    assert "thumbnail" not in manifest
    assert len(signed) - len(file(kind)) < 8192


@pytest.mark.parametrize("kind", Format)
def test_signing_changes_no_pixel(kind: Format, key: SigningKey) -> None:
    signed = sign(file(kind), MEDIA_TYPES[kind], key, "0.1.0")
    with Image.open(io.BytesIO(signed)) as after, Image.open(io.BytesIO(file(kind))) as before:
        assert after.tobytes() == before.tobytes()


def test_our_own_signature_is_known_and_anothers_is_only_valid(key: SigningKey, tmp_path: Path) -> None:
    signed = sign(file(Format.PNG), "image/png", key, "0.1.0")
    ours = read_signature(signed, "image/png", key)
    assert ours is not None
    assert (ours.state, ours.signer, ours.made_with) == (State.OURS, "Darkroom", "Darkroom 0.1.0")
    for other in (None, signing_key.load_or_make(tmp_path / "other.pem")):
        theirs = read_signature(signed, "image/png", other)
        assert theirs is not None
        assert theirs.state is State.VALID


def test_a_changed_pixel_is_told(key: SigningKey) -> None:
    changed = with_another_pixel(sign(file(Format.PNG), "image/png", key, "0.1.0"))
    signature = read_signature(changed, "image/png", key)
    assert signature is not None
    assert signature.state is State.CHANGED
    assert "assertion.dataHash.mismatch" in signature.problems


def test_a_text_that_was_added_later_is_told(key: SigningKey) -> None:
    signed = sign(file(Format.PNG), "image/png", key, "0.1.0")
    text = b"tEXtparameters\0somebody else"
    added = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    signature = read_signature(signed[:33] + added + signed[33:], "image/png", key)
    assert signature is not None
    assert signature.state is State.CHANGED


@pytest.mark.parametrize(
    "what", [b"trainedAlgorithmicMedia", b"c2pa.created", b"claim_generator_info", b"c2pa.hash.data"]
)
def test_a_damaged_manifest_is_never_good(what: bytes, key: SigningKey) -> None:
    signed = bytearray(sign(file(Format.PNG), "image/png", key, "0.1.0"))
    signed[signed.index(what)] ^= 0x02
    signature = read_signature(bytes(signed), "image/png", key)
    assert signature is not None
    assert signature.state in {State.CHANGED, State.BROKEN}


@pytest.mark.parametrize("kind", Format)
def test_a_file_without_a_signature_has_none(kind: Format, key: SigningKey) -> None:
    assert read_signature(file(kind), MEDIA_TYPES[kind], key) is None


def test_a_strangers_file_makes_us_call_nowhere(key: SigningKey) -> None:
    """C2PA lets a file say where its manifest is to be fetched."""
    asked: list[str] = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Trap) as trap:
        threading.Thread(target=trap.serve_forever, daemon=True).start()
        pointing = io.BytesIO()
        info = c2pa.C2paSignerInfo(b"es256", key.chain.encode(), key.private.encode(), None)
        with (
            c2pa.Context() as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps({"assertions": [CREATED]}), context) as builder,
        ):
            builder.set_no_embed()
            builder.set_remote_url(f"http://127.0.0.1:{trap.server_port}/manifest")
            builder.sign(signer, "image/jpeg", io.BytesIO(file(Format.JPEG)), pointing)
        signature = read_signature(pointing.getvalue(), "image/jpeg", key)
        trap.shutdown()
    assert asked == []
    assert signature is None or signature.state is State.BROKEN

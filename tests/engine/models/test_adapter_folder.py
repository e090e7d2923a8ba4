"""Adapters are files of a folder, offered by their names; what cannot be used is not, and it is said why."""

import logging
from pathlib import Path

import pytest

from engine.models.adapter_folder import AdapterFolder, AdapterFolders, AdapterNames
from engine.models.detection import Kind
from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, Unsafe, WrongKind
from tests.engine.models import headers

LORA = {"lora_unet_x.lora_up.weight": (4, 8)}


@pytest.fixture
def folder(tmp_path: Path) -> AdapterFolder:
    (tmp_path / "loras").mkdir()
    return AdapterFolder(tmp_path / "loras", Kind.LORA)


def test_a_folder_that_is_not_there_has_no_adapters(tmp_path: Path) -> None:
    folders = AdapterFolders.of(loras=tmp_path / "a", embeddings=tmp_path / "b", vaes=tmp_path / "c")
    assert folders.names() == AdapterNames()


def test_what_is_added_while_the_engine_runs_is_offered(folder: AdapterFolder) -> None:
    assert folder.names() == ()
    headers.write(folder.root / "ink.safetensors", LORA)
    headers.write(folder.root / "film 2.1.safetensors", LORA)
    assert folder.names() == ("film 2.1", "ink")
    assert folder.find("film 2.1") == folder.root / "film 2.1.safetensors"
    (folder.root / "ink.safetensors").unlink()
    assert folder.names() == ("film 2.1",)


def test_each_kind_has_its_own_folder(tmp_path: Path) -> None:
    for name in ("loras", "embeddings", "vaes"):
        (tmp_path / name).mkdir()
        headers.write(tmp_path / name / "ink.safetensors", LORA)
        headers.write(tmp_path / name / "word.safetensors", {"emb_params": (2, 768)})
        headers.write(tmp_path / name / "sharp.safetensors", {"first_stage_model.x": (2,)})
    folders = AdapterFolders.of(
        loras=tmp_path / "loras", embeddings=tmp_path / "embeddings", vaes=tmp_path / "vaes"
    )
    assert folders.names() == AdapterNames(loras=("ink",), embeddings=("word",), vaes=("sharp",))


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("cut.safetensors", "cut", Truncated, "it ends 1 bytes too early"),
        ("web.safetensors", b"<html><body></body></html>", Corrupt, "it is a web page"),
        ("old.pt", b"\x80\x02", Unsafe, "it is a pickle: make a .safetensors of it with"),
        ("a+b.safetensors", "whole", WrongKind, "its name has characters"),
        ("vae.safetensors", "vae", WrongKind, "it is a VAE, not a LoRA"),
    ],
)
def test_what_cannot_be_used_is_not_offered_and_is_named(
    folder: AdapterFolder,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: bytes | str,
    kind: type[NotAModel],
    says: str,
) -> None:
    path = folder.root / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        headers.write(path, {"first_stage_model.x": (2,)} if content == "vae" else LORA)
        if content == "cut":
            path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert folder.names() == folder.names() == ()
    assert len(caplog.messages) == 1
    assert says in caplog.messages[0]
    with pytest.raises(kind, match=says):
        folder.find(name.removesuffix(".safetensors"))


@pytest.mark.parametrize("name", ["../loras/ink", "ink.safetensors", "/etc/passwd", "", ".", ".hidden"])
def test_a_path_is_never_a_name(folder: AdapterFolder, name: str) -> None:
    headers.write(folder.root / "ink.safetensors", LORA)
    headers.write(folder.root / ".hidden.safetensors", LORA)
    with pytest.raises(Missing):
        folder.find(name)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: AdapterFolder, tmp_path: Path) -> None:
    headers.write(tmp_path / "elsewhere.safetensors", LORA)
    (folder.root / "ink.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(WrongKind, match="leads out of its folder"):
        folder.find("ink")

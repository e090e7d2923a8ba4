"""What was compiled for the next start is used only as it was written."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.speed import Compiler, Speed
from engine.worker.compiled_folder import DIGESTS, VARIABLE, CompiledFolder
from engine.worker.program import _compiled_folder


@pytest.fixture
def folder(tmp_path: Path) -> CompiledFolder:
    """With a library in it, sealed."""
    path = tmp_path / "compiled"
    (path / "ab").mkdir(parents=True)
    (path / "ab" / "kernel.so").write_bytes(b"\x7fELF and so on")
    folder = CompiledFolder(path)
    folder.seal()
    return folder


def cut_short(path: Path) -> None:
    (path / "ab" / "kernel.so").write_bytes(b"\x7fELF")


def emptied(path: Path) -> None:
    (path / "ab" / "kernel.so").write_bytes(b"")


def without_sense(path: Path) -> None:
    (path / DIGESTS).write_text("{")


def of_another_kind(path: Path) -> None:
    (path / DIGESTS).write_text("[]")


@pytest.mark.parametrize("damage", [cut_short, emptied, without_sense, of_another_kind])
def test_a_damaged_folder_is_discarded_with_one_line(
    folder: CompiledFolder, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(folder.path)
    with caplog.at_level(logging.INFO):
        folder.check()
    assert not folder.path.exists()
    assert [record.message for record in caplog.records] == [
        "what was compiled before is damaged: it is discarded and compiled anew"
    ]


def test_a_whole_folder_stays_and_nothing_is_said(
    folder: CompiledFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        folder.check()
    assert (folder.path / "ab" / "kernel.so").exists()
    assert caplog.records == []


def test_what_was_begun_when_the_process_ended_is_kept(folder: CompiledFolder) -> None:
    (folder.path / "new.so").write_bytes(b"not sealed yet")
    folder.check()
    assert (folder.path / "new.so").exists()


def test_what_somebody_removed_is_compiled_again_and_no_damage(folder: CompiledFolder) -> None:
    (folder.path / "ab" / "kernel.so").unlink()
    folder.check()
    assert folder.path.exists()


def test_the_worker_looks_at_it_before_it_draws_with_what_is_compiled(
    folder: CompiledFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(folder.path)
    monkeypatch.setenv(VARIABLE, "elsewhere")
    assert _compiled_folder(folder.path, Speed.EXACT, Compiler.INDUCTOR) is None
    assert _compiled_folder(folder.path, Speed.FAST, Compiler.OPENVINO) is None
    assert folder.path.exists()
    found = _compiled_folder(folder.path, Speed.FAST, Compiler.INDUCTOR)
    assert os.environ[VARIABLE] == str(folder.path)
    assert found is not None
    assert found.path == folder.path
    assert not folder.path.exists()


def test_a_folder_that_is_not_there_yet_is_no_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CompiledFolder(tmp_path / "compiled").check()
    assert caplog.records == []


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    CompiledFolder(tmp_path / "file" / "compiled").seal()
    assert "could not be sealed" in caplog.text

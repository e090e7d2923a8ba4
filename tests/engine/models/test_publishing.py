"""Folders of models where programs are killed, work at the same time, or are given what has no end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from engine.models.fault import WrongKind
from engine.models.publishing import (
    ADDING,
    CONVERTING,
    REMOVING,
    aside,
    is_free,
    open_folder,
    put_in,
    take_out,
)
from tests.engine.models import headers
from tests.patience import DEADLINE_S

LORA = {"lora_unet_x.lora_up.weight": (4, 8)}
ROOT = Path(__file__).parents[3]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_program_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    root = tmp_path / "loras"
    for prefix in (ADDING, CONVERTING, REMOVING):
        (root / f"{prefix}left").mkdir(parents=True)
        headers.write(root / f"{prefix}left" / "half.safetensors", LORA)
    put_in(headers.write(tmp_path / "ink.safetensors", LORA), root)
    assert names(root) == ["ink.safetensors"]


def test_what_another_program_works_on_is_left_alone(tmp_path: Path) -> None:
    with aside(tmp_path, ADDING) as at_work:
        (at_work / "half").touch()
        with aside(tmp_path, REMOVING):
            assert names(at_work) == ["half"]
    assert names(tmp_path) == []


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with open_folder(tmp_path) as first, open_folder(tmp_path) as second:
        assert is_free(first)
        assert not is_free(second)
    with open_folder(tmp_path) as third:
        assert is_free(third)


def test_a_conversion_whose_program_is_killed_ends_and_its_traces_go(tmp_path: Path) -> None:
    torch.save({"state_dict": {"first_stage_model.x": torch.ones(2)}}, tmp_path / "vae.pt")
    program = "import os, sys; from pathlib import Path; from engine.models.conversion import convert;"
    converting = subprocess.Popen(
        [sys.executable, "-c", f"{program} convert(Path(sys.argv[1]), environ=os.environ)", "vae.pt"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    until(lambda: children(tmp_path))
    converting.send_signal(signal.SIGKILL)
    converting.wait(DEADLINE_S)
    until(lambda: not children(tmp_path))
    assert any(name.startswith(CONVERTING) for name in names(tmp_path))
    with aside(tmp_path, CONVERTING):
        pass
    assert names(tmp_path) == ["vae.pt"]


def children(folder: Path) -> list[str]:
    """The processes that read a pickle in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if "engine.models.unpickling" in arguments and str(folder) in arguments:
            found.append(arguments)
    return found


def until(holds: object) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)  # another process: there is nothing to wait on


def test_links_to_folders_are_not_followed_without_end(tmp_path: Path) -> None:
    source = tmp_path / "canny"
    source.mkdir()
    (source / "config.json").write_text("{}")
    for name in ("one", "two"):
        (source / name).symlink_to(".")
    with pytest.raises(WrongKind, match="is a link to a folder"):
        put_in(source, tmp_path / "controls")
    (source / "one").unlink()
    (source / "two").unlink()
    os.mkfifo(source / "pipe")
    with pytest.raises(WrongKind, match="its pipe is neither a file nor a folder"):
        put_in(source, tmp_path / "controls")
    assert names(tmp_path / "controls") == []


def test_links_to_files_become_the_files(tmp_path: Path) -> None:
    """As the hub's own cache has them."""
    (tmp_path / "blob").write_bytes(b"weights")
    source = tmp_path / "canny"
    source.mkdir()
    (source / "weights").symlink_to("../blob")
    place = put_in(source, tmp_path / "controls")
    assert not (place / "weights").is_symlink()
    assert (place / "weights").read_bytes() == b"weights"
    with pytest.raises(FileExistsError):
        put_in(source, tmp_path / "controls")
    take_out(place)
    assert names(tmp_path / "controls") == []
    assert (tmp_path / "blob").exists()

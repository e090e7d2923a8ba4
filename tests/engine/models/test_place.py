"""What lies in a folder without being a file: links that lead nowhere, pipes, and what may not be looked into."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.models.adapter_folder import AdapterFolder
from engine.models.companions import CONFIG, Companions
from engine.models.controls import ControlFolder
from engine.models.detection import Kind
from engine.models.fault import Corrupt, NotAModel, WrongKind
from engine.models.header import read_header
from engine.models.json_file import MAX_JSON_BYTES, read_json
from engine.models.registry import Registry
from engine.models.upscaler_folder import UpscalerFolder
from engine.prompts.wildcards import WildcardFolder
from tests.engine.models import headers

LOOKS: dict[str, Callable[[Path], list[NotAModel | None]]] = {
    "models": lambda root: [entry.fault for entry in Registry(root).entries()],
    "loras": lambda root: [item.fault for item in AdapterFolder(root, Kind.LORA).items()],
    "controls": lambda root: [item.fault for item in ControlFolder(root).items()],
    "upscalers": lambda root: [item.fault for item in UpscalerFolder(root).items()],
}


@pytest.mark.parametrize("folder", LOOKS)
def test_links_that_lead_to_each_other_and_pipes_are_named_and_spoil_nothing_else(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "loop.safetensors").symlink_to("loop.safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    said = sorted(map(str, LOOKS[folder](tmp_path)))
    assert said in (
        ["it is a link that leads nowhere", "it is neither a file nor a folder"],
        ["it is neither a file nor a folder", "it is not there"],
    )


def test_a_folder_that_may_not_be_looked_into_spoils_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers.write(tmp_path / "photo.safetensors", headers.checkpoint("sd1", text_width=32))
    (tmp_path / "locked").mkdir()
    is_file = Path.is_file

    def locked(path: Path) -> bool:  # as it is for every user but root
        if path.parent.name == "locked":
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", locked)
    found = {entry.name: entry.fault for entry in Registry(tmp_path).entries()}
    assert found["photo"] is None
    assert str(found["locked"]) == "its model_index.json is missing or damaged"


def test_a_pipe_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(WrongKind, match="it is no file"):
        read_header(tmp_path / "pipe.txt")
    with pytest.raises(Corrupt, match=r"its pipe\.txt is missing or damaged"):
        read_json(tmp_path, "pipe.txt")
    assert WildcardFolder(tmp_path).lines("pipe") == ()


def test_of_a_configuration_without_end_only_the_beginning_is_read(tmp_path: Path) -> None:
    with (tmp_path / "long.json").open("wb") as stream:
        stream.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(Corrupt, match=r"its long\.json is too long"):
        read_json(tmp_path, "long.json")


def test_a_clip_of_brackets_without_end_only_does_not_write(tmp_path: Path) -> None:
    clip = tmp_path / "clip" / "vit"
    clip.mkdir(parents=True)
    (clip / CONFIG).write_text("[" * 200_000)
    (clip / "open_clip_model.safetensors").touch()
    companions = Companions(clip=tmp_path / "clip", safety=tmp_path / "safety")
    assert companions.describer(tmp_path / "a model") == clip

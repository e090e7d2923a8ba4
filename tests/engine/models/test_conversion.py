"""A .ckpt becomes safetensors in a process of its own; what a pickle wants to run is named and not run."""

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.models.conversion import convert
from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, Unsafe, WrongKind
from engine.models.unpickling import refuse, tensors
from tests.engine.models.drawing import draw, load
from tests.engine.models.original_layout import Tensors, make_pair


class Runs:
    """A pickle of this runs a function when it is read in the ordinary way."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "folder"


@pytest.fixture(scope="module")
def weights(folder: Path) -> Tensors:
    return make_pair(folder, "sd1", "epsilon")


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        (
            "a1111.pt",
            {
                "string_to_token": {"*": 265},
                "string_to_param": {"*": torch.ones(2, 768)},
                "name": "x",
                "step": 3,
            },
            {"emb_params"},
        ),
        ("learned.bin", {"<cat-toy>": torch.ones(768)}, {"<cat-toy>"}),
        ("vae.pt", {"state_dict": {"first_stage_model.x": torch.ones(2)}}, {"first_stage_model.x"}),
    ],
)
def test_embeddings_and_vaes_that_are_pickles_are_converted_too(
    tmp_path: Path, name: str, content: dict[str, Any], keys: set[str]
) -> None:
    torch.save(content, tmp_path / name)
    made = load_file(convert(tmp_path / name, environ=os.environ))
    assert made.keys() == keys
    assert all(bool((tensor == 1).all()) for tensor in made.values())


def lightning(weights: Tensors, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is in sd-v1-4.ckpt besides the weights: a class and a number of libraries that we do not have."""
    module = ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    kept = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = kept  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    score = np.float64(0.5)
    average = {"model_ema.decay": torch.ones(())}
    return {"epoch": 1, "state_dict": weights | average, "callbacks": {kept: {"best_model_score": score}}}


def test_a_converted_ckpt_draws_what_its_folder_draws(
    folder: Path, weights: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder.with_name("sd-v1-4.ckpt")
    torch.save(lightning(weights, monkeypatch), source)
    made = convert(source, environ=os.environ)
    assert made.name == "sd-v1-4.safetensors"
    assert load_file(made).keys() == weights.keys()
    assert {path.name for path in folder.parent.iterdir()} == {"folder", source.name, made.name}
    torch.testing.assert_close(draw(load(made)), draw(load(folder)), atol=1e-4, rtol=0)
    with pytest.raises(FileExistsError):
        convert(source, environ=os.environ)


def test_a_malicious_pickle_is_named_unsafe_and_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    evil = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Runs(os.system, f"touch {ran}")}, evil)
    with pytest.raises(Unsafe, match=r"its pickle asks to run posix\.system"):
        convert(evil, environ=os.environ)
    assert [path.name for path in tmp_path.iterdir()] == ["evil.ckpt"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Runs(eval, "__import__('pathlib').Path('ran').touch()"), "eval"),
        (Runs(getattr, 1, "real"), "getattr"),
        (Runs(os.remove, "kept"), "remove"),
        (Runs(pickle.loads, pickle.dumps(Runs(os.remove, "kept"))), "loads"),
    ],
)
@pytest.mark.parametrize("old", [True, False])
def test_no_function_of_a_pickle_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, named: str, old: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept").touch()
    torch.save({"state_dict": content}, "evil.ckpt", _use_new_zipfile_serialization=not old)
    with pytest.raises(Unsafe, match=named):
        tensors(Path("evil.ckpt"))
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "evil.ckpt"}


def test_a_pickle_without_torch_is_refused_alike(tmp_path: Path) -> None:
    source = tmp_path / "plain.ckpt"
    source.write_bytes(pickle.dumps({"state_dict": Runs(os.system, "false")}))
    with pytest.raises(NotAModel):
        tensors(source)


@pytest.mark.parametrize("event", ["socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.remove"])
def test_the_process_that_reads_a_pickle_may_neither_connect_nor_start_another(event: str) -> None:
    with pytest.raises(PermissionError, match=event):
        refuse(event, ())
    refuse("open", ())


def test_the_process_that_reads_a_pickle_may_write_no_other_file() -> None:
    refuse("open", ("m.ckpt", "r", os.O_RDONLY))
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT):
        with pytest.raises(PermissionError, match="open"):
            refuse("open", (".profile", None, flags))


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"state_dict": {"first_stage_model.x": torch.zeros(10_000)}}, tmp_path / "whole.pt")
    with ZipFile(tmp_path / "whole.pt") as whole, ZipFile(tmp_path / "bomb.pt", "w", ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    with pytest.raises(Corrupt, match="it is a compressed archive, as torch writes none"):
        tensors(tmp_path / "bomb.pt")
    assert tensors(tmp_path / "whole.pt").keys() == {"first_stage_model.x"}


def test_tensors_that_unfold_from_few_bytes_are_refused(tmp_path: Path) -> None:
    one = torch.ones(1000)
    for weights in (
        {"first_stage_model.x": torch.ones(1).expand(10**7, 10**6)},
        {f"first_stage_model.{number}": one.expand(1000, 1000) for number in range(100)},
    ):
        torch.save({"state_dict": weights}, tmp_path / "vae.pt")
        with pytest.raises(Corrupt, match="its tensors have more numbers than the file"):
            tensors(tmp_path / "vae.pt")


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", Corrupt), (b"garbage" * 100, Corrupt), (b"PK\x03\x04" + bytes(100), Corrupt)],
)
def test_a_damaged_pickle_is_named_corrupt(tmp_path: Path, content: bytes, kind: type[NotAModel]) -> None:
    (tmp_path / "m.ckpt").write_bytes(content)
    with pytest.raises(kind):
        tensors(tmp_path / "m.ckpt")


def test_a_truncated_ckpt_is_named_corrupt(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1000)}}, tmp_path / "m.ckpt")
    content = (tmp_path / "m.ckpt").read_bytes()
    (tmp_path / "m.ckpt").write_bytes(content[: len(content) // 2])
    with pytest.raises((Corrupt, Truncated)):
        tensors(tmp_path / "m.ckpt")


def test_what_holds_no_checkpoint_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    torch.save({"string_to_token": {"*": 265}, "step": 3}, tmp_path / "cat.pt")
    with pytest.raises(WrongKind, match="it holds no weights of a checkpoint"):
        tensors(tmp_path / "cat.pt")
    torch.save({"control_model.input_hint_block.0.weight": torch.ones(4, 8)}, tmp_path / "control.ckpt")
    with pytest.raises(WrongKind, match="it is a ControlNet, not a checkpoint"):
        convert(tmp_path / "control.ckpt", environ=os.environ)
    assert {path.name for path in tmp_path.iterdir()} == {"cat.pt", "control.ckpt"}
    with pytest.raises(Missing):
        convert(tmp_path / "nothing.ckpt", environ=os.environ)

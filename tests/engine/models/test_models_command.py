"""`darkroom models`: what an operator reads, and exit codes that a script can use."""

import hashlib
import io
import json
import os
from pathlib import Path

import pytest

from engine.models.__main__ import main
from tests.engine.models import headers

WEIGHTS = "diffusion_pytorch_model.safetensors"  # of folders in diffusers' layout
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder of the settings there are none of."""
    for name in [name for name in os.environ if name.startswith("DARKROOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    return folder


def small(path: Path) -> Path:
    """A checkpoint as far as its header tells, of few bytes."""
    return headers.write(path, headers.checkpoint("sd1", text_width=32))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_list_has_every_model_and_says_what_is_wrong_with_the_others(root: Path, capsys: Captured) -> None:
    small(root / "photo.safetensors")
    headers.write(root / "style.safetensors", {"lora_unet_x.lora_up.weight": (4, 8)})
    (root / "cut.safetensors").write_bytes((root / "photo.safetensors").read_bytes()[:-1])
    (root / "old.ckpt").write_bytes(b"")
    assert main(["list"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "FAMILY", "KIND", "PREDICTS", "SIZE", "SHA-256", "USABLE"]
    told = {line.split()[0]: line for line in lines}
    assert told["photo"].split()[1:4] == ["sd1", "file", "noise"]
    assert told["photo"].endswith("yes")
    assert told["style"].endswith("no: it is a LoRA, not a checkpoint")
    assert told["cut"].endswith("no: it ends 1 bytes too early: copy or download it again")
    assert told["old.ckpt"].endswith("make a model of it with: darkroom models convert old.ckpt")


def test_an_empty_folder_says_what_draws_then(capsys: Captured) -> None:
    assert main(["list"]) == 0
    assert "the engine draws with its demo" in capsys.readouterr().out


def test_a_checkpoint_is_added_whole_and_never_over_another(
    root: Path, tmp_path: Path, capsys: Captured
) -> None:
    source = small(tmp_path / "photo.safetensors")
    assert main(["add", str(source)]) == 0
    assert capsys.readouterr().out == "photo is a model now.\n"
    assert (root / "photo.safetensors").read_bytes() == source.read_bytes()
    assert main(["add", str(source)]) == os.EX_CANTCREAT
    assert capsys.readouterr().err == "photo.safetensors: there is something of this name already.\n"
    assert names(root) == {"photo.safetensors"}


def test_an_adapter_is_added_to_the_folder_of_its_kind_and_listed(
    root: Path, tmp_path: Path, capsys: Captured
) -> None:
    kinds: dict[str, tuple[headers.Shapes, str]] = {
        "loras": ({"lora_unet_x.lora_up.weight": (4, 8)}, "ink is a LoRA now"),
        "embeddings": ({"emb_params": (2, 768)}, "ink is an embedding now"),
        "vaes": ({"first_stage_model.x": (2,)}, "ink is a VAE now"),
    }
    for folder, (shapes, says) in kinds.items():
        source = headers.write(tmp_path / "ink.safetensors", shapes)
        assert main(["add", str(source)]) == 0
        assert capsys.readouterr().out.startswith(says)
        assert (root.parent / folder / "ink.safetensors").read_bytes() == source.read_bytes()
        assert main(["add", str(source)]) == os.EX_CANTCREAT
        source.unlink()
    (root.parent / "vaes" / "old.pt").write_bytes(b"")
    capsys.readouterr()
    assert main(["list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(line[0], line[2], line[6]) for line in lines if line[-1] == "yes"] == [
        ("ink", "LoRA", "-"),
        ("ink", "embedding", "-"),
        ("ink", "VAE", "-"),
    ]
    assert ["old.pt", "-", "VAE", "-", "0.0", "MB", "-", "no:", "it", "is", "a", "pickle:"] in [
        line[:12] for line in lines
    ]


def test_what_is_no_model_is_not_added(root: Path, tmp_path: Path, capsys: Captured) -> None:
    headers.write(tmp_path / "part.safetensors", {"down_blocks.0.x": (2,)})
    headers.write(tmp_path / "a+lora.safetensors", {"lora_unet_x.lora_up.weight": (4, 8)})
    small(tmp_path / "a+b.safetensors")
    (tmp_path / "old.ckpt").touch()
    for name, code, says in (
        (
            "part.safetensors",
            os.EX_DATAERR,
            "it is one part of a folder in diffusers' layout, not a checkpoint",
        ),
        ("a+lora.safetensors", os.EX_DATAERR, "its name has characters other than letters"),
        ("a+b.safetensors", os.EX_DATAERR, "its name has characters other than letters"),
        ("old.ckpt", os.EX_DATAERR, "it is a pickle: make a model of it with: darkroom models convert"),
        ("data", os.EX_DATAERR, "it is a folder"),
        ("nothing.safetensors", os.EX_NOINPUT, "nothing.safetensors: it is not there.\n"),
    ):
        assert main(["add", name]) == code
        assert says in capsys.readouterr().err
    assert names(root) == set()


def test_a_check_reads_everything_and_tells_bytes_that_changed_by_themselves(
    root: Path, capsys: Captured
) -> None:
    path = small(root / "photo.safetensors")
    assert main(["check", "photo"]) == 0
    assert "SHA-256: " in capsys.readouterr().out
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x01")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert main(["check", "photo"]) == os.EX_DATAERR
    assert "its bytes changed, though nobody wrote it" in capsys.readouterr().err
    assert main(["check", "nothing"]) == os.EX_NOINPUT


def test_a_model_is_removed_only_where_somebody_agrees(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    small(root / "photo.safetensors")
    (root / "photo.darkroom.json").write_text("{}")
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert main(["remove", "photo"]) == 1
        assert capsys.readouterr().err.endswith("Nothing was removed.\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["remove", "photo"]) == 0
    assert names(root) == set()


def test_folders_and_broken_files_are_removed_too_and_a_name_is_never_a_path(
    root: Path, tmp_path: Path
) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "model_index.json").write_text("{}")
    (root / "old.ckpt").touch()
    small(tmp_path / "data" / "secret.safetensors")
    assert main(["remove", "--yes", "../secret"]) == os.EX_NOINPUT
    assert main(["remove", "--yes", "folder"]) == 0
    assert main(["remove", "--yes", "old.ckpt"]) == 0
    assert names(root) == set()
    assert names(root.parent) == {"models", "secret.safetensors"}


LORA: headers.Shapes = {"lora_unet_x.lora_up.weight": (4, 8)}
BESIDE: dict[
    str, tuple[str, str, headers.Shapes]
] = {  # by --kind: the folder, the table's word, a file's tensors
    "lora": ("loras", "LoRA", LORA),
    "embedding": ("embeddings", "embedding", {"emb_params": (2, 768)}),
    "vae": ("vaes", "VAE", {"first_stage_model.x": (2,)}),
    "control": ("controlnets", "IP-Adapter", {"image_proj.x": (2,), "ip_adapter.1.to_k_ip.weight": (4, 768)}),
    "upscaler": ("upscalers", "upscaler", {"conv_first.weight": (4, 3, 3, 3)}),
}


@pytest.fixture
def beside(root: Path) -> Path:
    """The folder of the other folders, with an image encoder for IP-Adapters."""
    encoder = root.parent / "controlnets" / "image_encoder"
    control_folder(encoder, weights="model.safetensors")
    return root.parent


def control_folder(folder: Path, *, weights: str = WEIGHTS, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    headers.write(folder / weights, {"conv_in.weight": (4,)})
    return folder


@pytest.mark.parametrize("kind", BESIDE)
def test_what_goes_with_models_is_added_listed_checked_and_removed_by_its_name(
    beside: Path, tmp_path: Path, capsys: Captured, kind: str
) -> None:
    folder, word, shapes = BESIDE[kind]
    source = headers.write(tmp_path / "ink.safetensors", shapes)
    assert main(["add", str(source), *(["--kind", kind] if kind == "upscaler" else [])]) == 0
    assert f"ink is {'an' if word[0] in 'Ieu' else 'a'} {word} now" in capsys.readouterr().out
    assert main(["check", "ink"]) == 0
    first, *digests = capsys.readouterr().out.splitlines()
    assert first.startswith("ink is whole: ")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert digests[0] == f"SHA-256 of ink.safetensors: {digest}"
    assert main(["list"]) == 0
    (line,) = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert (line[0], line[2], line[6], line[-1]) == ("ink", word, digest[:10], "yes")
    assert main(["remove", "--yes", "ink"]) == 0
    assert "ink" not in (beside / folder / ".digests.json").read_text()
    assert names(beside / folder) <= {"image_encoder"}
    assert main(["check", "ink"]) == os.EX_NOINPUT


def test_folders_of_controls_come_and_go_as_files_do(beside: Path, tmp_path: Path, capsys: Captured) -> None:
    net = control_folder(tmp_path / "canny", _class_name="ControlNetModel", cross_attention_dim=768)
    channels = [320, 640, 1280, 1280]
    adapter = control_folder(
        tmp_path / "sketch", _class_name="T2IAdapter", adapter_type="full_adapter_xl", channels=channels
    )
    for folder, says in ((net, "a ControlNet for sd1"), (adapter, "a T2I-Adapter for sdxl")):
        assert main(["add", str(folder)]) == 0
        assert main(["check", folder.name]) == 0
        assert f"{folder.name} is whole: {says}.\nSHA-256 of {WEIGHTS}: " in capsys.readouterr().out
        assert main(["add", str(folder)]) == os.EX_CANTCREAT
        assert main(["remove", "--yes", folder.name]) == 0
    assert names(beside / "controlnets") == {"image_encoder"}
    other = control_folder(tmp_path / "unet", _class_name="UNet2DConditionModel")
    assert main(["add", str(other)]) == os.EX_DATAERR
    assert "it is no ControlNetModel or T2IAdapter" in capsys.readouterr().err
    assert names(beside / "controlnets") == {"image_encoder"}


def test_what_is_wrong_with_what_goes_with_models_is_said_by_its_kind(beside: Path, capsys: Captured) -> None:
    loras = beside / "loras"
    loras.mkdir()
    headers.write(loras / "cut.safetensors", LORA)
    (loras / "cut.safetensors").write_bytes((loras / "cut.safetensors").read_bytes()[:-1])
    (loras / "web.safetensors").write_bytes(b"<html><body></body></html>")
    (loras / "old.pt").write_bytes(b"\x80\x02")
    headers.write(loras / "word.safetensors", {"emb_params": (2, 768)})
    for name, says in (
        ("cut", "it ends 1 bytes too early"),
        ("web", "it is a web page"),
        ("old.pt", "it is a pickle"),
        ("word", "it is an embedding, not a LoRA"),
    ):
        assert main(["check", name]) == os.EX_DATAERR
        assert says in capsys.readouterr().err
        assert main(["remove", "--yes", name]) == 0
    assert names(loras) == set()


def test_bytes_that_changed_by_themselves_are_told_each_time(beside: Path, capsys: Captured) -> None:
    path = headers.write(beside / "ink.safetensors", LORA)
    assert main(["add", str(path)]) == main(["check", "ink"]) == 0
    kept = beside / "loras" / "ink.safetensors"
    before = kept.stat()
    with kept.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x01")
    os.utime(kept, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):
        assert main(["check", "ink"]) == os.EX_DATAERR
        assert "its bytes changed, though nobody wrote it" in capsys.readouterr().err


def test_where_two_kinds_have_one_name_nothing_is_removed_before_it_is_told_which(
    root: Path, beside: Path, capsys: Captured
) -> None:
    small(root / "ink.safetensors")
    for folder in ("loras", "vaes"):
        (beside / folder).mkdir()
    headers.write(beside / "loras" / "ink.safetensors", LORA)
    for command in (["check", "ink"], ["remove", "--yes", "ink"]):
        assert main(command) == os.EX_USAGE
        assert capsys.readouterr().err == (
            "ink is the name of model and lora: say which with --kind model or --kind lora.\n"
        )
    assert main(["check", "ink", "--kind", "vae"]) == os.EX_NOINPUT
    assert "there is no vae of this name" in capsys.readouterr().err
    assert main(["remove", "--yes", "ink", "--kind", "lora"]) == 0
    assert names(beside / "loras") == set()
    assert main(["check", "ink"]) == 0


def test_an_unusable_file_is_not_left_in_the_folder_of_the_kind_that_was_named(
    beside: Path, tmp_path: Path, capsys: Captured
) -> None:
    headers.write(tmp_path / "ink.safetensors", LORA)
    headers.write(tmp_path / "x4.safetensors", {"conv_first.weight": (4, 3, 3, 3)})
    for arguments, says in (
        (["ink.safetensors", "--kind", "upscaler"], "it is a LoRA, not an upscaler"),
        (["ink.safetensors", "--kind", "model"], "it is a LoRA, not a checkpoint"),
        (["x4.safetensors"], "an upscaler is added with --kind upscaler"),
        (["data", "--kind", "vae"], "it is a folder"),
    ):
        assert main(["add", *arguments]) == os.EX_DATAERR
        assert says in capsys.readouterr().err
    (beside / "controlnets" / "image_encoder" / "model.safetensors").unlink()
    ip_adapter = headers.write(tmp_path / "style.safetensors", BESIDE["control"][2])
    assert main(["add", str(ip_adapter)]) == os.EX_DATAERR
    assert "it needs its image encoder" in capsys.readouterr().err
    assert names(beside / "upscalers") == names(beside / "models") == set()
    assert names(beside / "controlnets") == {"image_encoder"}


def test_what_is_hidden_is_not_added(root: Path, tmp_path: Path, capsys: Captured) -> None:
    small(tmp_path / ".photo.safetensors")
    assert main(["add", ".photo.safetensors"]) == os.EX_DATAERR
    assert "its name begins with a dot" in capsys.readouterr().err
    assert list(root.iterdir()) == []


def test_a_file_that_would_stand_in_the_shade_of_another_is_not_added(
    root: Path, tmp_path: Path, capsys: Captured
) -> None:
    (root / "photo.gguf").write_bytes(b"GGUF")
    source = small(tmp_path / "photo.safetensors")
    assert main(["add", str(source)]) == os.EX_DATAERR
    assert "another model has this name" in capsys.readouterr().err
    assert names(root) == {"photo.gguf"}


def test_a_folder_may_be_added_from_within(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = control_folder(beside / "canny", _class_name="ControlNetModel", cross_attention_dim=768)
    monkeypatch.setenv("DARKROOM_PATHS__DATA", str(beside))
    monkeypatch.chdir(folder)
    assert main(["add", "."]) == 0
    assert names(beside / "controlnets") == {"canny", "image_encoder"}


def test_a_name_cannot_write_to_the_terminal(root: Path, capsys: Captured) -> None:
    small(root / "a\x1b[31m\nphoto  yes.safetensors")
    assert main(["list"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert "no: its name has characters other than" in lines[0]


@pytest.mark.parametrize("size", ["nan", "inf", "-1", "0", "many"])
def test_a_size_that_is_none_is_refused(size: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["fetch", "a/b", "--max-gb", size])
    assert "--max-gb: invalid" in capsys.readouterr().err

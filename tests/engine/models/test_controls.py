"""The controls folder: what is offered, by which name and family, and what is not and why."""

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import Refusal
from engine.models.control_loading import load_control
from engine.models.controls import ControlFolder
from engine.wire import ControlKind
from engine.worker.control_shelf import ControlShelf, no_control
from tests.engine.models.headers import write
from tests.engine.models.original_layout import make_pair
from tests.engine.tiny_controls import make_controlnet, make_ip_adapter, original_layout
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.equality import EXACT

IP = {"image_proj.proj.weight": (8, 8), "ip_adapter.1.to_k_ip.weight": (320, 768)}


def folder_of(
    root: Path, name: str, weights: str = "diffusion_pytorch_model.safetensors", **config: object
) -> Path:
    (root / name).mkdir(parents=True)
    (root / name / "config.json").write_text(json.dumps(config))
    return write(root / name / weights, {"conv_in.weight": (4,)})


def encoder(root: Path) -> None:
    folder_of(root, "image_encoder", "model.safetensors")


def offered(root: Path) -> dict[str, tuple[ControlKind, str]]:
    return {info.name: (info.kind, info.family) for info in ControlFolder(root).infos()}


def why_not(root: Path, caplog: pytest.LogCaptureFixture) -> str:
    """The one reason in the log why something is not offered, said once however often one looks."""
    with caplog.at_level(logging.WARNING):
        folder = ControlFolder(root)
        assert folder.infos() == folder.infos() == ()
    (record,) = caplog.records
    return record.getMessage()


def test_folders_in_diffusers_layout_are_offered_with_the_family_they_were_trained_for(
    tmp_path: Path,
) -> None:
    folder_of(tmp_path, "canny", _class_name="ControlNetModel", cross_attention_dim=768)
    folder_of(tmp_path, "canny 2.1", _class_name="ControlNetModel", cross_attention_dim=1024)
    folder_of(
        tmp_path,
        "canny-xl",
        "diffusion_pytorch_model.fp16.safetensors",
        _class_name="ControlNetModel",
        cross_attention_dim=2048,
    )
    folder_of(tmp_path, "odd", _class_name="ControlNetModel", cross_attention_dim=[768])
    channels = [320, 640, 1280, 1280]
    folder_of(tmp_path, "sketch", _class_name="T2IAdapter", adapter_type="full_adapter", channels=channels)
    folder_of(
        tmp_path, "sketch-xl", _class_name="T2IAdapter", adapter_type="full_adapter_xl", channels=channels
    )
    net, adapter = ControlKind.CONTROLNET, ControlKind.T2I_ADAPTER
    assert offered(tmp_path) == {
        "canny": (net, "sd1"),
        "canny 2.1": (net, "sd2"),
        "canny-xl": (net, "sdxl"),
        "odd": (net, "sd"),
        "sketch": (adapter, "sd1"),
        "sketch-xl": (adapter, "sdxl"),
    }


def test_an_ip_adapter_is_offered_where_its_image_encoder_is_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "ip-adapter_sd15.safetensors", IP)
    assert why_not(tmp_path, caplog) == (
        "control ip-adapter_sd15 is not offered: it needs its image encoder in the folder image_encoder beside it"
    )
    encoder(tmp_path)
    assert offered(tmp_path) == {"ip-adapter_sd15": (ControlKind.IP_ADAPTER, "sd1")}


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, "it is a checkpoint"),
        ({"lora_unet_x.lora_up.weight": (4, 4)}, "it is a LoRA"),
        (
            {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)},
            "its tensors have diffusers' names: put it into a folder with its config.json",
        ),
        (
            {"image_proj.proj.0.weight": (4, 4), "image_proj.norm.weight": (4,), "ip_adapter.1.a": (4,)},
            "it is an IP-Adapter of faces alone, which needs a face recogniser: others work",
        ),
        (
            {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)},
            "its tensor control_model.input_blocks.1.0.out_layers.3.weight is missing or has the wrong shape",
        ),
        (
            {
                "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
                "control_model.label_emb.0.0.weight": (4, 4),
            },
            "it is a ControlNet of SDXL in the original layout: only folders of those are read",
        ),
    ],
)
def test_a_file_that_steers_nothing_is_not_offered_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shapes: dict[str, tuple[int, ...]], reason: str
) -> None:
    encoder(tmp_path)
    write(tmp_path / "it.safetensors", shapes)
    assert why_not(tmp_path, caplog).startswith(f"control it is not offered: {reason}")


def test_a_truncated_file_and_a_folder_without_safe_weights_are_not_offered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = folder_of(tmp_path / "a", "canny", _class_name="ControlNetModel", cross_attention_dim=768)
    weights.write_bytes(weights.read_bytes()[:-3])
    assert "it ends 3 bytes too early" in why_not(tmp_path / "a", caplog)
    caplog.clear()
    weights = folder_of(tmp_path / "b", "canny", _class_name="ControlNetModel", cross_attention_dim=768)
    weights.rename(weights.with_suffix(".bin"))
    assert "it has no weights in safetensors" in why_not(tmp_path / "b", caplog)
    caplog.clear()
    folder_of(tmp_path / "c", "canny", _class_name="UNet2DConditionModel")
    assert "it is no ControlNetModel or T2IAdapter" in why_not(tmp_path / "c", caplog)


def test_names_are_never_paths_and_links_do_not_lead_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = folder_of(tmp_path, "outside", _class_name="ControlNetModel", cross_attention_dim=768).parent
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(outside)
    assert "it is a link that leads out of its folder" in why_not(tmp_path / "root", caplog)
    for name in ("../outside", str(outside), "link", ""):
        with pytest.raises(Refusal) as refused:
            ControlFolder(tmp_path / "root").lookup(name)
        assert refused.value.body.code == "unknown_control"


def test_of_a_folder_and_a_file_of_one_name_the_first_is_offered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder(tmp_path)
    folder_of(tmp_path, "it", _class_name="ControlNetModel", cross_attention_dim=768)
    write(tmp_path / "it.safetensors", IP)
    with caplog.at_level(logging.WARNING):
        assert offered(tmp_path) == {"it": (ControlKind.CONTROLNET, "sd1")}
    assert "another control has this name" in caplog.text


@pytest.mark.parametrize("prefix", ["control_model.", ""])
@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_a_single_file_in_the_original_layout_is_the_network_of_its_folder(
    tmp_path: Path, family: str, prefix: str
) -> None:
    make_pair(tmp_path / "model", family, "epsilon")
    make_controlnet(tmp_path / "controls" / "folder", tmp_path / "model")
    save_file(
        original_layout(tmp_path / "controls" / "folder", prefix), tmp_path / "controls" / "file.safetensors"
    )
    controls = ControlFolder(tmp_path / "controls")
    networks = [load_control(controls.lookup(name), EXACT).network for name in ("folder", "file")]
    theirs, ours = (network.state_dict() for network in networks)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([7.0]), torch.randn(1, 5, 32), torch.rand(1, 3, 64, 64)
    (_, mid), (_, same) = (network(*inputs, return_dict=False) for network in networks)
    assert torch.equal(mid, same)


def test_damaged_weights_are_named_and_nothing_else_is_loaded_in_their_place(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "model", width=16, latent_side=8)
    make_controlnet(tmp_path / "controls" / "edges", tmp_path / "model")
    make_ip_adapter(tmp_path / "controls" / "style.safetensors", tmp_path / "model")
    write(tmp_path / "controls" / "edges" / "diffusion_pytorch_model.safetensors", {"conv_in.weight": (4, 4)})
    write(tmp_path / "controls" / "style.safetensors", IP)
    controls = ControlFolder(tmp_path / "controls")
    for name in ("edges", "style"):
        with pytest.raises(Refusal) as refused:
            load_control(controls.lookup(name), EXACT)
        assert (refused.value.body.code, str(refused.value)) == (
            "control_broken",
            f"The control {name} is damaged or incomplete.",
        )


def test_the_worker_keeps_the_controls_that_were_used_last() -> None:
    loaded: list[str] = []

    def load(name: str) -> object:
        loaded.append(name)
        return object()

    shelf = ControlShelf(load=load, keep=2)  # type: ignore[arg-type]
    first = shelf.get("a")
    shelf.get("b")
    assert shelf.get("a") is first
    shelf.get("c")
    assert shelf.get("a") is first
    shelf.get("b")
    assert loaded == ["a", "b", "c", "b"]


def test_a_worker_without_controls_refuses_each_by_name() -> None:
    with pytest.raises(Refusal, match="There is no control called 'canny'"):
        no_control("canny")


@pytest.mark.parametrize("channels", [[[320]], [{}], {}, "320", [320.5], []])
def test_channels_that_are_none_spoil_no_other_control(tmp_path: Path, channels: object) -> None:
    folder_of(tmp_path, "good", _class_name="ControlNetModel", cross_attention_dim=768)
    folder_of(tmp_path, "odd", _class_name="T2IAdapter", adapter_type="full_adapter", channels=channels)
    assert offered(tmp_path)["good"] == (ControlKind.CONTROLNET, "sd1")
    assert offered(tmp_path)["odd"] == (ControlKind.T2I_ADAPTER, "sd")

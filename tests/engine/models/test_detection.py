"""Families and kinds are told by names and shapes, before any number is read."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.checkpoint import read_checkpoint
from engine.models.detection import Found, Kind, check_drawable, detect
from engine.models.fault import Corrupt, NotAModel, WrongKind
from engine.models.header import Header
from engine.models.registry import Registry
from tests.engine.models import headers

UNET = "model.diffusion_model"
LAYER = f"{UNET}.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


def of(shapes: headers.Shapes) -> Found:
    return detect(Header(shapes=shapes, metadata={}))


@pytest.mark.parametrize("family", ["sd1", "sd2"])
@pytest.mark.parametrize("channels", [4, 5, 9])
def test_a_checkpoint_is_told_by_the_width_of_its_text_and_its_inputs(family: str, channels: int) -> None:
    found = of(headers.checkpoint(family, in_channels=channels))
    assert (found.kind, found.family, found.in_channels, found.lacks) == (
        Kind.CHECKPOINT,
        family,
        channels,
        (),
    )


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    family=st.sampled_from(["sd1", "sd2"]),
    more=st.dictionaries(st.text("abcdefgh.0123_", max_size=30), st.just((1, 2)), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_neither_order_nor_what_else_is_in_a_checkpoint_changes_what_it_is(
    family: str, more: headers.Shapes, order: object
) -> None:
    shapes = list(
        (headers.checkpoint(family) | {f"model_ema.{name}": it for name, it in more.items()}).items()
    )
    order.shuffle(shapes)  # type: ignore[attr-defined]
    assert of(dict(shapes)) == of(headers.checkpoint(family))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(max_size=40), st.lists(st.integers(0, 2000), max_size=4).map(tuple), max_size=8)
)
def test_any_header_is_something_and_at_worst_a_named_fault(shapes: headers.Shapes) -> None:
    with suppress(NotAModel):
        check_drawable(of(shapes))


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"lora_unet_down_blocks_0.lora_up.weight": (320, 8)}, "it is a LoRA, not a checkpoint"),
        ({"unet.down_blocks.0.attn1.to_q.lora_A.weight": (8, 320)}, "it is a LoRA, not a checkpoint"),
        ({"lora_te_text_model_encoder.hada_w1_a": (8, 8)}, "it is a LoRA, not a checkpoint"),
        ({"emb_params": (4, 768)}, "it is an embedding, not a checkpoint"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "it is an embedding, not a checkpoint"),
        ({"<cat-toy>": (1024,)}, "it is an embedding, not a checkpoint"),
        (
            {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)},
            "it is a VAE, not a checkpoint",
        ),
        ({"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}, "it is a VAE, not a checkpoint"),
        (
            {"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)},
            "it is a ControlNet, not a checkpoint",
        ),
        (
            {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)},
            "it is a ControlNet, not a checkpoint",
        ),
        ({"down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)}, "it is one part of a folder"),
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "it is a model of a newer family"),
        ({"something": (3, 3)}, "it holds no model of a family that Darkroom knows"),
        ({}, "it holds no model of a family that Darkroom knows"),
        (
            {f"{UNET}.input_blocks.0.0.weight": (320, 4, 3, 3), "conditioner.embedders.0.x": (1,)},
            "it lacks its first text encoder and its second text encoder and its VAE: only whole",
        ),
        (
            {f"{UNET}.input_blocks.0.0.weight": (320, 4, 3, 3), LAYER: (320, 640)},
            "it is of a family that Darkroom does not know, which cannot be drawn with: Stable Diffusion 1.x,",
        ),
        (headers.checkpoint("sd1", in_channels=7), "it is an upscaler of Stable Diffusion 1.x"),
        (
            {name: it for name, it in headers.checkpoint("sd1").items() if name.startswith(UNET)},
            "it lacks its text encoder and its VAE: only whole checkpoints can be drawn with",
        ),
    ],
)
def test_what_cannot_be_drawn_with_is_named_as_what_it_is(
    tmp_path: Path, shapes: headers.Shapes, says: str
) -> None:
    with pytest.raises(WrongKind) as caught:
        read_checkpoint(headers.write(tmp_path / "m.safetensors", shapes))
    assert str(caught.value).startswith(says)


def test_a_depth_model_predicts_noise(tmp_path: Path) -> None:
    depth = read_checkpoint(
        headers.write(tmp_path / "m.safetensors", headers.checkpoint("sd2", in_channels=5))
    )
    assert depth.predicts == "epsilon"
    assert depth.config["unet"]["in_channels"] == 5


def test_a_text_encoder_of_another_family_is_told(tmp_path: Path) -> None:
    mixed = headers.checkpoint("sd1") | {LAYER: (320, 1024)}
    with pytest.raises(Corrupt, match="its text encoder is of another family than its network"):
        read_checkpoint(headers.write(tmp_path / "m.safetensors", mixed))


def test_the_shipped_configurations_are_those_of_the_published_models(tmp_path: Path) -> None:
    one = read_checkpoint(headers.write(tmp_path / "v1-5.safetensors", headers.checkpoint("sd1"))).config
    two = read_checkpoint(headers.write(tmp_path / "v2-1.safetensors", headers.checkpoint("sd2"))).config
    assert one["unet"]["attention_head_dim"] == 8
    assert two["unet"]["attention_head_dim"] == [5, 10, 20, 20]
    assert (one["unet"]["use_linear_projection"], two["unet"]["use_linear_projection"]) == (False, True)
    for config, width, layers, heads in ((one, 768, 12, 12), (two, 1024, 23, 16)):
        text = config["text_encoder"]
        assert (text["hidden_size"], text["num_hidden_layers"]) == (width, layers)
        assert (text["num_attention_heads"], text["intermediate_size"]) == (heads, 4 * width)
        assert config["unet"]["block_out_channels"] == [320, 640, 1280, 1280]
        assert config["vae"]["block_out_channels"] == [128, 256, 512, 512]


@pytest.mark.parametrize(
    ("family", "stem", "metadata", "beside", "predicts", "side"),
    [
        ("sd1", "dream-512", {}, {}, "noise", 512),
        ("sd2", "v2-1_768-ema-pruned", {}, {}, "v (assumed)", 768),
        ("sd2", "v2-1_512-ema-pruned", {}, {}, "noise (assumed)", 512),
        ("sd2", "512-base-ema", {}, {}, "noise (assumed)", 512),
        ("sd2", "m", {"modelspec.prediction_type": "epsilon"}, {}, "noise", 512),
        ("sd1", "m", {"modelspec.prediction_type": "v"}, {}, "v", 512),
        ("sd2", "base", {}, {"base.yaml": 'model:\n  params:\n    parameterization: "v"\n'}, "v", 768),
        ("sd2", "m", {}, {"m.darkroom.json": '{"prediction_type": "epsilon"}'}, "noise", 512),
        ("sd2", "m", {}, {"m.json": '{"description": "notes of another program"}'}, "v (assumed)", 768),
    ],
)
def test_what_a_network_predicts_is_told_by_card_metadata_or_name(
    tmp_path: Path,
    family: str,
    stem: str,
    metadata: dict[str, str],
    beside: dict[str, str],
    predicts: str,
    side: int,
) -> None:
    path = headers.write(tmp_path / f"{stem}.safetensors", headers.checkpoint(family), metadata)
    for name, text in beside.items():
        (tmp_path / name).write_text(text)
    assert read_checkpoint(path).told == predicts
    (model,) = Registry(tmp_path).models()
    assert (model.name, model.family, model.defaults.width) == (stem, family, side)


def test_a_marking_tensor_says_that_v_is_predicted(tmp_path: Path) -> None:
    shapes = headers.checkpoint("sd1") | {"v_pred": (0,), "ztsnr": (0,)}
    checkpoint = read_checkpoint(headers.write(tmp_path / "m.safetensors", shapes))
    assert checkpoint.told == "v"
    assert checkpoint.config["scheduler"]["rescale_betas_zero_snr"]

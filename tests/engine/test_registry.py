import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Refusal
from engine.models.registry import DEMO_FOLDER, WEIGHTS, Registry
from engine.wire import Sampler, Schedule, Task


def make_model(
    root: Path,
    name: str,
    *,
    pipeline: str = "StableDiffusionPipeline",
    unet: dict[str, Any] | None = None,
    card: object = None,
) -> Path:
    folder = root / name
    for part in ("unet", "vae"):
        (folder / part).mkdir(parents=True)
    network = {"sample_size": 64, "cross_attention_dim": 768, "in_channels": 4, **(unet or {})}
    for part, stem in WEIGHTS.items():
        (folder / part).mkdir(exist_ok=True)
        (folder / part / f"{stem}.safetensors").touch()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    (folder / "unet" / "config.json").write_text(json.dumps(network))
    (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [1, 2, 3, 4]}))
    if card is not None:
        (folder / "darkroom.json").write_text(json.dumps(card))
    return folder


def names(root: Path) -> list[str]:
    return [model.name for model in Registry(root).models()]


def test_a_diffusers_folder_is_a_model_with_defaults(tmp_path: Path) -> None:
    make_model(tmp_path, "sd 1.5")
    (model,) = Registry(tmp_path).models()
    assert (model.name, model.title, model.family) == ("sd 1.5", "sd 1.5", "sd1")
    assert model.tasks == (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)
    defaults = model.defaults
    assert (defaults.width, defaults.height, defaults.steps) == (512, 512, 20)
    assert (defaults.guidance_scale, defaults.strength) == (7.5, 0.75)
    assert (defaults.sampler, defaults.schedule) == (Sampler.DPMPP_2M, Schedule.AUTOMATIC)
    assert Registry(tmp_path).lookup("sd 1.5") == tmp_path / "sd 1.5"


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (32, "sd"), ([768], "sd")])
def test_the_family_is_told_by_the_text_encoder(tmp_path: Path, width: object, family: str) -> None:
    make_model(tmp_path, "m", unet={"cross_attention_dim": width, "sample_size": 96})
    (model,) = Registry(tmp_path).models()
    assert model.family == family
    assert model.defaults.width == 768


def test_a_card_gives_title_notice_and_defaults(tmp_path: Path) -> None:
    card = {
        "title": "Fast",
        "notice": "Be kind.",
        "defaults": {"steps": 4, "sampler": "lcm", "clip_skip": 2},
    }
    make_model(tmp_path, "m", card=card)
    (model,) = Registry(tmp_path).models()
    assert (model.title, model.notice) == ("Fast", "Be kind.")
    assert (model.defaults.steps, model.defaults.sampler, model.defaults.width) == (4, Sampler.LCM, 512)
    assert model.defaults.clip_skip == 2


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"titel": "x"}, "titel is not a field"),
        ({"defaults": {"steps": 1000}}, "steps must be at most 150; it was 1000."),
        ({"defaults": {"clip_skip": 13}}, "clip_skip must be at most 12; it was 13."),
        ({"defaults": {"width": 100}}, "width must be a multiple of 8; it was 100."),
        ([1], "its darkroom.json is damaged"),
    ],
)
def test_a_wrong_card_is_told_in_the_log(
    tmp_path: Path, card: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_model(tmp_path, "wrong", card=card)
    make_model(tmp_path, "right")
    assert names(tmp_path) == ["right"]
    assert reason in caplog.text


def test_what_is_no_stable_diffusion_is_not_offered(tmp_path: Path) -> None:
    make_model(tmp_path, "flux", pipeline="FluxPipeline")
    make_model(tmp_path, "depth", unet={"in_channels": 5})
    make_model(tmp_path, "odd", unet={"sample_size": "big"})
    (make_model(tmp_path, "cut") / "unet" / "config.json").write_text('{"sample')
    (make_model(tmp_path, "half") / "vae" / "config.json").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    make_model(tmp_path, ".hidden")
    make_model(tmp_path, "good")
    assert names(tmp_path) == ["good"]


def test_an_inpainting_model_does_only_that_and_is_never_the_default(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", demo=make_model(tmp_path, "shipped"))
    make_model(tmp_path / "models", "a", pipeline="StableDiffusionInpaintPipeline", unet={"in_channels": 9})
    assert [model.name for model in registry.models()] == ["demo", "a"]
    make_model(tmp_path / "models", "b")
    plain, inpainting = registry.models()
    assert (plain.name, inpainting.name) == ("b", "a")
    assert inpainting.tasks == (Task.INPAINT, Task.OUTPAINT)
    assert inpainting.defaults.strength == 1.0


def test_a_custom_pipeline_class_is_not_offered(tmp_path: Path) -> None:
    folder = make_model(tmp_path, "evil")
    (folder / "model_index.json").write_text('{"_class_name": ["evil", "StableDiffusionPipeline"]}')
    assert names(tmp_path) == ["demo"]


def test_the_demo_is_offered_only_where_nothing_else_is(tmp_path: Path) -> None:
    root = tmp_path / "models"
    (demo,) = Registry(root).models()
    assert (demo.name, demo.family, demo.defaults.width) == ("demo", "sd", 256)
    assert Registry(root).lookup("demo") == DEMO_FOLDER
    make_model(root, "real")
    assert names(root) == ["real"]
    make_model(root, "demo")  # an operator's own
    assert Registry(root).lookup("demo") == root / "demo"


@pytest.mark.parametrize("name", ["..", "../secret", "a/b", "/etc", "", "nothing", "m\0", "link"])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    make_model(tmp_path, "secret")
    make_model(root, "m")
    (root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Refusal) as caught:
        Registry(root).lookup(name)
    assert caught.value.body.code == "unknown_model"


def test_without_any_model_nothing_is_offered_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(tmp_path / "models", demo=tmp_path / "gone")
    assert registry.models() == ()
    assert registry.models() == ()
    assert [record.getMessage() for record in caplog.records] == [
        "model demo is not offered: its model_index.json is missing or damaged"
    ]


def test_a_card_of_brackets_without_end_hides_its_own_model_alone(tmp_path: Path) -> None:
    make_model(tmp_path, "good")
    (make_model(tmp_path, "odd") / "darkroom.json").write_text("[" * 100_000)
    assert names(tmp_path) == ["good"]


def test_a_link_called_demo_does_not_take_the_demos_place(tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    (root / "demo").symlink_to(make_model(tmp_path, "secret"))
    assert Registry(root).lookup("demo") == DEMO_FOLDER

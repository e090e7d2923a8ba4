import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Refusal
from engine.models.layout import WEIGHTS
from engine.models.registry import DEMO_FOLDER, SHIPPED, Registry
from engine.wire import Sampler, Schedule, Task
from tests.engine.models import headers


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
        headers.write(folder / part / f"{stem}.safetensors", {})
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


def schedule(folder: Path, kind: str, **options: object) -> None:
    (folder / "scheduler").mkdir()
    config = {"_class_name": f"{kind}Scheduler", **options}
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("name", "unet", "scheduler", "expected"),
    [
        ("m", {"time_cond_proj_dim": 256}, ("LCM", "leading"), (4, 8.0, "lcm", "automatic")),
        ("m", {}, ("LCM", "leading"), (4, 1.0, "lcm", "automatic")),
        ("m", {}, ("TCD", "leading"), (4, 1.0, "tcd", "automatic")),
        ("m", {}, ("EulerAncestralDiscrete", "trailing"), (4, 1.0, "euler_a", "sgm_uniform")),
        ("m 8-step", {}, ("EulerDiscrete", "trailing"), (8, 1.0, "euler", "sgm_uniform")),
        ("m", {}, ("EulerDiscrete", "leading"), (20, 7.5, "dpmpp_2m", "automatic")),
        ("turbo", {}, ("PNDM", "leading"), (20, 7.5, "dpmpp_2m", "automatic")),  # its scheduler knows better
    ],
)
def test_a_folder_says_by_itself_that_it_draws_in_a_few_steps(
    tmp_path: Path,
    name: str,
    unet: dict[str, Any],
    scheduler: tuple[str, str],
    expected: tuple[int, float, str, str],
) -> None:
    schedule(make_model(tmp_path, name, unet=unet), scheduler[0], timestep_spacing=scheduler[1])
    (model,) = Registry(tmp_path).models()
    has = model.defaults
    assert (has.steps, has.guidance_scale, has.sampler, has.schedule) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sd_xl_turbo_1.0", (4, 1.0, "euler_a", "sgm_uniform")),
        ("dreamTurbo", (4, 1.0, "euler_a", "sgm_uniform")),
        ("sdxl_lightning_8step", (8, 1.0, "euler", "sgm_uniform")),
        ("Hyper-SDXL-1step", (1, 1.0, "ddim", "sgm_uniform")),
        ("photo-LCM", (4, 1.0, "lcm", "automatic")),
        ("tcd 4 steps", (4, 1.0, "tcd", "automatic")),
        ("hyperrealism_v2", (20, 7.5, "dpmpp_2m", "automatic")),
        ("calcmaster", (20, 7.5, "dpmpp_2m", "automatic")),
    ],
)
def test_a_file_has_only_its_name_to_say_so(
    tmp_path: Path, name: str, expected: tuple[int, float, str, str]
) -> None:
    headers.write(tmp_path / f"{name}.safetensors", headers.checkpoint("sd1"))
    (model,) = Registry(tmp_path).models()
    has = model.defaults
    assert (has.steps, has.guidance_scale, has.sampler, has.schedule) == expected


def test_the_card_is_stronger_than_the_scheduler_and_the_name(tmp_path: Path) -> None:
    folder = make_model(tmp_path, "turbo", card={"defaults": {"steps": 1, "sampler": "euler"}})
    schedule(folder, "EulerAncestralDiscrete", timestep_spacing="trailing")
    (model,) = Registry(tmp_path).models()
    assert (model.defaults.steps, model.defaults.sampler) == (1, "euler")
    assert model.defaults.schedule == "sgm_uniform"


def test_a_folder_of_edm_noise_is_not_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_model(tmp_path, "play", pipeline="StableDiffusionXLPipeline")
    schedule(folder, "EDMDPMSolverMultistep")
    assert names(tmp_path) == [*SHIPPED]
    assert "play is not offered: it was trained on EDM's noise" in caplog.text


def sdxl(root: Path, name: str, **index: object) -> Path:
    folder = make_model(root, name, unet={"sample_size": 128})
    encoders = {"text_encoder": ["", ""], "text_encoder_2": ["", ""]}
    told = {"_class_name": "StableDiffusionXLPipeline", **encoders, **index}
    (folder / "model_index.json").write_text(json.dumps(told))
    return folder


def test_an_sdxl_folder_is_offered_at_its_size(tmp_path: Path) -> None:
    sdxl(tmp_path, "xl")
    (model,) = Registry(tmp_path).models()
    assert (model.family, model.defaults.width, model.defaults.guidance_scale) == ("sdxl", 1024, 5.0)
    assert Task.TXT2IMG in model.tasks


def test_a_refiner_goes_on_from_pictures_alone_and_has_one_text_encoder(tmp_path: Path) -> None:
    folder = sdxl(tmp_path, "refiner", text_encoder=[None, None], requires_aesthetics_score=True)
    shutil.rmtree(folder / "text_encoder")
    refiner = next(model for model in Registry(tmp_path).models() if model.name == "refiner")
    assert refiner.tasks == (Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)


def test_an_sdxl_without_its_second_text_encoder_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (sdxl(tmp_path, "xl") / "text_encoder_2/model.safetensors").unlink()
    assert names(tmp_path) == [*SHIPPED]
    assert "its text_encoder_2 has no weights in safetensors" in caplog.text


def test_what_is_no_stable_diffusion_is_not_offered(tmp_path: Path) -> None:
    make_model(tmp_path, "wide", pipeline="StableDiffusionPanoramaPipeline")
    make_model(tmp_path, "depth", unet={"in_channels": 5})
    make_model(tmp_path, "odd", unet={"sample_size": "big"})
    (make_model(tmp_path, "cut") / "unet" / "config.json").write_text('{"sample')
    (make_model(tmp_path, "half") / "vae" / "config.json").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    make_model(tmp_path, ".hidden")
    make_model(tmp_path, "good")
    assert names(tmp_path) == ["good"]


@pytest.mark.parametrize("estimator", [True, False])
def test_a_depth_model_says_whether_it_estimates_depth(tmp_path: Path, estimator: bool) -> None:
    folder = make_model(
        tmp_path,
        "d",
        pipeline="StableDiffusionDepth2ImgPipeline",
        unet={"in_channels": 5, "cross_attention_dim": 1024},
    )
    if not estimator:
        (folder / "depth_estimator" / "model.safetensors").unlink()
        (folder / "depth_estimator").rmdir()
    model = {each.name: each for each in Registry(tmp_path).models()}["d"]
    assert (model.family, model.estimates_depth) == ("sd2-depth", estimator)
    assert set(model.tasks) == {Task.DEPTH2IMG} | ({Task.IMG2IMG} if estimator else set())
    assert model.defaults.strength == 0.8


def test_a_depth_estimator_without_weights_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_model(tmp_path, "d", pipeline="StableDiffusionDepth2ImgPipeline", unet={"in_channels": 5})
    (folder / "depth_estimator" / "model.safetensors").rename(folder / "depth_estimator" / "model.bin")
    assert names(tmp_path) == [*SHIPPED]
    assert "its depth_estimator has no weights in safetensors" in caplog.text


def test_an_upscaler_does_only_that_at_the_size_of_what_is_enlarged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upscaler = {"pipeline": "StableDiffusionUpscalePipeline", "unet": {"in_channels": 7, "sample_size": 128}}
    for name in ("x4", "wrong", "cut"):
        folder = make_model(tmp_path, name, **upscaler)  # type: ignore[arg-type]
        (folder / "low_res_scheduler").mkdir()
        (folder / "low_res_scheduler" / "scheduler_config.json").write_text("{}")
        blocks = [1, 2, 3, 4] if name == "wrong" else [1, 2, 3]
        (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": blocks}))
    (folder / "low_res_scheduler" / "scheduler_config.json").unlink()
    _, model, _ = Registry(tmp_path).models()
    assert (model.name, model.family, model.tasks) == ("x4", "sd-x4", (Task.UPSCALE,))
    assert (model.defaults.width, model.defaults.guidance_scale) == (128, 9.0)
    assert "its autoencoder's factor is 8, not 4" in caplog.text
    assert "its low_res_scheduler/scheduler_config.json is missing or damaged" in caplog.text


def test_an_operators_own_upscaler_comes_before_the_one_that_ships(tmp_path: Path) -> None:
    for name in ("big", "demo-x4"):
        folder = make_model(
            tmp_path,
            name,
            pipeline="StableDiffusionUpscalePipeline",
            unet={"in_channels": 7, "sample_size": 128},
        )
        (folder / "low_res_scheduler").mkdir()
        (folder / "low_res_scheduler" / "scheduler_config.json").write_text("{}")
        (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [1, 2, 3]}))
        assert names(tmp_path) == (["demo", "big", "demo-x4"])
    assert Registry(tmp_path).lookup("demo-x4") == tmp_path / "demo-x4"


def test_an_inpainting_model_does_only_that_and_is_never_the_default(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", shipped={"demo": make_model(tmp_path, "shipped")})
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
    assert names(tmp_path) == [*SHIPPED]


def test_the_demo_and_its_upscaler_are_offered_only_where_nothing_else_draws(tmp_path: Path) -> None:
    root = tmp_path / "models"
    demo, upscaler = Registry(root).models()
    assert (demo.name, demo.family, demo.defaults.width) == ("demo", "sd", 256)
    assert (upscaler.name, upscaler.family, upscaler.tasks) == ("demo-x4", "sd-x4", (Task.UPSCALE,))
    assert [Registry(root).lookup(name) for name in SHIPPED] == [DEMO_FOLDER, SHIPPED["demo-x4"]]
    make_model(root, "real")
    assert names(root) == ["real"]
    with pytest.raises(Refusal):
        Registry(root).lookup("demo-x4")
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
    registry = Registry(tmp_path / "models", shipped={"demo": tmp_path / "gone"})
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


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("vae/config.json", {"block_out_channels": [1] * 20_000}),
        ("vae/config.json", {"block_out_channels": "1234"}),
        ("unet/config.json", {"sample_size": 10**4299}),
        ("unet/config.json", {"sample_size": -(10**4299)}),
        ("unet/config.json", {"sample_size": [8]}),
        ("unet/config.json", {"in_channels": {}, "cross_attention_dim": [[]]}),
        ("model_index.json", {"_class_name": {}}),
    ],
)
def test_numbers_and_lists_beyond_measure_hide_their_own_model_alone(
    tmp_path: Path, file: str, changes: dict[str, object]
) -> None:
    make_model(tmp_path, "good")
    told = make_model(tmp_path, "odd") / file
    told.write_text(json.dumps(json.loads(told.read_text()) | changes))
    assert "good" in names(tmp_path)
    fault = {entry.name: entry.fault for entry in Registry(tmp_path).entries()}["odd"]
    assert fault is None or len(str(fault)) < 300

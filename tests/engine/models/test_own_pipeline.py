"""Folders of families that the step loop does not know: what they are, and what is wrong with a broken one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines import auto_pipeline

from engine.errors import Refusal
from engine.models.fault import Corrupt, NotAModel, Truncated, Unsafe
from engine.models.inventory import Inventory
from engine.models.loading import ModelBroken
from engine.models.own_pipeline import FAMILIES, read_own_pipeline
from engine.models.pipeline_loading import CALLBACKS, NEEDED, load_model, parameters
from engine.models.registry import Registry
from engine.own_pipelines import check
from engine.wire import Fill, GenerationRequest, Sampler, Schedule, Task
from engine.worker.device import Device
from engine.worker.stepped_call import SteppedCall
from tests.engine.models import headers

CPU = Device(place=torch.device("cpu"), dtype=torch.float32, reason="a test")


def folder_of(root: Path, kind: Any = "SanaPipeline", **parts: list[Any]) -> Path:
    """A folder as far as its files' headers tell, with a transformer and whatever else is said."""
    folder = root / "model"
    entries = {"transformer": ["diffusers", "SanaTransformer2DModel"]} | parts
    for name, entry in entries.items():
        if entry != [None, None]:
            (folder / name).mkdir(parents=True)
            headers.write(folder / name / "model.safetensors", {"weight": (2, 2)})
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **entries}))
    return folder


def fault(root: Path) -> NotAModel | None:
    (entry,) = Registry(root).entries()
    return entry.fault


def test_a_folder_is_offered_with_its_own_sampler_and_sizes(tmp_path: Path) -> None:
    folder_of(tmp_path, scheduler=["diffusers", "DPMSolverMultistepScheduler"], vae=[None, None])
    (info,) = Registry(tmp_path).models()
    assert (info.family, info.tasks, info.own_pipeline) == ("sana", (Task.TXT2IMG,), True)
    assert (info.defaults.sampler, info.defaults.steps, info.side_multiple) == (Sampler.DPMPP_2M, 20, 32)
    assert Inventory(tmp_path).check("model")[0].startswith("model is whole: 2 files of weights")


def test_a_class_that_nobody_told_us_of_draws_from_words(tmp_path: Path) -> None:
    folder_of(tmp_path, "MarvellousPipeline")
    (info,) = Registry(tmp_path).models()
    assert (info.family, info.tasks, info.defaults.width) == ("marvellous", (Task.TXT2IMG,), 1024)
    with pytest.raises(ModelBroken, match=r"is a MarvellousPipeline, which diffusers [\d.]+ does not have"):
        load_model("model", tmp_path / "model", CPU)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("WanPipeline", "could not be loaded"),
        ("ReduxPipeline", "does not have"),
        ("FluxControlPipeline", "could not be loaded"),
        ("KandinskyV22Pipeline", "takes no prompt"),
        ("IFPipeline", "could not be loaded"),
    ],
)
def test_a_folder_that_cannot_be_drawn_from_is_named_when_it_is_loaded(
    tmp_path: Path, kind: str, says: str
) -> None:
    folder_of(tmp_path, kind)
    with pytest.raises(ModelBroken, match=says) as raised:
        load_model("model", tmp_path / "model", CPU)
    assert kind in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "parts", "says"),
    [
        (["pipeline", "Mine"], {}, "its pipeline is code of its own"),
        ("SanaPipeline", {"vae": ["my_code", "Vae"]}, r"its vae is code of its own \(my_code\)"),
        ("SanaPipeline", {"vae": ["os", "system"]}, r"its vae is code of its own \(os\)"),
        ("SanaPipeline", {"vae": ["../up", "Vae"]}, "its vae is of no library"),
        ("SanaPipeline", {"vae": [["diffusers"], "Vae"]}, "its vae is of no library"),
    ],
)
def test_code_of_a_folder_is_never_run(
    tmp_path: Path, kind: Any, parts: dict[str, list[Any]], says: str
) -> None:
    for part, (library, _) in parts.items():
        if library == "my_code":
            (tmp_path / "model" / part).mkdir(parents=True)
            (tmp_path / "model" / part / "my_code.py").write_text("raise SystemExit('run')")
            (tmp_path / "model" / part).rename(tmp_path / "kept")
    folder = folder_of(tmp_path, kind, **({} if any("/" in str(e) for e in parts.values()) else parts))
    if "vae" in parts:
        index = json.loads((folder / "model_index.json").read_text()) | parts
        (folder / "model_index.json").write_text(json.dumps(index))
    if (tmp_path / "kept").exists():
        (tmp_path / "kept" / "my_code.py").rename(folder / "vae" / "my_code.py")
        (tmp_path / "kept").rmdir()
    found = fault(tmp_path)
    assert isinstance(found, Unsafe)
    with pytest.raises(Unsafe, match=says):
        read_own_pipeline(folder)


def test_code_that_a_configuration_names_is_never_run(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, text_encoder=["transformers", "AutoModel"])
    config = {"auto_map": {"AutoModel": "code.Model"}}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config))
    assert isinstance(fault(tmp_path), Unsafe)


def test_every_part_must_be_there_and_whole(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    weights = folder / "transformer" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert (type(fault(tmp_path)), str(fault(tmp_path))) == (
        Truncated,
        "its transformer cannot be used: it ends 1 bytes too early: copy or download it again",
    )
    weights.rename(weights.with_suffix(".bin"))
    assert isinstance(fault(tmp_path), Unsafe)
    weights.with_suffix(".bin").unlink()
    weights.parent.rmdir()
    assert (type(fault(tmp_path)), str(fault(tmp_path))) == (Corrupt, "it has no folder transformer")


def test_stable_diffusion_is_the_step_loops_or_nobodys(tmp_path: Path) -> None:
    folder_of(tmp_path, "StableDiffusionPanoramaPipeline")
    assert "it is no StableDiffusionPipeline or" in str(fault(tmp_path))


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_table_says_what_diffusers_can_do(kind: str) -> None:
    if not hasattr(diffusers, kind) or "Dummy" in type(getattr(diffusers, kind)).__name__:
        pytest.skip(
            f"diffusers offers {kind} only where sentencepiece is installed, which Darkroom does not need"
        )
    class_ = getattr(diffusers, kind)
    takes = parameters(class_)
    assert set(NEEDED) <= set(takes)
    assert any(word in takes for word in CALLBACKS)
    for task, siblings in (
        (Task.IMG2IMG, auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING),
        (Task.INPAINT, auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING),
    ):
        if task in FAMILIES[kind].tasks:
            model = auto_pipeline._get_model(kind)
            wanted = {"image", "strength"} | ({"mask_image"} if task is Task.INPAINT else set())
            assert wanted <= set(parameters(siblings[model])), task


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"width": 1000}, "width", "width must be a multiple of 32 with model; it was 1000."),
        ({"sampler": Sampler.DDIM}, "sampler", "model keeps its own sampler, euler; the request's was ddim."),
        ({"schedule": Schedule.KARRAS}, "schedule", "model keeps its own schedule, automatic"),
        ({"variation_strength": 0.5, "variation_seed": 1}, "variation_strength", "must be 0 with model"),
        ({"fill": Fill.NOISE}, "fill", "fill must be one of original, fill with model; it was noise."),
        ({"guidance_end": 0.5}, "guidance_end", "guidance_start must be 0 and guidance_end 1 with it."),
        ({"vae": "soft"}, "vae", "model keeps its own VAE; the request's was soft."),
    ],
)
def test_what_the_pipeline_cannot_do_is_refused(
    tmp_path: Path, changes: dict[str, object], field: str, says: str
) -> None:
    folder_of(tmp_path)
    (info,) = Registry(tmp_path).models()
    fields = {"model": "model", "prompt": "", "seed": 1} | info.defaults.model_dump(exclude={"strength"})
    check(GenerationRequest.model_validate(fields), info)
    with pytest.raises(Refusal, match=says) as refused:
        check(GenerationRequest.model_validate(fields | changes), info)
    assert (refused.value.body.code, refused.value.body.field) == ("invalid_field", field)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_pipeline_takes_no_loras(tmp_path: Path, field: str) -> None:
    folder_of(tmp_path)
    (info,) = Registry(tmp_path).models()
    fields = {"model": "model", "prompt": "", "seed": 1} | info.defaults.model_dump(exclude={"strength"})
    with pytest.raises(Refusal, match="model takes no LoRAs") as refused:
        check(GenerationRequest.model_validate(fields | {field: "a cat <lora:film:1>"}), info)
    assert (refused.value.body.code, refused.value.body.field) == ("lora_incompatible", field)


def test_a_stepped_call_stands_still_between_steps_and_ends_where_it_is_left() -> None:
    done: list[str] = []

    def work(pause: Callable[[], None]) -> None:
        try:
            for step in ("one", "two", "three"):
                done.append(step)
                pause()
        finally:
            done.append("end")

    call = SteppedCall(work)
    assert done == []
    assert call.step()
    assert call.step()
    assert done == ["one", "two"]
    call.abandon()
    assert done == ["one", "two", "end"]


def test_what_a_stepped_call_raises_is_raised_where_it_is_stepped() -> None:
    def work(pause: Callable[[], None]) -> None:
        pause()
        raise ValueError("no")

    call = SteppedCall(work)
    assert call.step()
    with pytest.raises(ValueError, match="no"):
        call.step()

"""What a person may choose of a model, and what it starts from, read from its files. No torch."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine import violations
from engine.models import few_steps
from engine.models.card import Card, read_card
from engine.models.checkpoint import Checkpoint
from engine.models.fault import NotAModel, WrongKind
from engine.models.json_file import read_json
from engine.models.layout import ENLARGES, LOW_RES_SCHEDULER, SEES_DEPTH, SEES_MASK, read_layout, weight_files
from engine.models.own_pipeline import OwnPipeline, is_own_pipeline, read_own_pipeline
from engine.models.weights import weights_of_file, weights_of_folder
from engine.wire import (
    SIDE_MULTIPLE,
    UPSCALE_FACTOR,
    Defaults,
    GenerationRequest,
    ModelInfo,
    Sampler,
    Schedule,
    Task,
)

FAMILIES = {768: "sd1", 1024: "sd2"}  # by the width of the text encoder: CLIP ViT-L, OpenCLIP ViT-H
SHOWN_FAMILIES = {SEES_DEPTH: "sd2-depth", ENLARGES: "sd-x4"}
TASKS = {  # by the channels that the network takes
    4: (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT),
    SEES_DEPTH: (Task.DEPTH2IMG,),  # and img2img where it can estimate the depth
    ENLARGES: (Task.UPSCALE,),
    SEES_MASK: (Task.INPAINT, Task.OUTPAINT),  # it draws nothing without a mask
}
OF_CHANNELS: dict[int, dict[str, Any]] = {  # defaults, as diffusers' pipelines have them
    SEES_DEPTH: {"strength": 0.8},
    ENLARGES: {"guidance_scale": 9.0},
    SEES_MASK: {
        "strength": 1.0
    },  # it sees the surroundings, and was trained to draw the rest from noise alone
}
REFINER_TASKS = TASKS[4][1:]  # it was trained on the last steps alone, and cannot begin a picture
MOST_BLOCKS = 16  # of an autoencoder: far more than any has

_DEFAULTS: dict[str, Any] = {
    "steps": 20,
    "guidance_scale": 7.5,
    "strength": 0.75,
    "sampler": Sampler.DPMPP_2M,
    "schedule": Schedule.AUTOMATIC,
}


def info_of_file(name: str, checkpoint: Checkpoint) -> ModelInfo:
    """Of a single file's. Raises NotAModel."""
    card, found, config = checkpoint.card, checkpoint.found, checkpoint.config
    estimates_depth = "depth_estimator" in config
    quick = few_steps.defaults(name, takes_guidance=False, scheduler={})
    ours = _of_family(found.family) | OF_CHANNELS.get(found.in_channels, {}) | quick
    return ModelInfo(
        name=name,
        title=card.title or name,
        family=SHOWN_FAMILIES.get(found.in_channels, found.family),
        tasks=_tasks(found.in_channels, is_refiner=found.is_refiner, estimates_depth=estimates_depth),
        defaults=_defaults(_native_side(config["unet"], config["vae"]), ours | card.defaults),
        notice=card.notice,
        estimates_depth=estimates_depth,
        weights=weights_of_file(checkpoint.header),
    )


def info_of_folder(name: str, folder: Path) -> ModelInfo:
    """Of a folder's, whichever class it names. Raises NotAModel."""
    if is_own_pipeline(folder):
        return info_of_pipeline(name, read_own_pipeline(folder), read_card(folder))
    layout = read_layout(folder)
    files = {part: weight_files(folder, part)[1] for part in layout.parts}
    unet, vae = read_json(folder, "unet/config.json"), read_json(folder, "vae/config.json")
    channels = _as_int(unet.get("in_channels"))
    if channels not in layout.channels:
        raise NotAModel(f"its network does not take {' or '.join(map(str, layout.channels))} channels")
    if channels == ENLARGES:
        read_json(folder, f"{LOW_RES_SCHEDULER}/scheduler_config.json")
    family = "sdxl" if layout.is_sdxl else FAMILIES.get(_as_int(unet.get("cross_attention_dim")), "sd")
    quick = few_steps.defaults(
        name,
        takes_guidance=unet.get("time_cond_proj_dim") is not None,
        scheduler=_scheduler(folder),
    )
    ours = _of_family(family) | OF_CHANNELS.get(channels, {}) | quick
    family = SHOWN_FAMILIES.get(channels, family)
    card = read_card(folder)
    return ModelInfo(
        name=name,
        title=card.title or name,
        family=family,
        tasks=_tasks(channels, is_refiner=layout.is_refiner, estimates_depth=layout.estimates_depth),
        defaults=_defaults(_native_side(unet, vae), ours | card.defaults),
        notice=card.notice,
        estimates_depth=layout.estimates_depth,
        weights=weights_of_folder(files),
    )


def info_of_pipeline(name: str, pipeline: OwnPipeline, card: Card) -> ModelInfo:
    """Of what diffusers' own pipeline draws. Raises NotAModel."""
    return pipeline.info(name, card, _defaults(pipeline.family.side, pipeline.defaults | card.defaults))


def _scheduler(folder: Path) -> dict[str, Any]:
    """Raises WrongKind for a noise that our samplers do not know. One that is missing is told on loading."""
    file = "scheduler/scheduler_config.json"
    config = read_json(folder, file) if (folder / file).exists() else {}
    if str(config.get("_class_name")).startswith("EDM"):
        raise WrongKind("it was trained on EDM's noise, which cannot be drawn with yet")
    return config


def _tasks(channels: int, *, is_refiner: bool, estimates_depth: bool) -> tuple[Task, ...]:
    if is_refiner:
        return REFINER_TASKS
    return (*TASKS[channels], Task.IMG2IMG) if estimates_depth else TASKS[channels]


def _of_family(family: str) -> dict[str, Any]:
    return {"guidance_scale": 5.0} if family == "sdxl" else {}  # as diffusers' pipeline has it


def _native_side(unet: dict[str, Any], vae: dict[str, Any]) -> int:
    """Pixels: the network's latent side times the autoencoder's factor, which halves at each block but one.

    An upscaler's latents have the small picture's own size.
    """
    upscales = unet.get("in_channels") == ENLARGES
    blocks = vae.get("block_out_channels")
    right = UPSCALE_FACTOR if upscales else SIDE_MULTIPLE
    factor = 2 ** (min(len(blocks), MOST_BLOCKS) - 1) if isinstance(blocks, list) and blocks else right
    if factor != right:
        raise NotAModel(f"its autoencoder's factor is {factor}, not {right}")
    return _as_int(unet.get("sample_size")) * (1 if upscales else factor)


def _defaults(side: int, changes: dict[str, Any]) -> Defaults:
    """Raises NotAModel where a default is outside the limits of a request."""
    try:
        defaults = Defaults.model_validate({"width": side, "height": side, **_DEFAULTS, **changes})
        GenerationRequest.model_validate({"model": "m", "prompt": "", "seed": 0, **defaults.model_dump()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotAModel(f"its defaults: {violations.sentence(first)}") from None
    return defaults


def _as_int(value: object) -> int:
    """0 for what is none, or is so large that even to name it would be too much."""
    return value if isinstance(value, int) and abs(value) < 2**31 else 0

"""The models of this engine: names, the folders and files behind them, and what a person may choose. No torch.

A model is a subfolder of the models folder in diffusers' layout, with a `model_index.json` of a class that
`engine/models/layout.py` or `engine/models/own_pipeline.py` names, or a single `.safetensors` file with a whole
checkpoint.
Its card says more about it (`engine/models/card.py`). Blocking: call from a thread.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine import violations
from engine.errors import Refusal
from engine.models import few_steps
from engine.models.card import Card, read_card
from engine.models.checkpoint import SUFFIX, Checkpoint, read_checkpoint
from engine.models.companions import Companions
from engine.models.fault import NotAModel, Unsafe, WrongKind
from engine.models.json_file import read_json
from engine.models.layout import (
    DEPTH_ESTIMATOR,
    ENLARGES,
    LOW_RES_SCHEDULER,
    SEES_DEPTH,
    SEES_MASK,
    read_layout,
)
from engine.models.own_pipeline import OwnPipeline, is_own_pipeline, read_own_pipeline
from engine.models.place import check_place, has
from engine.models.quantised import GGUF, read_quantised
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

log = logging.getLogger(__name__)

DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "model"
SHIPPED = {"demo": DEMO_FOLDER, "demo-x4": DEMO_FOLDER.with_name("upscaler")}  # by name
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._ -]{0,127}"
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
PICKLES = (".ckpt", ".pt", ".pth")
WEIGHTS = {  # by part of the pipeline, as diffusers and transformers name their files
    "text_encoder": "model",
    "text_encoder_2": "model",
    DEPTH_ESTIMATOR: "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
MOST_BLOCKS = 16  # of an autoencoder: far more than any has
VARIANTS = ("", ".fp16")  # preferred first; ".bin" files are pickles and never read

_DEFAULTS: dict[str, Any] = {
    "steps": 20,
    "guidance_scale": 7.5,
    "strength": 0.75,
    "sampler": Sampler.DPMPP_2M,
    "schedule": Schedule.AUTOMATIC,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something in the models folder that is a model, as `info` has it, or may be meant as one, but for a `fault`.

    Its name is that of the folder, or of the file without `.safetensors`; a pickle keeps its whole name.
    """

    name: str
    place: Path
    info: ModelInfo | None = None
    checkpoint: Checkpoint | None = None
    fault: NotAModel | None = None


def weight_files(folder: Path, part: str) -> tuple[str, list[Path]]:
    """The variant ("" or "fp16") of a part's weights that is loaded, and its files: one, or several shards.

    Raises NotAModel where there are no safetensors.
    """
    for variant in VARIANTS:
        pattern = re.compile(rf"{WEIGHTS[part]}{re.escape(variant)}(-\d+-of-\d+)?\.safetensors")
        files = sorted(path for path in (folder / part).glob("*.safetensors") if pattern.fullmatch(path.name))
        if files:
            return variant.removeprefix("."), files
    raise NotAModel(f"its {part} has no weights in safetensors")


class Registry:
    """The models under `root`, looked up anew at each call: a model may be added while the engine runs.

    `shipped` are the folders of the models that ship with Darkroom, by name, and `companions` what looks at pictures
    beside the models.
    """

    def __init__(
        self,
        root: Path,
        *,
        shipped: Mapping[str, Path] = SHIPPED,
        companions: Companions | None = None,
    ) -> None:
        self._root = root
        self._companions = companions
        self._shipped = shipped
        self._told: set[tuple[str, str]] = set()

    def models(self) -> tuple[ModelInfo, ...]:
        """What can be drawn with, by name, those first that draw from words alone: the first is the default.

        The log says once what is not usable; a `lookup`, of which the worker does many, leaves that to this.

        What ships is offered only as long as no other draws from words.
        """
        entries = self.entries()
        for entry in entries:
            if entry.fault is not None:
                self._tell(entry.name, str(entry.fault))
        found = self._usable(entries).values()
        if self._companions is None:
            return tuple(info for info, _ in found)
        return tuple(self._companions.complete(info, place) for info, place in found)

    def lookup(self, name: str) -> Path:
        """The folder or file of a model. Raises Refusal unknown_model, also for whatever looks like a path.

        Never another model in its place.
        """
        found = self._usable(self.entries())
        if name not in found:
            raise Refusal("unknown_model", f"There is no model called '{name}'.", field="model")
        return found[name][1]

    def entries(self) -> tuple[Entry, ...]:
        """All that is in the models folder, by name, with what speaks against it; hidden files are not looked at."""
        entries: dict[str, Entry] = {}
        for place in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            is_file = place.suffix in (SUFFIX, GGUF, *PICKLES) and not place.is_dir()
            if place.name.startswith(".") or not (is_file or has(place, "model_index.json")):
                continue
            name = place.stem if is_file and place.suffix in (SUFFIX, GGUF) else place.name
            if name in entries:
                fault = WrongKind("another model has this name: rename one of them")
                entries[place.name] = Entry(name=place.name, place=place, fault=fault)
            else:
                entries[name] = self._entry(name, place)
        return tuple(entry for _, entry in sorted(entries.items()))

    def _usable(self, entries: Sequence[Entry]) -> dict[str, tuple[ModelInfo, Path]]:
        """Every usable model with its place, by name: those that draw from words, an operator's others, our others."""
        usable = {entry.name: (entry.info, entry.place) for entry in entries if entry.info is not None}
        if plain := _plain(usable):
            return plain | usable
        ours = self._ours()
        return _plain(ours) | usable | {name: each for name, each in ours.items() if name not in usable}

    def _ours(self) -> dict[str, tuple[ModelInfo, Path]]:
        """What ships, by name."""
        ours = {}
        for name, folder in self._shipped.items():
            try:
                ours[name] = (_read(folder, name), folder)
            except NotAModel as fault:  # somebody changed what ships
                self._tell(name, str(fault))
        return ours

    def _tell(self, name: str, reason: str) -> None:
        """Log once why something is not offered: the folder is looked at again and again."""
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.warning("model %s is not offered: %s", name, reason)

    def _entry(self, name: str, place: Path) -> Entry:
        try:
            self._check_place(name, place)
            if place.is_dir():
                return Entry(name=name, place=place, info=_read(place, name))
            if place.suffix == GGUF:
                quantised = read_quantised(place)
                return Entry(name=name, place=place, info=_own(name, quantised.pipeline, quantised.card))
            if place.suffix != SUFFIX:
                raise Unsafe(f"it is a pickle: make a model of it with: darkroom models convert {place.name}")
            checkpoint = read_checkpoint(place)
            return Entry(name=name, place=place, info=_info(name, checkpoint), checkpoint=checkpoint)
        except NotAModel as fault:
            return Entry(name=name, place=place, fault=fault)

    def _check_place(self, name: str, place: Path) -> None:
        """Raises NotAModel where the name or place is not one that we take."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise WrongKind("its name has characters other than letters, digits, space, '.', '_' and '-'")
        check_place(place, self._root)


def _plain(models: Mapping[str, tuple[ModelInfo, Path]]) -> dict[str, tuple[ModelInfo, Path]]:
    """Those that draw from words."""
    return {name: each for name, each in models.items() if Task.TXT2IMG in each[0].tasks}


def _info(name: str, checkpoint: Checkpoint) -> ModelInfo:
    """What a person may choose of a single file's."""
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


def _read(folder: Path, name: str) -> ModelInfo:
    if is_own_pipeline(folder):
        return _own(name, read_own_pipeline(folder), read_card(folder))
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


def _own(name: str, pipeline: OwnPipeline, card: Card) -> ModelInfo:
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

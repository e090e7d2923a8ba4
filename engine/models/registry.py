"""The models of this engine: names, the folders behind them, and what a person may choose. No torch.

A model is a subfolder of the models folder in diffusers' layout with a `model_index.json` of class
StableDiffusionPipeline or StableDiffusionInpaintPipeline. Its card says more about it
(`engine/models/card.py`). Blocking: call from a thread.
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine import violations
from engine.errors import Refusal
from engine.models.card import CARD_FILE, Card
from engine.wire import (
    SIDE_MULTIPLE,
    Defaults,
    GenerationRequest,
    ModelInfo,
    Sampler,
    Schedule,
    Task,
)

log = logging.getLogger(__name__)

DEMO = "demo"  # the model that ships
DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "model"
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._ -]{0,127}"
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline")
FAMILIES = {768: "sd1", 1024: "sd2"}  # by the width of the text encoder: CLIP ViT-L, OpenCLIP ViT-H
TASKS = {  # by the channels that the network takes
    4: (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT),
    9: (Task.INPAINT, Task.OUTPAINT),  # latents, mask and masked picture: it draws nothing without a mask
}
MAX_JSON_BYTES = 1024 * 1024
WEIGHTS = {  # by part of the pipeline, as diffusers and transformers name their files
    "text_encoder": "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
VARIANTS = ("", ".fp16")  # preferred first; ".bin" files are pickles and never read

_DEFAULTS: dict[str, Any] = {
    "steps": 20,
    "guidance_scale": 7.5,
    "strength": 0.75,
    "sampler": Sampler.DPMPP_2M,
    "schedule": Schedule.AUTOMATIC,
}


class NotAModel(ValueError):
    """A folder is not offered. `str()` says why."""


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

    `demo` is the folder of the model that ships with Darkroom.
    """

    def __init__(self, root: Path, *, demo: Path = DEMO_FOLDER) -> None:
        self._root = root
        self._demo = demo
        self._told: set[tuple[str, str]] = set()

    def models(self) -> tuple[ModelInfo, ...]:
        """What can be drawn with, by name, those first that draw from words alone: the first is the default.

        The demo is offered only as long as no other draws from words.
        """
        return tuple(model for model, _ in self._found().values())

    def lookup(self, name: str) -> Path:
        """The folder of a model. Raises Refusal unknown_model, also for whatever looks like a path."""
        found = self._found()
        if name not in found:
            raise Refusal("unknown_model", f"There is no model called '{name}'.", field="model")
        return found[name][1]

    def _found(self) -> dict[str, tuple[ModelInfo, Path]]:
        """Every usable model with its folder, by name."""
        folders = sorted(self._root.iterdir()) if self._root.is_dir() else []
        there = [folder for folder in folders if (folder / "model_index.json").is_file()]
        usable = dict(filter(None, (self._usable(folder, folder.name) for folder in there)))
        plain = {name: each for name, each in usable.items() if Task.TXT2IMG in each[0].tasks}
        return (plain or dict(filter(None, [self._usable(self._demo, DEMO)]))) | usable

    def _usable(self, folder: Path, name: str) -> tuple[str, tuple[ModelInfo, Path]] | None:
        try:
            if folder != self._demo:
                self._check_place(folder)
            return name, (_read(folder, name), folder)
        except NotAModel as reason:
            self._tell(name, str(reason))
            return None

    def _tell(self, name: str, reason: str) -> None:
        """Log once why a folder is not offered: the folders are looked at again and again."""
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.warning("model folder %s is not offered: %s", name, reason)

    def _check_place(self, folder: Path) -> None:
        """Raises NotAModel where the folder's name or place is not one that we take."""
        if not re.fullmatch(NAME_PATTERN, folder.name):
            raise NotAModel("its name has characters other than letters, digits, space, '.', '_' and '-'")
        if not folder.resolve().is_relative_to(self._root.resolve()):
            raise NotAModel("it is a link that leads out of the models folder")


def _read(folder: Path, name: str) -> ModelInfo:
    if _json(folder, "model_index.json").get("_class_name") not in PIPELINES:
        raise NotAModel(f"it is no {' or '.join(PIPELINES)}")
    for part in WEIGHTS:
        weight_files(folder, part)
    unet, vae = _json(folder, "unet/config.json"), _json(folder, "vae/config.json")
    if (tasks := TASKS.get(_as_int(unet.get("in_channels")))) is None:
        raise NotAModel(f"its network does not take {' or '.join(map(str, TASKS))} channels")
    card = read_card(folder)
    return ModelInfo(
        name=name,
        title=card.title or name,
        family=FAMILIES.get(_as_int(unet.get("cross_attention_dim")), "sd"),
        tasks=tasks,
        defaults=_defaults(_native_side(unet, vae), _of_tasks(tasks) | card.defaults),
        notice=card.notice,
    )


def _of_tasks(tasks: tuple[Task, ...]) -> dict[str, Any]:
    """Inpainting networks see the masked part's surroundings, and were trained to draw it from noise alone."""
    return {} if Task.TXT2IMG in tasks else {"strength": 1.0}


def _native_side(unet: dict[str, Any], vae: dict[str, Any]) -> int:
    """Pixels: the network's latent side times the autoencoder's factor, which halves at each block but one."""
    blocks = vae.get("block_out_channels")
    factor = 2 ** (len(blocks) - 1) if isinstance(blocks, list) and blocks else SIDE_MULTIPLE
    if factor != SIDE_MULTIPLE:
        raise NotAModel(f"its autoencoder's factor is {factor}, not {SIDE_MULTIPLE}")
    return _as_int(unet.get("sample_size")) * factor


def _defaults(side: int, changes: dict[str, Any]) -> Defaults:
    """Raises NotAModel where a default is outside the limits of a request."""
    try:
        defaults = Defaults.model_validate({"width": side, "height": side, **_DEFAULTS, **changes})
        GenerationRequest.model_validate({"model": "m", "prompt": "", "seed": 0, **defaults.model_dump()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotAModel(f"its defaults: {violations.sentence(first)}") from None
    return defaults


def read_card(folder: Path) -> Card:
    """The card of a model; an empty one where it has none. Raises NotAModel where it is damaged."""
    if not (folder / CARD_FILE).exists():
        return Card()
    try:
        return Card.model_validate(_json(folder, CARD_FILE))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotAModel(f"its {CARD_FILE}: {violations.sentence(first)}") from None


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise NotAModel(f"its {name} is too long")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, NotAModel):
            raise
        raise NotAModel(f"its {name} is missing or damaged") from None
    if not isinstance(content, dict):
        raise NotAModel(f"its {name} is damaged")
    return content


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else 0

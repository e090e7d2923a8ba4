"""diffusers' own pipeline from a folder, on the device. Offline: local safetensors only, never remote code."""

import hashlib
import inspect
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch

from engine.models.card import Card, read_card
from engine.models.damage import note_damage
from engine.models.digests import Digests
from engine.models.fault import NotAModel
from engine.models.loading import ModelBroken, StableDiffusion, load_stable_diffusion
from engine.models.own_pipeline import (
    NETWORKS,
    OwnPipeline,
    is_own_pipeline,
    read_own_pipeline,
    variant,
)
from engine.models.quantised import GGUF, PART, Quantised, read_quantised
from engine.wire import Task
from engine.worker.device import Device

log = logging.getLogger(__name__)

NEEDED = ("prompt", "num_inference_steps", "generator", "output_type")
CALLBACKS = ("callback_on_step_end", "callback")  # the second is that of older pipelines
OPTIONAL = ("text_encoder_3", "tokenizer_3")  # Stable Diffusion 3 draws without its largest text encoder
SIBLINGS = {  # names in diffusers: it imports every pipeline with them, so only when one is asked for
    Task.IMG2IMG: "AutoPipelineForImage2Image",
    Task.INPAINT: "AutoPipelineForInpainting",
    Task.OUTPAINT: "AutoPipelineForInpainting",
}


@dataclass(frozen=True, kw_only=True)
class LoadedPipeline:
    """A loaded model of a family that the step loop does not know. `hash` as `StableDiffusion`'s, of its network."""

    name: str
    hash: str
    device: Device
    card: Card
    text_to_image: Any
    _made: dict[Task, Any] = field(default_factory=dict)

    @property
    def networks(self) -> list[torch.nn.Module]:
        """All parts that have weights."""
        return [part for part in self.text_to_image.components.values() if isinstance(part, torch.nn.Module)]

    def pipeline(self, task: Task) -> Any:
        """The pipeline that does a task; all share their networks. Raises ModelBroken where diffusers has none."""
        if task is Task.TXT2IMG:
            return self.text_to_image
        if task not in self._made:
            try:
                self._made[task] = getattr(diffusers, SIBLINGS[task]).from_pipe(self.text_to_image)
            except ValueError:
                raise ModelBroken(f"Model {self.name!r} has no pipeline for {task} in diffusers.") from None
            self._made[task].set_progress_bar_config(disable=True)
        return self._made[task]


def parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """What a call of the pipeline takes."""
    return inspect.signature(pipeline.__call__).parameters


def load_model(name: str, place: Path, device: Device) -> StableDiffusion | LoadedPipeline:
    """Load what is at a place of the registry, for whichever loop draws it. Raises ModelBroken."""
    try:
        own = place.suffix == GGUF or is_own_pipeline(place)
    except NotAModel as error:
        raise ModelBroken(f"Model {name!r} cannot be used: {error}.") from error
    return (load_pipeline if own else load_stable_diffusion)(name, place, device)


def load_pipeline(name: str, place: Path, device: Device) -> LoadedPipeline:
    """Load a folder as its `model_index.json` says, or a GGUF file with its base.

    Raises ModelBroken naming what is wrong.
    """
    began = time.monotonic()
    quantised = None
    try:
        if place.suffix == GGUF and not place.is_dir():
            quantised = read_quantised(place)
            folder, index, card = quantised.base, quantised.pipeline, quantised.card
            digest = Digests(place.parent).of(place)
        else:
            folder, index, card = place, read_own_pipeline(place), read_card(place)
            digest = _digest(folder, index)
    except NotAModel as error:
        raise ModelBroken(f"Model {name!r} cannot be used: {error}.") from error
    _check_class(name, index.kind)
    network = {PART: _network(name, quantised, device)} if quantised else {}
    pipeline = _load(name, folder, index, device, **network)
    log.info("model %s loaded in %.1f s on %s", name, time.monotonic() - began, device)
    return LoadedPipeline(name=name, hash=digest[:10], device=device, card=card, text_to_image=pipeline)


def _check_class(name: str, kind: str) -> None:
    """That diffusers has the class, and that a call can be told what to draw and be stopped at each step."""
    class_ = getattr(diffusers, kind, None)
    if not (isinstance(class_, type) and issubclass(class_, diffusers.DiffusionPipeline)):
        raise ModelBroken(
            f"Model {name!r} is a {kind}, which diffusers {diffusers.__version__} does not have."
        )
    takes = parameters(class_)
    lacks = [word for word in NEEDED if word not in takes]
    if not any(word in takes for word in CALLBACKS):
        lacks.append(CALLBACKS[0])
    if lacks:
        raise ModelBroken(f"Model {name!r} is a {kind}, which takes no {' and no '.join(lacks)}.")
    required = [
        word
        for word, parameter in takes.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and word not in ("self", *NEEDED)
    ]
    if required:
        raise ModelBroken(f"Model {name!r} is a {kind}, which draws from more than words: {required[0]}.")


def _network(name: str, quantised: Quantised, device: Device) -> Any:
    """The network of a GGUF file: its weights stay quantised, and are computed with in the device's format."""
    try:
        return getattr(diffusers, quantised.network).from_single_file(
            str(quantised.path),
            config=str(quantised.base / PART),
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=device.dtype),
            dtype=device.dtype,
            local_files_only=True,
        )
    except Exception as error:  # whatever a broken file provokes
        note_damage(f"model {name}", error)
        raise ModelBroken(
            f"Model {name!r} is damaged: its {quantised.network} could not be loaded."
        ) from error


def _load(name: str, folder: Path, index: OwnPipeline, device: Device, **given: Any) -> Any:
    expected, _ = diffusers.DiffusionPipeline._get_signature_keys(getattr(diffusers, index.kind))
    without = [part for part in OPTIONAL if part in expected and part not in index.parts]
    without += [
        part for part in index.parts if part == "safety_checker"
    ]  # verdicts are the engine's own business
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=device.dtype,
            variant=variant(folder, index),
            **dict.fromkeys(without),
            **given,
        )
        pipeline.to("cpu" if device.parked else device.place)
    except Exception as error:  # whatever a broken file provokes in three libraries
        note_damage(f"model {name}", error)
        raise ModelBroken(f"Model {name!r} is damaged: its {index.kind} could not be loaded.") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _digest(folder: Path, index: OwnPipeline) -> str:
    part = next((part for part in NETWORKS if part in index.parts), index.parts[0] if index.parts else "")
    files = sorted((folder / part).glob("*.safetensors"))
    digests = [Digests(folder / part).of(path) for path in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

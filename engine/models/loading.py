"""From a model's folder or file to networks on the device. Offline: local safetensors only, never remote code."""

import functools
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.images.previews import SDXL, STABLE_DIFFUSION
from engine.models.card import Card, read_card
from engine.models.checkpoint import read_checkpoint
from engine.models.configuration import REFINER_TIME_IDS, TIME_IDS
from engine.models.damage import note_damage
from engine.models.depth_estimator import DepthEstimator
from engine.models.digests import Digests
from engine.models.fault import NotAModel
from engine.models.layout import (
    DEPTH_ESTIMATOR,
    LOW_RES_SCHEDULER,
    SEES_DEPTH,
    Layout,
    read_layout,
    weight_files,
)
from engine.models.single_file import load_parts
from engine.models.vae import Vae
from engine.prompts.encoding import PromptEncoder
from engine.prompts.sdxl import AESTHETIC_SCORES, SdxlPromptEncoder
from engine.wire import Seamless
from engine.worker.device import Device

log = logging.getLogger(__name__)

TEXT_ENCODERS = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}


class ModelBroken(Exception):
    """A model's folder or file cannot be loaded. `str()` says what is wrong with which part, without paths."""


@dataclass(frozen=True, kw_only=True)
class StableDiffusion:
    """A loaded Stable Diffusion 1.x, 2.x or XL: networks on the device, scheduler as configuration only.

    `hash` is the first ten hex digits of the SHA-256 of the UNet's weights, for infotext; of several
    shards, of their digests one after the other; of a single file, of all of it. `depth_estimator` comes with the
    models that are shown depth, and `low_res_config`, the noise schedule of the small picture, with the upscaler.
    `tiling` says how pictures are drawn with it: see `with_tiling`.
    """

    name: str
    hash: str
    device: Device
    prompts: PromptEncoder
    unet: Any
    vae: Any
    scheduler_config: dict[str, Any]
    card: Card
    is_sdxl: bool = False
    depth_estimator: DepthEstimator | None = None
    low_res_config: dict[str, Any] | None = None
    tiling: Seamless = Seamless.NONE

    @property
    def latent_to_rgb(self) -> Sequence[Sequence[float]] | None:
        """What previews are made with, [5, 3]: the card's, or else the family's.

        None for an upscaler, whose latents nobody has fitted colours to.
        """
        if self.card.latent_to_rgb is None and self.low_res_config is not None:
            return None
        return self.card.latent_to_rgb or (SDXL if self.is_sdxl else STABLE_DIFFUSION)

    @property
    def sees_depth(self) -> bool:
        """Whether the network is shown the depth of what it draws."""
        return bool(self.unet.config.in_channels == SEES_DEPTH)

    def with_vae(self, vae: Vae | None) -> "StableDiffusion":
        """The same with another VAE, or for None with its own; the other networks are shared."""
        return self if vae is None else replace(self, vae=vae.network)

    def with_tiling(self, axes: Seamless) -> "StableDiffusion":
        """The same for pictures that are seamless along `axes`; all networks are shared."""
        return self if axes is self.tiling else replace(self, tiling=axes)

    @property
    def vae_factor(self) -> int:
        """Pixels per latent cell, along a side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def load_stable_diffusion(name: str, place: Path, device: Device) -> StableDiffusion:
    """Load a folder in diffusers' layout, or a single-file checkpoint.

    Raises ModelBroken naming the part that failed.
    """
    began = time.monotonic()
    model = _of_folder(name, place, device) if place.is_dir() else _of_file(name, place, device)
    log.info("model %s loaded in %.1f s on %s", name, time.monotonic() - began, device)
    return model


def _of_file(name: str, path: Path, device: Device) -> StableDiffusion:
    try:
        checkpoint = read_checkpoint(path)
        parts = load_parts(checkpoint, device.dtype)
        digest = Digests(path.parent).of(path)
    except NotAModel as error:
        raise _unusable(name, error) from error
    except OSError as error:
        raise ModelBroken(f"Model {name!r} cannot be read.") from error
    return StableDiffusion(
        name=name,
        hash=digest[:10],
        device=device,
        prompts=_prompt_encoder(
            checkpoint.layout,
            parts.tokenizers,
            [_placed(encoder, device) for encoder in parts.text_encoders],
            device,
        ),
        unet=_placed(parts.unet, device),
        vae=_vae(parts.vae, checkpoint.layout, device),
        scheduler_config=checkpoint.config["scheduler"],
        card=checkpoint.card,
        is_sdxl=checkpoint.layout.is_sdxl,
        depth_estimator=_midas(parts.depth_estimator, device),
        low_res_config=checkpoint.config.get("low_res_scheduler"),
    )


def _of_folder(name: str, folder: Path, device: Device) -> StableDiffusion:
    layout = _layout(name, folder)
    encoders = [_network(name, folder, part, TEXT_ENCODERS[part], device) for part in layout.text_encoders]
    unet = _network(name, folder, "unet", UNet2DConditionModel, device)
    if layout.is_sdxl:
        _check_fit(name, encoders, unet, layout)
    return StableDiffusion(
        name=name,
        hash=_weights_hash(name, folder),
        device=device,
        prompts=_prompt_encoder(
            layout,
            [_part(name, folder, part, CLIPTokenizer) for part in layout.tokenizers],
            encoders,
            device,
        ),
        unet=unet,
        vae=_vae(_network(name, folder, "vae", AutoencoderKL, device), layout, device),
        scheduler_config=_scheduler_config(name, folder),
        card=_card(name, folder),
        is_sdxl=layout.is_sdxl,
        depth_estimator=_depth_estimator(name, folder, device) if layout.estimates_depth else None,
        low_res_config=_scheduler_config(name, folder, LOW_RES_SCHEDULER) if layout.enlarges else None,
    )


def _midas(network: Any, device: Device) -> DepthEstimator | None:
    """With the processor's settings of Stable Diffusion 2's folder: 384 pixels a side, bilinear."""
    if network is None:
        return None
    processor = transformers.DPTImageProcessor(resample=Image.Resampling.BILINEAR)
    return DepthEstimator(network=_placed(network, device), processor=processor)


def _depth_estimator(name: str, folder: Path, device: Device) -> DepthEstimator:
    exact = replace(device, dtype=torch.float32)  # it overflows in half precision, and runs once for a job
    return DepthEstimator(
        network=_network(name, folder, DEPTH_ESTIMATOR, transformers.DPTForDepthEstimation, exact),
        processor=_part(name, folder, "feature_extractor", transformers.DPTImageProcessor),
    )


def _prompt_encoder(
    layout: Layout, tokenizers: Sequence[Any], text_encoders: Sequence[Any], device: Device
) -> PromptEncoder:
    if not layout.is_sdxl:
        return PromptEncoder(tokenizer=tokenizers[0], text_encoder=text_encoders[0], device=device.place)
    return SdxlPromptEncoder(
        tokenizers=tokenizers,
        text_encoders=text_encoders,
        device=device.place,
        zeroes_empty=layout.zeroes_empty,
        scores=AESTHETIC_SCORES if layout.is_refiner else None,
    )


def _check_fit(name: str, text_encoders: Sequence[Any], unet: Any, layout: Layout) -> None:
    """SDXL's parts are swapped more often than others', and a wrong one is else found at the first step."""
    if sum(encoder.config.hidden_size for encoder in text_encoders) != unet.config.cross_attention_dim:
        raise ModelBroken(f"Model {name!r} cannot be used: its text encoders do not go with its unet.")
    numbers = REFINER_TIME_IDS if layout.is_refiner else TIME_IDS
    told = text_encoders[-1].config.projection_dim + numbers * unet.config.addition_time_embed_dim
    if told != unet.config.projection_class_embeddings_input_dim:
        raise ModelBroken(f"Model {name!r} cannot be used: its unet is to be told other numbers than SDXL's.")


def _vae(vae: Any, layout: Layout, device: Device) -> Any:
    """SDXL's autoencoder overflows in half precision, unless its configuration says that it does not."""
    overflows = layout.is_sdxl and device.dtype is torch.float16 and vae.config.force_upcast
    return _placed(vae.float() if overflows else vae, device)


def _layout(name: str, folder: Path) -> Layout:
    try:
        return read_layout(folder)
    except NotAModel as error:
        raise _unusable(name, error) from error


def _part(name: str, folder: Path, part: str, kind: Any, **options: Any) -> Any:
    if not (folder / part).is_dir():
        raise ModelBroken(f"Model {name!r} is incomplete: it has no folder {part!r}.")
    try:
        return kind.from_pretrained(folder / part, local_files_only=True, **options)
    except Exception as error:  # whatever a broken file provokes in three libraries
        note_damage(f"model {name}: its {part}", error)
        raise ModelBroken(f"Model {name!r} is damaged: its {part} could not be loaded.") from error


def _network(name: str, folder: Path, part: str, kind: Any, device: Device) -> Any:
    variant, _ = _weight_files(name, folder, part)
    options = {"use_safetensors": True, "dtype": device.dtype, "variant": variant or None}
    return _placed(_part(name, folder, part, kind, **options), device)


def _placed(network: Any, device: Device) -> Any:
    network = network.to("cpu" if device.parked else device.place).eval().requires_grad_(False)
    # Convolutions read channels-last memory fastest, on CPUs with bfloat16 and on tensor cores alike.
    return network.to(memory_format=torch.channels_last)


def _scheduler_config(name: str, folder: Path, part: str = "scheduler") -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / part / "scheduler_config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelBroken(
            f"Model {name!r} is damaged: its scheduler configuration cannot be read."
        ) from error
    return config


def _card(name: str, folder: Path) -> Card:
    try:
        return read_card(folder)
    except NotAModel as error:
        raise _unusable(name, error) from error


def _weights_hash(name: str, folder: Path) -> str:
    files = _weight_files(name, folder, "unet")[1]
    digests = [_sha256(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return whole[:10]


@functools.cache
def _sha256(path: Path, size: int, changed_ns: int) -> str:
    """Of a file's content; read again only when its size or time says that it changed."""
    del size, changed_ns
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _weight_files(name: str, folder: Path, part: str) -> tuple[str, list[Path]]:
    try:
        return weight_files(folder, part)
    except NotAModel as error:
        raise _unusable(name, error) from error


def _unusable(name: str, error: NotAModel) -> ModelBroken:
    return ModelBroken(f"Model {name!r} cannot be used: {error}.")

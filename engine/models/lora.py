"""A LoRA's file as what a model's networks take: for each of their layers a pair of matrices.

Both layouts in use are read: kohya's (`lora_unet_…`, `lora_te_…`, for SDXL `lora_te1_…` and `lora_te2_…`, with an
`alpha` for each layer) and diffusers' (`unet.…`, `text_encoder.…`, `text_encoder_2.…`, with peft's settings in the
metadata). diffusers translates the names. What a file holds is used whole or refused: a picture that leaves a part of
its LoRA out would be another picture.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import (
    convert_state_dict_to_diffusers,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file

from engine.models.detection import Kind, detect
from engine.models.fault import Corrupt, NotAModel, WrongKind
from engine.models.header import LENGTH_BYTES, read_header

Tensors = dict[str, torch.Tensor]

SHOWN_DIGITS = 12  # of a hash, as A1111 writes it to `Lora hashes`
METADATA = "lora_adapter_metadata"  # where diffusers' trainers note peft's settings
NOT_READ = (  # by what is in a tensor's name; diffusers would leave some of it out without a word
    (re.compile(r"hada_"), "a LoHa"),
    (re.compile(r"lokr_"), "a LoKr"),
    (re.compile(r"oft_"), "an OFT"),
    (re.compile(r"dora_scale|lora_magnitude_vector"), "a DoRA"),
    (re.compile(r"lora_mid"), "a LoCon with Tucker's decomposition"),
)
UNET, SECOND = "unet", "text_encoder_2"  # diffusers' names of the network, and of SDXL's second text encoder
OF_SDXL = ("lora_te1_", "lora_te2_", "text_encoder_2.")
PAIR = re.compile(r"(?P<layer>.+)\.lora_(?P<side>[AB])\.weight")


@dataclass(frozen=True)
class Pair:
    """What is added to a layer's weights: up @ down. `down` is [rank, …], `up` [outputs, rank, …]; scaled by alpha."""

    down: torch.Tensor
    up: torch.Tensor

    @property
    def rank(self) -> int:
        return len(self.down)


@dataclass(frozen=True, eq=False)
class LoraWeights:
    """A LoRA on the CPU: pairs by the name of the layer, for each network that it changes, by diffusers' name.

    `hash` has the first twelve hex digits of the SHA-256 of the file after its header, as A1111 and kohya count.
    `key` tells it from all others: the same numbers may be scaled otherwise by what the header says.
    """

    name: str
    hash: str
    key: str
    networks: Mapping[str, Mapping[str, Pair]]


def read_lora(name: str, path: Path, networks: Mapping[str, Any]) -> LoraWeights:
    """Read a file for a model with these networks, by diffusers' names.

    Raises Missing, Corrupt or Truncated where it is damaged, WrongKind where it is no LoRA, or one that is not read.
    """
    header = read_header(path)
    if (found := detect(header).kind) is not Kind.LORA:
        raise WrongKind(f"it is {found}, not a LoRA")
    for pattern, what in NOT_READ:
        if any(pattern.search(tensor) for tensor in header.shapes):
            raise WrongKind(f"it is {what}, which Darkroom does not read yet")
    if SECOND not in networks and any(tensor.startswith(OF_SDXL) for tensor in header.shapes):
        raise WrongKind("it is for SDXL, with its two text encoders")
    try:
        pairs = _pairs(load_file(path), header.metadata, networks)
        header_digest, digest = _digests(path)
    except NotAModel:
        raise
    except Exception as error:  # whatever strange names provoke in two libraries
        raise WrongKind("its tensors have names that Darkroom does not know") from error
    key = hashlib.sha256(f"{name} {header_digest} {digest}".encode()).hexdigest()
    return LoraWeights(name, digest[:SHOWN_DIGITS], key, pairs)


def _pairs(
    tensors: Tensors, metadata: Mapping[str, str], networks: Mapping[str, Any]
) -> dict[str, dict[str, Pair]]:
    config = networks[UNET].config
    state, _ = StableDiffusionLoraLoaderMixin.lora_state_dict(_scaled(tensors), unet_config=config)
    parts = {part: _of(part, state) for part in networks}
    if sum(map(len, parts.values())) < len(state):
        raise WrongKind("it has tensors for networks that the model does not have")
    settings = json.loads(metadata.get(METADATA, "{}"))
    translated = {part: _translated(part, state) for part, state in parts.items() if state}
    return {part: _paired(state, _of(part, settings)) for part, state in translated.items()}


def _translated(part: str, state: Tensors) -> Tensors:
    """In peft's names."""
    if part == UNET:
        translated: Tensors = convert_unet_state_dict_to_peft(state)
    else:
        translated = convert_state_dict_to_peft(convert_state_dict_to_diffusers(state))
    return translated


def _of(part: str, mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{part}."): it for name, it in mapping.items() if name.startswith(f"{part}.")}


def _scaled(tensors: Tensors) -> Tensors:
    """kohya's tensors, each pair times its alpha / rank; diffusers loses alphas that differ within a text encoder."""
    scaled = {name: tensor for name, tensor in tensors.items() if not name.endswith(".alpha")}
    for name in tensors.keys() - scaled.keys():
        layer = name.removesuffix(".alpha")
        down, up = scaled[f"{layer}.lora_down.weight"], f"{layer}.lora_up.weight"
        scaled[up] = scaled[up] * (float(tensors[name]) / len(down))
    return scaled


def _paired(state: Tensors, settings: dict[str, Any]) -> dict[str, Pair]:
    halves: dict[str, Tensors] = {}
    for name, tensor in state.items():
        if (found := PAIR.fullmatch(name)) is None:
            raise WrongKind(f"its tensor {name[:80]} is none of a LoRA's")
        layer = found["layer"].removeprefix("text_model.")  # where older transformers have the layers
        halves.setdefault(layer, {})[found["side"]] = tensor
    config = LoraConfig(**settings) if settings else None
    return {layer: _pair(layer, half, config) for layer, half in halves.items()}


def _pair(layer: str, half: Tensors, config: LoraConfig | None) -> Pair:
    if half.keys() != {"A", "B"}:
        raise Corrupt(f"its layer {layer[:80]} has one of two matrices")
    down, up = half["A"], half["B"]
    if config is None:
        return Pair(down, up)
    alphas = config.alpha_pattern or {}
    alpha = alphas.get(get_pattern_key(list(alphas), layer), config.lora_alpha)
    return Pair(down, up * (alpha / (len(down) ** 0.5 if config.use_rslora else len(down))))


def _digests(path: Path) -> tuple[str, str]:
    """SHA-256 of the file's header, and of what follows it."""
    with path.open("rb") as stream:
        header = stream.read(int.from_bytes(stream.read(LENGTH_BYTES), "little"))
        return hashlib.sha256(header).hexdigest(), hashlib.file_digest(stream, "sha256").hexdigest()

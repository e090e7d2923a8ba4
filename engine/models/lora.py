"""A LoRA's file as what a model's networks take: for each of their layers a change.

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
from safetensors.torch import load_file

from engine.models.detection import Kind, detect
from engine.models.fault import NotAModel, WrongKind
from engine.models.header import LENGTH_BYTES, read_header
from engine.models.lora_changes import ALPHA, MAGNITUDE, Change, change_of

Tensors = dict[str, torch.Tensor]
Layers = dict[str, Tensors]  # a layer's tensors, by its name

SHOWN_DIGITS = 12  # of a hash, as A1111 writes it to `Lora hashes`
METADATA = "lora_adapter_metadata"  # where diffusers' trainers note peft's settings
NOT_READ = (  # by what is in a tensor's name; diffusers would leave some of it out without a word
    (re.compile(r"\boft_|\.oft_"), "an OFT"),
    (re.compile(r"\.on_input$"), "an (IA)³"),
    (re.compile(r"\.[ab][12]\.weight$"), "a GLoRA"),
    (re.compile(r"\.(diff(_b)?|[wb]_norm)$"), "a LoRA with whole differences of layers"),
)
UNET, SECOND = "unet", "text_encoder_2"  # diffusers' names of the network, and of SDXL's second text encoder
OF_SDXL = ("lora_te1_", "lora_te2_", "text_encoder_2.")
KOHYA = re.compile(r"(?P<layer>lora_(unet|te|te1|te2)_[^.]+)\.(?P<name>.+)")
DOWN, UP = "lora_down.weight", "lora_up.weight"
NAME = re.compile(r"[\w.]+")
PEFT = re.compile(r"(?P<layer>.+)\.(?P<name>lora_A\.weight|lora_B\.weight|lora_magnitude_vector)(\.weight)?")
NAMES = {"lora_A.weight": DOWN, "lora_B.weight": UP, "lora_magnitude_vector": MAGNITUDE}  # kohya's of peft's


@dataclass(frozen=True, eq=False)
class LoraWeights:
    """A LoRA on the CPU: changes by the name of the layer, for each network that it changes, by diffusers' name.

    `hash` has the first twelve hex digits of the SHA-256 of the file after its header, as A1111 and kohya count.
    `key` tells it from all others: the same numbers may be scaled otherwise by what the header says.
    """

    name: str
    hash: str
    key: str
    networks: Mapping[str, Mapping[str, Change]]


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
        changes = _changes(load_file(path), header.metadata, networks)
        header_digest, digest = _digests(path)
    except NotAModel:
        raise
    except Exception as error:  # whatever strange names provoke in two libraries
        raise WrongKind("its tensors have names that Darkroom does not know") from error
    key = hashlib.sha256(f"{name} {header_digest} {digest}".encode()).hexdigest()
    return LoraWeights(name, digest[:SHOWN_DIGITS], key, changes)


def _changes(
    tensors: Tensors, metadata: Mapping[str, str], networks: Mapping[str, Any]
) -> dict[str, dict[str, Change]]:
    layers: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        if found := KOHYA.fullmatch(name):
            layers.setdefault(found["layer"], {})[found["name"]] = tensor
    if layers and sum(map(len, layers.values())) < len(tensors):
        raise WrongKind("some of its tensors have kohya's names, and some have not")
    by_part = _of_kohya(layers, networks) if layers else _of_peft(tensors, metadata, networks)
    return {
        part: {layer: change_of(layer, own) for layer, own in layers.items()}
        for part, layers in by_part.items()
    }


def _of_kohya(layers: Layers, networks: Mapping[str, Any]) -> dict[str, Layers]:
    """By network, with the layers' names in diffusers. It translates those of pairs: each layer's number is one."""
    tensors = list(layers.values())
    numbers = {
        f"{layer}.{side}": torch.tensor([number])
        for number, layer in enumerate(layers)
        for side in (DOWN, UP)
    }
    return {
        part: {layer: tensors[int(own[DOWN])] for layer, own in translated.items()}
        for part, translated in _translated(numbers, networks).items()
    }


def _of_peft(tensors: Tensors, metadata: Mapping[str, str], networks: Mapping[str, Any]) -> dict[str, Layers]:
    by_part, settings = _translated(tensors, networks), json.loads(metadata.get(METADATA, "{}"))
    for part, layers in by_part.items():
        if own_settings := _of(part, settings):
            config = LoraConfig(**own_settings)
            for layer, own in layers.items():
                own[ALPHA] = torch.tensor(_alpha(config, layer, len(own[DOWN])))
    return by_part


def _translated(tensors: Tensors, networks: Mapping[str, Any]) -> dict[str, Layers]:
    """What diffusers reads, by network and layer, each tensor under kohya's name."""
    config = networks[UNET].config
    state, _ = StableDiffusionLoraLoaderMixin.lora_state_dict(tensors, unet_config=config)
    parts = {part: _of(part, state) for part in networks}
    if sum(map(len, parts.values())) < len(state):
        raise WrongKind("it has tensors for networks that the model does not have")
    return {part: _by_layer(_in_peft(part, own)) for part, own in parts.items() if own}


def _in_peft(part: str, state: Tensors) -> Tensors:
    """In peft's names."""
    if part == UNET:
        translated: Tensors = convert_unet_state_dict_to_peft(state)
    else:
        translated = convert_state_dict_to_peft(convert_state_dict_to_diffusers(state))
    return translated


def _by_layer(state: Tensors) -> Layers:
    layers: Layers = {}
    for name, tensor in state.items():
        if (found := PEFT.fullmatch(name)) is None:
            raise WrongKind(f"its tensor {name[:80]} is none of a LoRA's")
        layer = found["layer"].removeprefix("text_model.")  # where older transformers have the layers
        layers.setdefault(layer, {})[NAMES[found["name"]]] = tensor
    return layers


def _alpha(config: LoraConfig, layer: str, rank: int) -> float:
    """As peft chooses it, but by names alone: run as an expression, a stranger's pattern may never end."""
    alphas = {name.removeprefix("^"): alpha for name, alpha in (config.alpha_pattern or {}).items()}
    if not all(NAME.fullmatch(name) for name in alphas):
        raise WrongKind("its settings name layers by an expression, which Darkroom does not read")
    named = (alpha for name, alpha in alphas.items() if f".{layer}".endswith(f".{name}"))
    alpha = float(next(named, config.lora_alpha))
    return alpha * rank**0.5 if config.use_rslora else alpha


def _of(part: str, mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{part}."): it for name, it in mapping.items() if name.startswith(f"{part}.")}


def _digests(path: Path) -> tuple[str, str]:
    """SHA-256 of the file's header, and of what follows it."""
    with path.open("rb") as stream:
        header = stream.read(int.from_bytes(stream.read(LENGTH_BYTES), "little"))
        return hashlib.sha256(header).hexdigest(), hashlib.file_digest(stream, "sha256").hexdigest()

"""A GGUF file: one network of a pipeline, quantised; its card names the folder with the other parts. No torch.

diffusers reads these for some transformers (`GGUFQuantizationConfig`).
"""

from dataclasses import dataclass
from pathlib import Path

from engine.models.card import Card, read_card
from engine.models.fault import Missing, WrongKind
from engine.models.gguf_header import read_architecture
from engine.models.json_file import read_json
from engine.models.own_pipeline import OwnPipeline, is_own_pipeline, read_own_pipeline

GGUF = ".gguf"
PART = "transformer"
ARCHITECTURES = {  # what the makers of such files write for each network that diffusers reads from them
    "AuraFlowTransformer2DModel": ("aura",),
    "ChromaTransformer2DModel": ("chroma", "flux"),
    "FluxTransformer2DModel": ("flux",),
    "Lumina2Transformer2DModel": ("lumina2",),
    "QwenImageTransformer2DModel": ("qwen_image",),
    "SD3Transformer2DModel": ("sd3",),
    "ZImageTransformer2DModel": ("lumina2", "z_image"),
}


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """`network` is diffusers' class; `base` the folder whose other parts are used, and `pipeline` what that is."""

    path: Path
    network: str
    base: Path
    pipeline: OwnPipeline
    card: Card


def read_quantised(path: Path) -> Quantised:
    """Raises Missing, Corrupt, Truncated or WrongKind where the file or its base cannot be used."""
    architecture = read_architecture(path)
    card = read_card(path)
    if not card.base:
        raise WrongKind("it is one network alone: name the folder with the other parts as base in its card")
    base = path.parent / card.base
    inside = base.resolve().is_relative_to(path.parent.resolve())
    if base.parent != path.parent or not inside or not base.is_dir():
        raise Missing(f"its base {card.base} is no folder beside it")
    if not is_own_pipeline(base):
        raise WrongKind(f"its base {card.base} is of a family that diffusers reads no GGUF for")
    pipeline = read_own_pipeline(base)
    network = _network(base)
    if architecture not in ARCHITECTURES.get(network, ()):
        raise WrongKind(f"it is a network of the kind {architecture[:40]}, and its base has a {network}")
    return Quantised(path=path, network=network, base=base, pipeline=pipeline, card=card)


def _network(base: Path) -> str:
    entry = read_json(base, "model_index.json").get(PART)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else "network of another kind"

"""Where the text encoders of a single-file checkpoint are, how they are named, and how large they are. No torch."""

from dataclasses import dataclass
from typing import Any

from engine.models.detection import CONDITIONERS, TEXT, Found
from engine.models.header import Header

HEAD_WIDTH = 64  # of attention in SD 2.x, SDXL and the text encoders: there are as many heads as that fits

# Where the sizes are to be seen, by whether the names are those of open_clip or of CLIP in transformers.
_SIZES = {
    False: ("embeddings.token_embedding.weight", "encoder.layers.", "0.mlp.fc1.weight"),
    True: ("token_embedding.weight", "transformer.resblocks.", "0.mlp.c_fc.weight"),
}


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A text encoder: its name and its tokenizer's in diffusers' words, and what its tensors begin with."""

    name: str
    prefix: str

    @property
    def tokenizer(self) -> str:
        return self.name.replace("text_encoder", "tokenizer")

    @property
    def is_open_clip(self) -> bool:
        return self.prefix.endswith(".model.")

    @property
    def pools(self) -> bool:
        """Whether what it projects is needed: SDXL is told the pooled text."""
        return self.name == "text_encoder_2"


def text_parts(header: Header, found: Found) -> tuple[TextPart, ...]:
    """In the order in which their embeddings are joined."""
    if found.family != "sdxl":
        return (TextPart(name="text_encoder", prefix=_prefix(header)),)
    if found.is_refiner:
        return (TextPart(name="text_encoder_2", prefix=f"{CONDITIONERS}0.model."),)
    return (
        TextPart(name="text_encoder", prefix=f"{CONDITIONERS}0.transformer.text_model."),
        TextPart(name="text_encoder_2", prefix=f"{CONDITIONERS}1.model."),
    )


def text_sizes(header: Header, part: TextPart, most_layers: int) -> dict[str, Any]:
    """SD 2.x leaves the encoder's last layer out: files have it, or not. Raises Corrupt."""
    embedding, layers, widening = _SIZES[part.is_open_clip]
    width = header.width(f"{part.prefix}{embedding}", 1)
    sizes = {
        "vocab_size": header.width(f"{part.prefix}{embedding}", 0),
        "hidden_size": width,
        "num_attention_heads": heads(width),
        "num_hidden_layers": min(header.count(f"{part.prefix}{layers}"), most_layers),
        "intermediate_size": header.width(f"{part.prefix}{layers}{widening}", 0),
    }
    return sizes | (
        {"projection_dim": header.width(f"{part.prefix}text_projection", 1)} if part.pools else {}
    )


def heads(width: int) -> int:
    """Attention heads of a layer that is `width` wide."""
    return max(1, width // HEAD_WIDTH)


def _prefix(header: Header) -> str:
    """One of three, by family and by age of the program."""
    prefixes = (f"{TEXT}transformer.text_model.", f"{TEXT}transformer.", f"{TEXT}model.")
    return next(
        (prefix for prefix in prefixes if any(name.startswith(prefix) for name in header.shapes)), prefixes[0]
    )

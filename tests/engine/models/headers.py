"""safetensors files of any size in no time: a true header, and holes on the disk where the numbers would be."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]


def header_bytes(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> tuple[bytes, int]:
    """The beginning of a file in half precision, and how many bytes follow it."""
    fields: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        fields[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(fields).encode()
    return len(text).to_bytes(8, "little") + text, end


def write(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    begin, following = header_bytes(shapes, metadata)
    path.write_bytes(begin)
    with path.open("r+b") as stream:
        stream.truncate(len(begin) + following)
    return path


def checkpoint(
    family: str, *, in_channels: int = 4, text_width: int | None = None
) -> dict[str, tuple[int, ...]]:
    """The shapes by which a checkpoint of family "sd1" or "sd2" is told, at its real sizes."""
    width = text_width or {"sd1": 768, "sd2": 1024}[family]
    unet, vae = "model.diffusion_model.input_blocks", "first_stage_model.encoder.down"
    attention = f"{unet}.1.1.transformer_blocks.0.attn2.to_k.weight"
    shapes: dict[str, tuple[int, ...]] = {
        f"{unet}.0.0.weight": (320, in_channels, 3, 3),
        attention: (320, width),
    }
    shapes[f"{unet}.1.1.proj_in.weight"] = (320, 320) if family == "sd2" else (320, 320, 1, 1)
    for block, channels in ((1, 320), (4, 640), (7, 1280), (10, 1280)):
        shapes[f"{unet}.{block}.0.out_layers.3.weight"] = (channels, channels, 3, 3)
    for block, channels in enumerate((128, 256, 512, 512)):
        shapes[f"{vae}.{block}.block.0.conv1.weight"] = (channels, channels, 3, 3)
    return shapes | (_clip(width) if family == "sd1" else _openclip(width))


def _clip(width: int) -> dict[str, tuple[int, ...]]:
    text = "cond_stage_model.transformer.text_model"
    layers = {f"{text}.encoder.layers.{n}.mlp.fc1.weight": (4 * width, width) for n in range(12)}
    return {f"{text}.embeddings.token_embedding.weight": (49408, width), **layers}


def _openclip(width: int) -> dict[str, tuple[int, ...]]:
    text = "cond_stage_model.model"
    layers = {f"{text}.transformer.resblocks.{n}.mlp.c_fc.weight": (4 * width, width) for n in range(24)}
    return {f"{text}.token_embedding.weight": (49408, width), **layers}

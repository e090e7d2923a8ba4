"""How many parameters a model's networks have, counted from its files' headers alone. No torch."""

import math
from pathlib import Path

from engine.models.detection import UNET, VAE
from engine.models.fault import NotAModel
from engine.models.header import Header, read_header
from engine.wire import Weights


def weights_of_file(header: Header) -> Weights:
    """Of a single file's: what is neither the network's nor the autoencoder's reads the text."""
    unet, vae = _numbers(header, UNET), _numbers(header, VAE)
    return Weights(text=_numbers(header, "") - unet - vae, unet=unet, vae=vae)


def weights_of_folder(files: dict[str, list[Path]]) -> Weights:
    """Of the files of each part's folder. Raises NotAModel where one is damaged."""
    counted = {part: sum(_numbers(_header(part, file), "") for file in of) for part, of in files.items()}
    text = sum(count for part, count in counted.items() if part.startswith("text_encoder"))
    return Weights(text=text, unet=counted.get("unet", 0), vae=counted.get("vae", 0))


def _header(part: str, file: Path) -> Header:
    try:
        return read_header(file)
    except NotAModel as fault:
        raise type(fault)(f"its {part} cannot be used: {fault}") from None


def _numbers(header: Header, prefix: str) -> int:
    shapes = (shape for name, shape in header.shapes.items() if name.startswith(prefix))
    return sum(math.prod(shape) for shape in shapes)

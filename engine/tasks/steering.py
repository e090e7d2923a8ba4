"""The pictures that steer the images of a job, each read once by its network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from engine.errors import Refusal
from engine.frames import Start
from engine.images.canvas import Canvas
from engine.images.preprocessing import preprocess
from engine.models.control_loading import ControlNetwork
from engine.models.loading import StableDiffusion
from engine.wire import Control, ControlKind
from engine.worker.bucketed import eager
from engine.worker.flight import ImageInFlight
from engine.worker.steering import Steering


def steer(
    images: Sequence[ImageInFlight],
    command: Start,
    *,
    model: StableDiffusion,
    load: Callable[[str], ControlNetwork],
) -> None:
    """Have the images steered as their request says. `load` gives a control by name.

    Raises Refusal: control_incompatible, control_broken, unknown_control; and OSError for a lost file.
    """
    request, size = command.request, (command.request.width, command.request.height)
    pairs = zip(request.controls, command.controls, strict=True)
    steering = []
    for control, path in pairs:
        network = load(control.name)
        _check_fit(network, model)
        picture = framed(_opened(path), images[0])
        shown = _shown(network, control, picture, size)
        steering.append(Steering(control=control, by=network, picture=picture, shown=shown))
    for image in images:
        image.steering = tuple(steering)


def refitted(steering: Sequence[Steering], size: tuple[int, int]) -> tuple[Steering, ...]:
    """The same pictures for an image of another `size` (width, height)."""
    return tuple(replace(each, shown=_shown(each.by, each.control, each.picture, size)) for each in steering)


def framed(picture: Image.Image, image: ImageInFlight) -> Image.Image:
    """What of a control picture belongs to what is drawn: where that is a part of a canvas, the same part."""
    if not isinstance(image.canvas, Canvas):
        return picture
    return ImageOps.fit(picture, image.canvas.picture.size).crop(image.canvas.box)


def _shown(
    network: ControlNetwork, control: Control, picture: Image.Image, size: tuple[int, int]
) -> tuple[torch.Tensor, ...]:
    if network.kind is ControlKind.IP_ADAPTER:  # it has an eye of its own, and cuts to the middle
        return (network.network.tokens(preprocess(picture, control.preprocess)),)
    fitted = preprocess(ImageOps.fit(picture, size), control.preprocess)
    if network.kind is ControlKind.CONTROLNET:
        return (_pixels(fitted, network),)
    grey = network.network.config.in_channels == 1  # as adapters for edges and sketches are
    return _features(network, _pixels(fitted.convert("L" if grey else "RGB"), network))


@torch.inference_mode()
def _features(network: ControlNetwork, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(network.network(pixels))


def _pixels(picture: Image.Image, network: ControlNetwork) -> torch.Tensor:
    """[1, channels, H, W] in [0, 1], where the network is."""
    values = np.asarray(picture, np.float32) / 255
    pixels = torch.from_numpy(np.atleast_3d(values)).permute(2, 0, 1)[None]
    return pixels.to(network.device.place, network.device.dtype)


def _check_fit(control: ControlNetwork, model: StableDiffusion) -> None:
    """The front compared families; networks of unusual sizes have none."""
    if not _fits(control, model.unet):
        raise Refusal(
            "control_incompatible",
            f"{control.name} was trained for networks of another size than that of {model.name}.",
            field="controls",
        )


def _fits(control: ControlNetwork, unet: Any) -> bool:
    network, widths = control.network, tuple(unet.config.block_out_channels)
    match control.kind:
        case ControlKind.CONTROLNET:
            same = tuple(network.config.block_out_channels) == widths
            return same and network.config.cross_attention_dim == unet.config.cross_attention_dim
        case ControlKind.T2I_ADAPTER:
            channels = tuple(network.config.channels)
            return channels[: len(widths)] == widths[: len(channels)]
        case _:
            return bool(network.fits(eager(unet)))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")

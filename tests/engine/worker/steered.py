"""Images in flight that pictures steer, and what the step loop draws of them."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from PIL import Image

from engine.frames import Start
from engine.models.control_loading import load_control
from engine.models.controls import ControlFolder
from engine.models.loading import StableDiffusion
from engine.tasks.starting import start_images
from engine.tasks.steering import steer
from engine.wire import GenerationRequest
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.worker.equality import told

Reals = npt.NDArray[np.float32]


def pattern(seed: int, side: int = 64) -> Image.Image:
    """Random squares of eight pixels."""
    squares = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    return Image.fromarray(squares.repeat(8, axis=0).repeat(8, axis=1))


class Steerer:
    """Starts images as the worker does, with the controls of a folder."""

    def __init__(self, model: StableDiffusion, folder: Path) -> None:
        self.model = model
        controls = ControlFolder(folder)
        self._load = cache(lambda name: load_control(controls.lookup(name), model.device))

    def start(
        self,
        request: GenerationRequest,
        shown: Sequence[Image.Image] = (),
        picture: Image.Image | None = None,
    ) -> list[ImageInFlight]:
        """The images of a request. `shown` are its control pictures, `picture` is its input."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            paths = [_saved(each, folder / f"control-{n}.png") for n, each in enumerate(shown)]
            command = Start(
                job=f"job-{request.seed}",
                request=request,
                input=None if picture is None else _saved(picture, folder / "input.png"),
                controls=tuple(paths),
                folder=folder,
            )
            conditionings = [
                self.model.prompts.encode(
                    request.prompt, request.negative_prompt, guided=request.guidance_scale > 1
                )
                for _ in range(request.count)
            ]
            images = start_images(self.model, command, conditionings)
            steer(images, command, model=self.model, load=self._load)
        return images

    def draw(self, *images: ImageInFlight) -> list[Reals]:
        """What the step loop draws together, [H, W, 3] in [0, 1]."""
        loop = StepLoop(model=self.model, cap=RowCap(fixed=16))
        for image in images:
            loop.join(image)
        while loop.images:
            tick = loop.tick()
            for _, error in tick.failed:
                raise error
        return [self._decoded(image.latents) for image in images]

    def draw_one(self, request: GenerationRequest, shown: Sequence[Image.Image] = (), **others: Any) -> Reals:
        return self.draw(*self.start(request, shown, **others))[0]

    @torch.inference_mode()
    def _decoded(self, latents: torch.Tensor) -> Reals:
        decoded = self.model.vae.decode(latents / self.model.vae.config.scaling_factor).sample[0]
        pixels: Reals = (decoded / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
        return pixels


def _saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


def parts_of(model_folder: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers: anew each time, since an IP-Adapter changes them."""
    parts = dict(StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32).components)
    return parts | {"scheduler": EulerDiscreteScheduler.from_config(parts["scheduler"].config)}


def by_pipeline(pipeline: Any, request: GenerationRequest, **options: Any) -> Reals:
    pipeline.set_progress_bar_config(disable=True)
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        **told(request),
        output_type="np",
        **options,
    ).images[0]
    return np.asarray(pixels)

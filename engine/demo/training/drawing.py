"""Pictures of the demo's models, drawn as the engine's worker draws them: the same loader, tasks and step loop."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.demo.training.export import DEFAULTS, UPSCALER_DEFAULTS
from engine.demo.training.scenes import PICTURE
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.prompts.wildcards import Words
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.tasks.upscale import start_upscale
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.batching import RowCap
from engine.worker.device import choose_device
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.step_loop import StepLoop

TOGETHER = 8  # images in flight

Pixels = npt.NDArray[np.uint8]


class Drawer:
    """Draws prompts with the model of a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelBroken."""
        self._model = load_stable_diffusion("demo", folder, choose_device())

    def draw(self, asked: Sequence[tuple[str, int]]) -> Iterator[Pixels]:
        """A picture [256, 256, 3] for each prompt and seed, in their order. Raises what the step loop fails with."""
        for start in range(0, len(asked), TOGETHER):
            yield from self._together(asked[start : start + TOGETHER])

    def _together(self, asked: Sequence[tuple[str, int]]) -> Iterator[Pixels]:
        images = []
        for number, (prompt, seed) in enumerate(asked):
            request = GenerationRequest(
                model="demo",
                prompt=prompt,
                seed=seed,
                width=PICTURE,
                height=PICTURE,
                sampler=Sampler.DPMPP_2M,
                steps=int(DEFAULTS["steps"]),
                guidance_scale=DEFAULTS["guidance_scale"],
                guidance_end=DEFAULTS["guidance_end"],
                guidance_after=DEFAULTS["guidance_after"],
            )
            conditioning = condition(self._model, request, Words(prompt, ""))
            images.append(start_text_to_image(self._model, str(number), request, 0, conditioning))
        yield from _drawn(self._model, images)


class Upscaler:
    """Draws pictures anew, four times as large, with the model of a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelBroken."""
        self._model = load_stable_diffusion("demo-x4", folder, choose_device())

    def enlarge(self, picture: Image.Image, prompt: str, seed: int, **changes: Any) -> Pixels:
        """Pixels [4·h, 4·w, 3] of a picture of w × h, both multiples of 8, by the defaults but for `changes`.

        Raises what the step loop fails with.
        """
        fields = {"sampler": Sampler.DPMPP_2M, **UPSCALER_DEFAULTS} | changes
        request = GenerationRequest(
            task=Task.UPSCALE,
            model="demo-x4",
            prompt=prompt,
            seed=seed,
            width=picture.width,
            height=picture.height,
            **fields,
        )
        conditioning = condition(self._model, request, Words(prompt, ""))
        image = start_upscale(self._model, "0", request, 0, conditioning, picture)
        (drawn,) = _drawn(self._model, [image])
        return drawn if image.canvas is None else image.canvas.finished(drawn)


def _drawn(model: StableDiffusion, images: Sequence[ImageInFlight]) -> Iterator[Pixels]:
    loop = StepLoop(model=model, cap=RowCap(fixed=2 * TOGETHER))
    for image in images:
        loop.join(image)
    while loop.images:
        for _, error in loop.tick().failed:
            raise error
    for image in images:
        yield decode_latents(model, image.latents)

"""Pictures of the demo model, drawn as the engine's worker draws them: the same loader, tasks and step loop."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.demo.training.export import DEFAULTS
from engine.demo.training.scenes import PICTURE
from engine.models.loading import load_stable_diffusion
from engine.prompts.wildcards import Words
from engine.tasks.conditioning import condition
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler
from engine.worker.batching import RowCap
from engine.worker.device import choose_device
from engine.worker.pixels import decode_latents
from engine.worker.step_loop import StepLoop

TOGETHER = 8  # images in flight


class Drawer:
    """Draws prompts with the model of a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelBroken."""
        self._model = load_stable_diffusion("demo", folder, choose_device())

    def draw(self, asked: Sequence[tuple[str, int]]) -> Iterator[npt.NDArray[np.uint8]]:
        """A picture [256, 256, 3] for each prompt and seed, in their order. Raises what the step loop fails with."""
        for start in range(0, len(asked), TOGETHER):
            yield from self._together(asked[start : start + TOGETHER])

    def _together(self, asked: Sequence[tuple[str, int]]) -> Iterator[npt.NDArray[np.uint8]]:
        loop = StepLoop(model=self._model, cap=RowCap(fixed=2 * TOGETHER))
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
            loop.join(images[-1])
        while loop.images:
            for _, error in loop.tick().failed:
                raise error
        for image in images:
            yield decode_latents(self._model, image.latents)

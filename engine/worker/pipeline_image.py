"""One picture that diffusers' own pipeline draws."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.images.canvas import Canvas
from engine.models.pipeline_loading import CALLBACKS, parameters
from engine.prompts.wildcards import Words
from engine.worker.pixels import NotANumber


@dataclass(kw_only=True, eq=False)
class PipelineImage:
    """One picture that `pipeline` draws when it is called with `arguments`, and a CPU generator of its seed.

    `steps` is corrected when the first is done: the pipeline knows best. `drawn` are the pixels, [H, W, 3] in [0, 1].
    """

    job_id: str
    index: int
    seed: int
    words: Words
    pipeline: Any
    arguments: dict[str, Any]
    steps: int
    canvas: Canvas | None = None
    position: int = 0
    before: int = 0  # no other model has a part in it
    drawn: npt.NDArray[np.float32] | None = None

    @property
    def all_steps(self) -> int:
        return self.steps

    @property
    def done(self) -> bool:
        return self.drawn is not None

    def draw(self, pause: Callable[[], None]) -> None:
        """Call the pipeline, which pauses after each step but the last: decoding follows that one at once."""

        def stepped(step: int) -> None:
            self.steps = getattr(self.pipeline, "num_timesteps", None) or self.steps
            self.position = step + 1
            if self.position < self.steps:
                pause()

        result = self.pipeline(
            **self.arguments,
            **_callback(self.pipeline, stepped),
            generator=torch.Generator("cpu").manual_seed(self.seed),
            output_type="np",
        )
        self.drawn = result.images[0]
        self.position = self.steps

    def pixels(self) -> npt.NDArray[np.uint8]:
        """[H, W, 3], rounded as diffusers' `VaeImageProcessor`. Raises NotANumber."""
        assert self.drawn is not None  # it is done
        if not np.isfinite(self.drawn).all():
            raise NotANumber
        rounded: npt.NDArray[np.uint8] = (self.drawn * 255).round().astype(np.uint8)
        return rounded


def _callback(pipeline: Any, stepped: Callable[[int], None]) -> dict[str, Any]:
    """`stepped` in the form that the pipeline takes: diffusers has two of them."""

    def at_end(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        stepped(step)
        return tensors

    def older(step: int, _: Any, __: Any) -> None:
        stepped(step)

    return {CALLBACKS[0]: at_end} if CALLBACKS[0] in parameters(pipeline) else {CALLBACKS[1]: older}

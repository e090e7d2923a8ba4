"""One picture between noise and decode. It owns all that must not be shared: latents, scheduler, generator, place."""

import inspect
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import torch

from engine.images.canvas import Canvas
from engine.images.original import Original
from engine.prompts.conditioning import Conditioning
from engine.prompts.wildcards import Words
from engine.wire import SIDE_MULTIPLE, Hires, Seamless
from engine.worker.held import Held
from engine.worker.precision import Precision
from engine.worker.steering import Steering
from engine.worker.tiling import Tiling


@dataclass(kw_only=True, eq=False)
class ImageInFlight:
    """An image of a job on its way through the step loop.

    `latents` [1, 4, h, w] in float32; `timesteps` [n], of which `position` are done; `estimate` is the
    newest guess of the finished latents, for previews. `generator` is a CPU generator seeded for this
    image alone, so that its noise is the same on every device and in every batch. `embedding` is what the next
    step is conditioned on, [rows, tokens, width]: a schedule in the prompt changes it, and its length. `added` is
    what the network is told besides, by diffusers' names, [rows, …] each: SDXL alone is told something.
    Where a part of a picture is drawn anew, `canvas` is that picture; `held` keeps its other parts where the network
    sees no mask. Where a picture is enlarged and its colours are kept, the canvas is the small one.
    `shown` [1, c, h, w] is what the network is shown beside the latents: the mask and the known part, the depth, or
    the small picture that is enlarged, whose noise level is `class_label`.
    With a `tiling` a pass takes one tile, and a step is taken once all have had theirs: what the network predicts for
    them is blended into one prediction (MultiDiffusion, Bar-Tal et al. 2023, arXiv 2302.08113).
    With `seamless` axes the network sees the picture go on beyond an edge with the opposite one.
    `steering` are the pictures that steer it. For taking turns (`engine/worker/turns.py`) are `owner`, `joined` and
    `needed`. Where a refiner draws the last steps, `before` and `after` count those that are another model's.
    With `hires` it is the first of two passes.
    """

    job_id: str
    index: int
    seed: int
    latents: torch.Tensor
    scheduler: Any
    timesteps: torch.Tensor
    generator: torch.Generator
    guidance_scale: float
    conditioning: Conditioning
    held: Held | None = None
    shown: torch.Tensor | None = None
    canvas: Canvas | Original | None = None
    steering: tuple[Steering, ...] = ()
    hires: Hires | None = None
    before: int = 0
    after: int = 0
    class_label: int | None = None
    tiling: Tiling | None = None
    seamless: Seamless = Seamless.NONE
    owner: str = ""
    joined: int = 0
    needed: int = 0
    position: int = 0
    precision: Precision = Precision.USUAL
    estimate: torch.Tensor | None = None
    embedding: torch.Tensor = field(init=False, repr=False)
    added: dict[str, torch.Tensor] = field(init=False, repr=False)
    _step_options: dict[str, Any] = field(init=False, repr=False)
    _tiles: list[torch.Tensor] = field(init=False, repr=False, default_factory=list)  # of this step

    def __post_init__(self) -> None:
        accepted = inspect.signature(self.scheduler.step).parameters
        self._step_options = {"generator": self.generator} if "generator" in accepted else {}
        self._condition()

    @property
    def words(self) -> Words:
        """The texts that it is drawn from."""
        return Words(self.conditioning.prompt, self.conditioning.negative_prompt)

    @property
    def steps(self) -> int:
        """Ticks in all. PLMS takes one more than the steps asked for; img2img takes fewer."""
        return len(self.timesteps)

    @property
    def all_steps(self) -> int:
        """With those of the other model, where there is a refiner."""
        return self.before + self.steps + self.after

    @property
    def done(self) -> bool:
        return self.position >= self.steps

    @property
    def timestep(self) -> torch.Tensor:
        return self.timesteps[self.position]

    @property
    def rows(self) -> int:
        """Rows of the next pass: two with guidance (unconditional, conditional), else one; AND adds more."""
        return len(self.embedding)

    @property
    def left(self) -> int:
        """What it still needs, in rows × steps."""
        tiles = 1 if self.tiling is None else len(self.tiling.corners)
        these = range(self.before + self.position + 1, self.before + self.steps + 1)
        rows = self.conditioning.rows(these, self.all_steps)
        return rows * tiles - self.rows * len(self._tiles)

    @property
    def unconditional_rows(self) -> int:
        """How many of the rows, the first, are not what the prompt asks for: one, or none."""
        return self.rows - len(self.conditioning.weights)

    @property
    def steered_by(self) -> tuple[Steering, ...]:
        """What steers its next step."""
        position = self.before + self.position
        return tuple(each for each in self.steering if each.steers(position, self.all_steps))

    @property
    def shape(self) -> tuple[Hashable, ...]:
        """What a pass costs: latent size, conditioning length and width, precision, LoRAs and controls, its edges."""
        size = self.latents.shape[2:] if self.tiling is None else self.tiling.tile
        more = (int(self.precision), len(self.conditioning.adapters.for_unet), len(self.steered_by))
        edges = () if self.seamless is Seamless.NONE else (str(self.seamless),)
        return (self.latents.shape[1], *size, *self.embedding.shape[1:], *more, *edges)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Images with equal keys can share their next pass: of one shape, with the same LoRAs and controls."""
        controls = (each.key for each in self.steered_by)
        return (*self.shape, *self.conditioning.adapters.unet_key, *controls)

    def model_input(self) -> torch.Tensor:
        """The rows for the network, [rows, 4, h, w], with the channels of `shown` behind; of the next tile alone."""
        scaled: torch.Tensor = self.scheduler.scale_model_input(self.latents, self.timestep)
        if self.shown is not None:
            scaled = torch.cat([scaled, self.shown], dim=1)
        if self.tiling is not None:
            scaled = self.tiling.cut(scaled, len(self._tiles))
        return scaled.expand(self.rows, -1, -1, -1)

    def advance(self, prediction: torch.Tensor) -> None:
        """Take this image's own scheduler step from the network's prediction, [rows, 4, h, w]."""
        step = self.before + self.position + 1
        scale = self.conditioning.scale(self.guidance_scale, step, self.all_steps)
        prediction = self.conditioning.combine(prediction, scale)
        if self.tiling is not None:
            self._tiles.append(prediction)
            if len(self._tiles) < len(self.tiling.corners):
                return
            prediction = self.tiling.joined(self._tiles)
            self._tiles.clear()
        result = self.scheduler.step(prediction, self.timestep, self.latents, **self._step_options)
        self.latents = result.prev_sample
        self.estimate = self._estimate_from(result)
        self.position += 1
        if self.held is not None:
            following = None if self.done else self.timesteps[self.position : self.position + 1]
            self.latents = self.held.put_back(self.latents, self.scheduler, following)
        if not self.done:
            self._condition()

    def _condition(self) -> None:
        height, width = (SIDE_MULTIPLE * cells for cells in self.latents.shape[-2:])
        step, steps = self.before + self.position + 1, self.all_steps
        self.embedding = self.conditioning.at(step, steps)
        self.added = self.conditioning.added(step, steps, (width, height))

    def _estimate_from(self, result: Any) -> torch.Tensor:
        """The finished latents as the sampler sees them now; the noisy ones where it does not say."""
        for name in ("pred_original_sample", "denoised"):
            if getattr(result, name, None) is not None:
                guess: torch.Tensor = getattr(result, name)
                return guess
        outputs = getattr(
            self.scheduler, "model_outputs", None
        )  # multistep solvers keep their x0 predictions
        newest: torch.Tensor | None = outputs[-1] if outputs else None
        return self.latents if newest is None else newest

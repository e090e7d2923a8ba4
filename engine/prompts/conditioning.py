"""What one image is conditioned on, at every step: which texts, as which rows, and how their predictions combine."""

from collections.abc import Iterator
from typing import Protocol

import torch

from engine.models.adapters import Adapters
from engine.prompts import composition, loras, schedules
from engine.prompts.chunks import Chunk

Size = tuple[int, int]  # width and height of a picture, in pixels
Interval = tuple[float, float]  # of the steps, as fractions
ALL_STEPS: Interval = (0.0, 1.0)


class Reading(Protocol):
    @property
    def chunks(self) -> tuple[Chunk, ...]: ...
    @property
    def tokens(self) -> int: ...
    @property
    def cut(self) -> str: ...


class Encoder(Protocol):
    """`engine.prompts.encoding.PromptEncoder`, as far as it is needed here."""

    def read(self, text: str) -> Reading: ...
    def embed(
        self, text: str, *, chunks: int, clip_skip: int, unconditional: bool = False
    ) -> torch.Tensor: ...
    def added(
        self, text: str, *, clip_skip: int, size: Size, unconditional: bool
    ) -> dict[str, torch.Tensor]: ...


class Conditioning:
    """The prompts of one image, with every wildcard chosen.

    `prompt` and `negative_prompt` are the texts, `weights` those of the parts that AND joins. The rows of a
    forward pass are the unconditional one (without guidance there is none) and one for each part. A
    composition always has the unconditional row; where there is no guidance its scale is 1. Guidance acts on the
    steps within `interval`, and with the scale `after` on those behind it. `adapters` are what the network
    computes with meanwhile; `encoder` knows them already.
    """

    def __init__(
        self,
        encoder: Encoder,
        prompt: str,
        negative_prompt: str,
        *,
        guided: bool,
        interval: Interval = ALL_STEPS,
        after: float = 1.0,
        clip_skip: int = 1,
        adapters: Adapters | None = None,
    ) -> None:
        parts = composition.parts(loras.take_out(prompt)[0])
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.weights = tuple(part.weight for part in parts)
        self.adapters = adapters or Adapters()
        self._encoder = encoder
        self._clip_skip = clip_skip
        self._guided = guided
        self._interval = interval
        self._after = after
        self._conditional = [schedules.parse(part.text) for part in parts]
        self._unconditional = []
        if guided or len(parts) > 1:
            self._unconditional.append(schedules.parse(loras.take_out(negative_prompt)[0]))
        self._told: tuple[tuple[list[tuple[str, bool]], Size], dict[str, torch.Tensor]] | None = None
        self._newest: tuple[list[tuple[str, bool]], torch.Tensor] | None = None

    def rows(self, these: range, steps: int) -> int:
        """Rows of the forward passes of these steps, from 1, of `steps`."""
        always = self._interval == ALL_STEPS or not self._guided
        contrasting = len(these) if always else sum(self._contrasts(step, steps) for step in these)
        return len(these) * len(self._conditional) + contrasting * len(self._unconditional)

    def guides(self, step: int, steps: int) -> bool:
        """Whether guidance acts on step `step` of `steps`, from 1: on the whole of it, as diffusers counts."""
        start, end = self._interval
        return self._guided and (step - 1) / steps >= start and step / steps <= end

    def scale(self, guidance_scale: float, step: int, steps: int) -> float:
        """Of guidance at step `step` of `steps`, from 1; 1 where there is none."""
        if self.guides(step, steps):
            return guidance_scale
        return self._after if self._is_behind(step, steps) else 1.0

    @torch.inference_mode()
    def at(self, step: int, steps: int) -> torch.Tensor:
        """The rows for step `step` of `steps`, from 1: [rows, tokens, width], the unconditional one first.

        All are as long as the longest: empty chunks follow the others, since a pass has one length.
        """
        texts = self._texts(step, steps)
        if self._newest is None or self._newest[0] != texts:
            chunks = max(len(self._encoder.read(text).chunks) for text, _ in texts)
            rows = [
                self._encoder.embed(
                    text, chunks=chunks, clip_skip=self._clip_skip, unconditional=unconditional
                )
                for text, unconditional in texts
            ]
            self._newest = (texts, torch.cat(rows))
        return self._newest[1]

    @torch.inference_mode()
    def added(self, step: int, steps: int, size: Size) -> dict[str, torch.Tensor]:
        """What the network is told besides, for a picture of `size`: by diffusers' names, [rows, …] each.

        Only SDXL is told anything: `text_embeds` and `time_ids`.
        """
        key = self._texts(step, steps), size
        if self._told is None or self._told[0] != key:
            rows = [
                self._encoder.added(text, clip_skip=self._clip_skip, size=size, unconditional=unconditional)
                for text, unconditional in key[0]
            ]
            self._told = (key, {name: torch.cat([row[name] for row in rows]) for name in rows[0]})
        return self._told[1]

    def _contrasts(self, step: int, steps: int) -> bool:
        """Whether a step has the unconditional row: what AND joins always needs it."""
        lingers = self._after > 1 and self._is_behind(step, steps)
        return self.guides(step, steps) or lingers or len(self._conditional) > 1

    def _is_behind(self, step: int, steps: int) -> bool:
        return self._guided and step / steps > self._interval[1]

    def _texts(self, step: int, steps: int) -> list[tuple[str, bool]]:
        """The text of each row at this step, and whether it is the unconditional one."""
        unconditional = self._unconditional if self._contrasts(step, steps) else []
        return [(each.at(step, steps), True) for each in unconditional] + [
            (each.at(step, steps), False) for each in self._conditional
        ]

    def combine(self, prediction: torch.Tensor, scale: float) -> torch.Tensor:
        """The predictions of a step's rows as one, [1, 4, h, w]: u + Σ weight × scale × (c - u)."""
        if len(prediction) == 1:
            return prediction
        unconditional, *conditional = prediction.chunk(len(prediction))
        combined = unconditional
        for weight, each in zip(self.weights, conditional, strict=True):
            combined = combined + weight * scale * (each - unconditional)
        return combined

    def cuts(self, steps: int) -> Iterator[tuple[str, Reading]]:
        """The field and the reading of each text that is longer than is read, at the first or the last step."""
        fields = (("negative_prompt", self._unconditional), ("prompt", self._conditional))
        for field, texts in fields:
            for text in dict.fromkeys(each.at(step, steps) for each in texts for step in (1, steps)):
                reading = self._encoder.read(text)
                if reading.cut:
                    yield field, reading

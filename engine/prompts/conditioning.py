"""What one image is conditioned on, at every step: which texts, as which rows, and how their predictions combine."""

from collections.abc import Iterator
from typing import Protocol

import torch

from engine.prompts import composition, loras, schedules
from engine.prompts.chunks import Chunk

Size = tuple[int, int]  # width and height of a picture, in pixels


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
    composition always has the unconditional row; where there is no guidance its scale is 1.
    """

    def __init__(
        self, encoder: Encoder, prompt: str, negative_prompt: str, *, guided: bool, clip_skip: int = 1
    ) -> None:
        parts = composition.parts(loras.take_out(prompt)[0])
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.weights = tuple(part.weight for part in parts)
        self._encoder = encoder
        self._clip_skip = clip_skip
        self._guided = guided
        self._conditional = [schedules.parse(part.text) for part in parts]
        self._unconditional = []
        if guided or len(parts) > 1:
            self._unconditional.append(schedules.parse(loras.take_out(negative_prompt)[0]))
        self._told: tuple[tuple[list[tuple[str, bool]], Size], dict[str, torch.Tensor]] | None = None
        self._newest: tuple[list[tuple[str, bool]], torch.Tensor] | None = None

    @property
    def rows(self) -> int:
        """Rows of a forward pass, the same at every step."""
        return len(self._unconditional) + len(self._conditional)

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

    def _texts(self, step: int, steps: int) -> list[tuple[str, bool]]:
        """The text of each row at this step, and whether it is the unconditional one."""
        return [(each.at(step, steps), True) for each in self._unconditional] + [
            (each.at(step, steps), False) for each in self._conditional
        ]

    def combine(self, prediction: torch.Tensor, guidance_scale: float) -> torch.Tensor:
        """The rows' predictions as one, [1, 4, h, w]: u + Σ weight × scale × (c - u)."""
        if not self._unconditional:
            return prediction
        unconditional, *conditional = prediction.chunk(self.rows)
        scale = guidance_scale if self._guided else 1.0
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

"""The step loop: every tick is one forward pass that several images in flight share.

    decide    which images can share the next pass, up to the measured cap
    run       one UNet forward over their rows, each row with its own timestep
    account   each image takes its own scheduler step

A new image joins at the next tick and a cancelled one leaves at the next tick. The network treats
its rows independently, so a picture does not depend on who shares its ticks (up to float rounding),
and it equals the one that diffusers' own pipeline draws from the same weights, seed and settings.
"""

import copy
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch

from engine.models.loading import StableDiffusion
from engine.worker.batching import RowCap, choose
from engine.worker.device import free_memory, wait_for
from engine.worker.flight import ImageInFlight
from engine.worker.turns import in_turn

log = logging.getLogger(__name__)

PROBE_S = 1.0  # measuring while nothing is to be drawn must not keep the next person waiting for longer


@dataclass(frozen=True)
class Tick:
    """What one tick did: the images that advanced, and those that failed with the error that stopped them."""

    advanced: list[ImageInFlight] = field(default_factory=list)
    failed: list[tuple[ImageInFlight, Exception]] = field(default_factory=list)


class StepLoop:
    """Images in flight of one loaded model, in the order in which they came."""

    def __init__(
        self, *, model: StableDiffusion, cap: RowCap, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.model = model
        self.images: list[ImageInFlight] = []
        self._cap = cap
        self._clock = clock
        self._work = 0  # rows × steps done in all
        self._samples: dict[Hashable, ImageInFlight] = {}  # one image of each key, to measure with

    def join(self, image: ImageInFlight, owner: str = "") -> None:
        """Take an image in: its turn depends on what else the owner has here. Without one its job counts."""
        image.owner, image.joined = owner or image.job_id, self._work
        self._samples.setdefault(image.key, copy.copy(image))
        self.images.append(image)

    def leave(self, job_id: str) -> None:
        """Take all images of a job out; those that share its ticks do not notice."""
        self.images = [image for image in self.images if image.job_id != job_id]

    def tick(self) -> Tick:
        """One forward pass. Images that are `done` afterwards have left the loop."""
        batch = self._decide()
        try:
            predictions = self._timed(batch)
        except torch.OutOfMemoryError as error:
            exhausted = error.with_traceback(None)  # the traceback would keep the memory alive
        except Exception as error:
            return self._fail_all(batch, error)
        else:
            return self._account(batch, predictions)
        return self._make_room(batch, exhausted)

    def _decide(self) -> list[ImageInFlight]:
        ordered = in_turn(self.images)
        return choose(ordered, self._cap.rows(ordered[0].key))

    def probe(self) -> bool:
        """Measure one pass that is not known yet and is short; False where there is none. For when nobody waits."""
        for key, image in self._samples.items():
            rows = self._cap.unknown(key)
            if rows and rows % image.rows == 0 and self._cap.estimate(key, rows) < PROBE_S:
                batch = [image] * (rows // image.rows)
                try:
                    self._timed(batch)
                except torch.OutOfMemoryError as error:
                    exhausted = error.with_traceback(None)
                else:
                    return True
                self._make_room(batch, exhausted)
                return True
        return False

    def _timed(self, batch: list[ImageInFlight]) -> torch.Tensor:
        """Run, and tell the cap how long it took.

        A GPU works behind our back: only waiting for it before and after gives its time. That costs some, so there
        it is done only while the cap still asks.
        """
        key = batch[0].key
        self._work += sum(image.rows for image in batch)
        place = self.model.device.place
        if place.type != "cpu" and self._cap.unknown(key) is None:
            return self._run(batch)
        wait_for(place)
        began = self._clock()
        predictions = self._run(batch)
        wait_for(place)
        self._cap.record(key, len(predictions), self._clock() - began)
        return predictions

    @torch.inference_mode()
    def _run(self, batch: list[ImageInFlight]) -> torch.Tensor:
        """The network's predictions for all rows of the batch, [rows, 4, h, w] in float32."""
        dtype = self.model.device.dtype
        timesteps = torch.stack([image.timestep.float() for image in batch for _ in range(image.rows)])
        prediction: torch.Tensor = self.model.unet(
            torch.cat([image.model_input() for image in batch]).to(dtype),
            timesteps.to(self.model.device.place),
            encoder_hidden_states=torch.cat([image.embedding for image in batch]),
            timestep_cond=self._guidance_rows(batch),
            class_labels=self._class_labels(batch),
            added_cond_kwargs=_added_rows(batch),
            return_dict=False,
        )[0]
        return prediction.float()

    def _guidance_rows(self, batch: list[ImageInFlight]) -> torch.Tensor | None:
        """Embedded guidance, [rows, width], for distilled networks that take it instead of a second row."""
        width = self.model.unet.config.time_cond_proj_dim
        if width is None:
            return None
        return guidance_embedding(
            torch.tensor([image.guidance_scale - 1 for image in batch for _ in range(image.rows)]), width
        ).to(self.model.device.place, self.model.device.dtype)

    def _class_labels(self, batch: list[ImageInFlight]) -> torch.Tensor | None:
        """Each row's own, [rows], for networks that have classes: the upscaler's are noise levels."""
        labels = [image.class_label for image in batch for _ in range(image.rows)]
        if self.model.unet.config.num_class_embeds is None:
            return None
        return torch.tensor(labels, device=self.model.device.place)

    @torch.inference_mode()
    def _account(self, batch: list[ImageInFlight], predictions: torch.Tensor) -> Tick:
        tick = Tick()
        for image, prediction in zip(batch, torch.split(predictions, [i.rows for i in batch]), strict=True):
            try:
                image.advance(prediction)
                tick.advanced.append(image)
            except Exception as error:  # one image's scheduler must not stop the others
                tick.failed.append((image, error))
        self._remove([image for image in batch if image.done] + [image for image, _ in tick.failed])
        return tick

    def _fail_all(self, batch: list[ImageInFlight], error: Exception) -> Tick:
        self._remove(batch)
        return Tick(failed=[(image, error) for image in batch])

    def _remove(self, leaving: list[ImageInFlight]) -> None:
        self.images = [image for image in self.images if image not in leaving]

    def _make_room(self, batch: list[ImageInFlight], error: Exception) -> Tick:
        """After an out-of-memory: the same images again in smaller ticks; one alone cannot be helped."""
        free_memory(self.model.device.place)
        if len(batch) == 1:
            return self._fail_all(batch, error)
        rows = sum(image.rows for image in batch)
        self._cap.shrink(batch[0].key, rows)
        left = self._cap.rows(batch[0].key)
        log.warning("a tick of %d rows did not fit into memory; at most %d from now on", rows, left)
        return Tick()


def _added_rows(batch: list[ImageInFlight]) -> dict[str, torch.Tensor] | None:
    """What the network is told beside the texts, by diffusers' names, [rows, …] each."""
    rows = {name: torch.cat([image.added[name] for image in batch]) for name in batch[0].added}
    return rows or None


def guidance_embedding(guidance: torch.Tensor, width: int) -> torch.Tensor:
    """Sinusoidal embedding of guidance scale - 1, [rows] to [rows, width], as LCM was distilled with.

    Luo et al. 2023 (arXiv 2310.04378), following the timestep embedding of google-research/vdm.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = 1000.0 * guidance[:, None] * frequencies[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.nn.functional.pad(embedding, (0, width % 2))

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
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, field

import torch

from engine.models import lora_layers
from engine.models.loading import StableDiffusion
from engine.models.vae import Vae
from engine.wire import Seamless
from engine.worker.batching import BUCKETS, RowCap, choose
from engine.worker.bucketed import compilations, eager
from engine.worker.decoding import Decoding, beside
from engine.worker.device import is_out_of_memory, wait_for
from engine.worker.flight import ImageInFlight
from engine.worker.ladder import Work
from engine.worker.passes import in_passes
from engine.worker.picture import Picture
from engine.worker.pixels import NotANumber, Pixels
from engine.worker.placement import Size, bytes_of
from engine.worker.precision import Precision, computing
from engine.worker.room import Room
from engine.worker.seamless import seamless
from engine.worker.steering import steered
from engine.worker.turns import in_turn

log = logging.getLogger(__name__)

PROBE_S = 1.0  # measuring while nothing is to be drawn must not keep the next person waiting for longer
SHAPES = 8  # of which an image is kept to measure with: those that came last


@dataclass(frozen=True)
class Tick:
    """What one tick did: the images that advanced, and those that failed with the error that stopped them."""

    advanced: list[Picture] = field(default_factory=list)
    failed: list[tuple[Picture, Exception]] = field(default_factory=list)


class StepLoop:
    """Images in flight of one loaded model, in the order in which they came. `room` is the memory they may take."""

    def __init__(
        self,
        *,
        model: StableDiffusion,
        cap: RowCap,
        room: Room | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model = model
        self.room = room or Room(model)
        self.images: list[ImageInFlight] = []
        self._cap = cap
        self._clock = clock
        self._work = 0  # rows × steps done in all
        begin, busy = beside(model.device.place), lambda: bool(self.images)
        self._decoding = Decoding(room=self.room, begin=begin, busy=busy)
        self._samples: dict[Hashable, ImageInFlight] = {}  # one image of each shape, to measure with

    def join(self, image: ImageInFlight, owner: str = "") -> None:
        """Take an image in: its turn depends on what else the owner has here. Without one its job counts."""
        if (rows := self.room.rows(self.size_of(image))) is not None:
            self._cap.hold(image.shape, rows)
        image.owner, image.joined, image.needed = owner or image.job_id, self._work, image.left
        if not image.steering and not image.conditioning.adapters.for_unet:  # it would keep them in memory
            self._samples.pop(image.shape, None)
            sample = self._samples[image.shape] = copy.copy(image)
            sample.canvas = sample.held = None  # a person's picture, which may be large
            if len(self._samples) > SHAPES:
                del self._samples[next(iter(self._samples))]
        self.images.append(image)

    def size_of(self, image: ImageInFlight) -> Size:
        """Of the picture that comes out, or of one of its tiles."""
        cells = image.latents.shape[-2:] if image.tiling is None else image.tiling.tile
        height, width = (side * self.model.vae_factor for side in cells)
        return width, height

    @property
    def bytes(self) -> int:
        """What the model's weights take."""
        return bytes_of(self.model)

    @property
    def on_device(self) -> bool:
        return self.room.on_device

    def enter(self) -> None:
        """Move the model in from the host's memory. Raises torch.OutOfMemoryError, or its like."""
        self.room.enter()

    def park(self) -> None:
        """Leave the device to others."""
        self.room.leave()

    def decode(self, image: ImageInFlight, vae: Vae | None = None) -> Generator[None, None, Pixels]:
        """The finished picture, decoded by the model's own autoencoder or `vae`; yields whenever steps may go on.

        Raises NotANumber.
        """
        model = self.model.with_vae(vae).with_tiling(image.seamless)
        return self._decoding.pixels(model, image, self.size_of(image))

    def notices(self, image: ImageInFlight) -> tuple[str, ...]:
        """What is to be said of how the picture had to be drawn."""
        return self.room.notices(self.size_of(image))

    def leave(self, job_id: str) -> None:
        """Take all images of a job out; those that share its ticks do not notice."""
        self.images = [image for image in self.images if image.job_id != job_id]

    def tick(self) -> Tick:
        """One forward pass. Images that are `done` afterwards have left the loop."""
        batch = self._decide()
        try:
            self.room.settle(self.size_of(batch[0]), Work.UNET)
            predictions = self._timed(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                return self._fail_all(batch, error)
            exhausted = error.with_traceback(None)  # the traceback would keep the memory alive
        else:
            return self._account(batch, predictions)
        return self._make_room(batch, exhausted)

    def _decide(self) -> list[ImageInFlight]:
        ordered = in_turn(self.images, self._work)
        return choose(ordered, self._cap.rows(ordered[0].shape))

    def probe(self) -> bool:
        """Measure one pass that is not known yet and is short; False where there is none. For when nobody waits."""
        for shape, image in self._samples.items():
            rows = self._cap.unknown(shape)
            if rows and rows % image.rows == 0 and self._cap.estimate(shape, rows) < PROBE_S:
                self._measure(image, rows)
                return True
        return False

    def _measure(self, image: ImageInFlight, rows: int) -> None:
        """A pass of which nothing is wanted but its time: where it fails, nobody's picture does."""
        batch = [image] * (rows // image.rows)
        try:
            self.room.settle(self.size_of(image), Work.UNET)
            self._timed(batch)
            return
        except torch.AcceleratorError:  # the device is lost
            raise
        except Exception as error:
            failed = error.with_traceback(None)  # the traceback would keep the memory alive
        if is_out_of_memory(failed):
            self._make_room(batch, failed)
            return
        log.error("a pass of %d rows could not be measured: %r", rows, failed)
        del self._samples[image.shape]
        if rows > BUCKETS[0]:
            self._cap.shrink(image.shape, rows)

    def _timed(self, batch: list[ImageInFlight]) -> torch.Tensor:
        """Run, and tell the cap how long it took.

        A GPU works behind our back: only waiting for it before and after gives its time. That costs some, so there
        it is done only while the cap still asks. What had to be compiled is no part of a pass.
        """
        key = batch[0].shape
        self._work += sum(image.rows for image in batch)
        place = self.model.device.place
        if place.type != "cpu" and self._cap.unknown(key) is None:
            return self._run(batch)
        wait_for(place)
        compiled, began = compilations(self.model.unet), self._clock()
        predictions = self._run(batch)
        wait_for(place)
        if compilations(self.model.unet) == compiled:
            self._cap.record(key, len(predictions), self._clock() - began)
        return predictions

    @torch.inference_mode()
    def _run(self, batch: list[ImageInFlight]) -> torch.Tensor:
        """The network's predictions for all rows of the batch, [rows, 4, h, w] in float32."""
        place, dtype = self.model.device.place, self.model.device.dtype
        lora_layers.apply(self.model.unet, batch[0].conditioning.adapters.for_unet, place)
        timesteps = torch.stack([image.timestep.float() for image in batch for _ in range(image.rows)])
        timesteps = timesteps.to(place)
        sample = torch.cat([image.model_input() for image in batch]).to(dtype)
        options = {
            "encoder_hidden_states": torch.cat([image.embedding for image in batch]),
            "timestep_cond": self._guidance_rows(batch),
            "class_labels": self._class_labels(batch),
            "added_cond_kwargs": _added_rows(batch),
        }
        precision, most = batch[0].precision, self._cap.most(batch[0].shape) or len(timesteps)
        edges = batch[0].seamless
        usual = precision is Precision.USUAL and edges is Seamless.NONE
        unet = self.model.unet if usual else eager(self.model.unet)
        steering = steered(unet, batch, most, sample, timesteps, options)
        with seamless(edges), computing(precision), steering as (unet, options):
            prediction: torch.Tensor = in_passes(unet, most, sample, timesteps, **options)[0]
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
        rows = [image.rows for image in batch]
        finite: list[bool] = torch.isfinite(predictions).flatten(1).all(dim=1).tolist()  # the tick's one wait
        for image, prediction in zip(batch, torch.split(predictions, rows), strict=True):
            whole, finite = finite[: image.rows], finite[image.rows :]
            if not all(whole):
                self._recompute(image, tick)
                continue
            try:
                image.advance(prediction)
                tick.advanced.append(image)
            except Exception as error:  # one image's scheduler must not stop the others
                tick.failed.append((image, error))
        self._remove([image for image in batch if image.done] + [image for image, _ in tick.failed])
        return tick

    def _recompute(self, image: ImageInFlight, tick: Tick) -> None:
        """NaN or infinity in one image's rows: the same step again, and all that follow, in higher precision."""
        precision = image.precision.next_of(self.model.device.dtype)
        if precision is None:
            tick.failed.append((image, NotANumber()))
            return
        log.warning("job %s: no numbers at step %d; now %s", image.job_id, image.position + 1, precision.name)
        image.precision = precision

    def _fail_all(self, batch: list[ImageInFlight], error: Exception) -> Tick:
        self._remove(batch)
        return Tick(failed=[(image, error) for image in batch])

    def _remove(self, leaving: Sequence[Picture]) -> None:
        self.images = [image for image in self.images if image not in leaving]

    def _make_room(self, batch: list[ImageInFlight], error: Exception) -> Tick:
        """After an out-of-memory: the same step again in smaller passes, then a rung further down the ladder."""
        key = batch[0].shape
        rows = min(sum(image.rows for image in batch), self._cap.most(key) or BUCKETS[-1])
        if rows == 1:
            if not self.room.step_down(self.size_of(batch[0]), Work.UNET):
                return self._fail_all(batch, error)
            self._cap.release(key)
            return Tick()
        self.room.exhausted()
        self._cap.shrink(key, rows)
        log.warning("%d rows did not fit into memory; at most %s from now on", rows, self._cap.most(key))
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

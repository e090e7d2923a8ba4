"""From a job's request to its drawing: its images and what goes with them, for either kind of model."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine import own_pipelines
from engine.frames import Start
from engine.models.adapter_library import AdapterLibrary
from engine.models.control_loading import ControlNetwork
from engine.models.loading import StableDiffusion
from engine.models.vae import Vae
from engine.prompts.wildcards import Lines, Words, words_of
from engine.tasks.conditioning import condition
from engine.tasks.own_pipeline import pipeline_images, pipeline_notices
from engine.tasks.refine import leave_to_refiner, start_refinement
from engine.tasks.starting import start_images
from engine.tasks.steering import steer
from engine.wire import GenerationRequest
from engine.worker.decoders import KEY, Decoders
from engine.worker.drawing import Drawing, Plan
from engine.worker.flight import ImageInFlight
from engine.worker.judges import Jury
from engine.worker.ladder import Work
from engine.worker.notices import notices_of
from engine.worker.picture import Picture
from engine.worker.pipeline_loop import PipelineLoop
from engine.worker.seamless import seamless
from engine.worker.shelf import Loop
from engine.worker.step_loop import StepLoop


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """`notices` are what the person is told, `hashes` those of each image's adapters, for its infotext."""

    images: list[Picture]
    notices: tuple[str, ...]
    hashes: tuple[dict[str, str], ...]
    vae: Vae | None = None


@dataclass(frozen=True, kw_only=True)
class Beginner:
    """`wildcards` gives the options of a file, `control` a network by which pictures steer, `decoders` who makes pixels
    of latents, and `plan` what follows the steps of images of which one is given.
    """

    wildcards: Lines
    adapters: AdapterLibrary
    control: Callable[[str], ControlNetwork]
    decoders: Decoders
    plan: Callable[[GenerationRequest, Picture], Plan]
    clock: Callable[[], float]

    def begin(self, loop: Loop, command: Start, jury: Jury) -> Drawing:
        """Raises Refusal, SamplerDoesNotFit, ModelBroken, torch.OutOfMemoryError, and OSError for a lost file."""
        request = command.request
        decoder = self.decoders.of(loop.model, request)
        begun = self._begun(loop, command)
        named = {} if decoder is None else {KEY: decoder.name}
        return Drawing(
            job_id=command.job,
            request=request,
            folder=command.folder,
            images=begun.images,
            notices=begun.notices,
            jury=jury,
            model_hash=loop.model.hash,
            hashes=tuple(each | named for each in begun.hashes),
            vae=begun.vae,
            decoder=decoder,
            plan=self.plan(request, begun.images[0]),
            clock=self.clock,
        )

    def _begun(self, loop: Loop, command: Start) -> _Begun:
        request = command.request
        lines = functools.cache(self.wildcards)  # a file is read once for a job
        words = [words_of(request, index, lines=lines) for index in range(request.candidates)]
        if isinstance(loop, PipelineLoop):
            return _by_pipeline(loop, command, words)
        assert isinstance(loop, StepLoop)
        return self._in_steps(loop, command, words)

    def _in_steps(self, loop: StepLoop, command: Start, words: list[Words]) -> _Begun:
        request = command.request
        size, work = (request.width, request.height), Work.TEXT if command.input is None else Work.VAE
        vae = loop.room.run(size, Work.LOAD, lambda: self._vae(loop.model, request))
        model = loop.model.with_vae(vae).with_tiling(request.tiling)
        images = loop.room.run(size, work, lambda: self._started(model, command, words), vae=model.vae)
        leave_to_refiner(images, request.refiner)
        if request.controls:
            with seamless(request.tiling):
                steering = partial(steer, images, command, model=model, load=self.control)
                loop.room.run(size, Work.CONTROL, steering)
        return _Begun(
            images=[*images],
            notices=notices_of(model, images),
            hashes=tuple(_hashes(image, vae) for image in images),
            vae=vae,
        )

    def _vae(self, model: StableDiffusion, request: GenerationRequest) -> Vae | None:
        return None if request.vae is None else self.adapters.vae(model, request.vae)

    def _started(self, model: StableDiffusion, command: Start, words: list[Words]) -> list[ImageInFlight]:
        """Wildcards may have put adapters in that the front has not seen."""
        request = command.request
        conditionings = [
            condition(model, request, each, self.adapters.adapters(model, each)) for each in words
        ]
        return start_images(model, command, conditionings)


def refined(loop: StepLoop, drawing: Drawing, image: ImageInFlight) -> ImageInFlight:
    """The image as the refiner in `loop` goes on with it; it has taken its place in the drawing."""
    start = partial(start_refinement, loop.model, drawing.request, image)
    going_on = loop.room.run(loop.size_of(image), Work.TEXT, start)
    drawing.images[drawing.images.index(image)] = going_on
    return going_on


def _by_pipeline(loop: PipelineLoop, command: Start, words: list[Words]) -> _Begun:
    for each in words:  # wildcards may have put a LoRA in
        own_pipelines.check_loras(each, loop.model.name)
    images = pipeline_images(loop.model, command, words)
    notices = pipeline_notices(loop.model, command.request)
    return _Begun(images=[*images], notices=notices, hashes=({},) * len(images))


def _hashes(image: ImageInFlight, vae: Vae | None) -> dict[str, str]:
    return image.conditioning.adapters.hashes() | ({} if vae is None else {"VAE hash": vae.hash})

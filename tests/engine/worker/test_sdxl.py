"""SDXL in the step loop is judged by diffusers: base, refiner and inpainting networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.inpaint import start_inpaint
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_sdxl import Kind, make_tiny_sdxl
from tests.engine.worker.equality import EXACT, plain_scheduler, told

Ask = Callable[..., GenerationRequest]
Reals = npt.NDArray[np.float32]

PIPELINES = {
    "StableDiffusionXLPipeline": StableDiffusionXLPipeline,
    "StableDiffusionXLImg2ImgPipeline": StableDiffusionXLImg2ImgPipeline,
    "StableDiffusionXLInpaintPipeline": StableDiffusionXLInpaintPipeline,
}
COMPARED = (
    *(Sampler.EULER, Sampler.EULER_A, Sampler.DPMPP_2M, Sampler.DDIM),
    *(Sampler.LCM, Sampler.TCD),
)


class Tiny:
    """One tiny SDXL, as the engine has it and as diffusers has it, loaded independently."""

    def __init__(self, folder: Path, kind: Kind, *, zeroes_empty: bool = True) -> None:
        make_tiny_sdxl(folder, kind, zeroes_empty=zeroes_empty)
        self.kind = kind
        self.model = load_stable_diffusion(folder.name, folder, EXACT)
        self._pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)

    def pipeline(self, kind: Any, sampler: Sampler = Sampler.EULER) -> Any:
        parts = dict(self._pipeline.components)
        parts["scheduler"] = plain_scheduler(sampler, parts["scheduler"])
        settings = {"force_zeros_for_empty_prompt": self._pipeline.config.force_zeros_for_empty_prompt}
        if kind is not StableDiffusionXLPipeline:
            settings["requires_aesthetics_score"] = self.kind == "refiner"
        pipeline = kind(**parts, **settings, add_watermarker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(tmp_path_factory.mktemp("models") / "base", "base")


@pytest.fixture(scope="module")
def refiner(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(tmp_path_factory.mktemp("models") / "refiner", "refiner", zeroes_empty=False)


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(tmp_path_factory.mktemp("models") / "inpainting", "inpainting")


@pytest.fixture
def plainly(ask: Ask) -> Ask:
    """A request as diffusers' pipelines draw it."""
    return lambda **changes: ask(**({"schedule": Schedule.NORMAL, "steps": 4} | changes))


def start(
    model: StableDiffusion,
    request: GenerationRequest,
    picture: Image.Image | None = None,
    mask: Image.Image | None = None,
) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt,
        request.negative_prompt,
        guided=request.guidance_scale > 1,
        clip_skip=request.clip_skip or 1,
    )
    job = f"job-{request.seed}"
    if picture is None:
        return start_text_to_image(model, job, request, 0, conditioning)
    if mask is None:
        return start_image_to_image(model, job, request, 0, conditioning, picture)
    return start_inpaint(model, job, request, 0, conditioning, Canvas.of(request, picture, mask))


def drawn(model: StableDiffusion, *images: ImageInFlight, cap: int = 16) -> list[Reals]:
    """What the step loop draws together, as pixels in [0, 1]."""
    loop = StepLoop(model=model, cap=RowCap(fixed=cap))
    for image in images:
        loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    with torch.inference_mode():
        factor = model.vae.config.scaling_factor
        decoded = [model.vae.decode(image.latents / factor).sample[0] for image in images]
    return [(each / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() for each in decoded]


def by_diffusers(pipeline: Any, request: GenerationRequest, **special: Any) -> Reals:
    if not isinstance(pipeline, StableDiffusionXLImg2ImgPipeline):
        special |= {"width": request.width, "height": request.height}
    if "image" in special:
        special["strength"] = request.strength
    if "prompt_embeds" not in special:
        # No negative prompt is None to diffusers, and the empty one to us.
        special |= {"prompt": request.prompt, "negative_prompt": request.negative_prompt or None}
    pixels = pipeline(
        **told(request),
        output_type="np",
        eta=0.3 if request.sampler is Sampler.TCD else 0.0,  # its authors' gamma
        **special,
    ).images[0]
    return np.asarray(pixels)


def assert_equal(ours: Reals, theirs: Reals) -> None:
    assert np.abs(ours - theirs).max() <= 1e-4


@pytest.mark.parametrize("negative", ["blurry", ""])
@pytest.mark.parametrize("sampler", COMPARED)
def test_a_picture_from_words_equals_the_pipelines(
    base: Tiny, plainly: Ask, sampler: Sampler, negative: str
) -> None:
    request = plainly(sampler=sampler, negative_prompt=negative)
    expected = by_diffusers(base.pipeline(StableDiffusionXLPipeline, sampler), request)
    assert_equal(drawn(base.model, start(base.model, request))[0], expected)


@pytest.mark.parametrize(("width", "height", "scale"), [(72, 104, 5.0), (64, 64, 1.0), (128, 64, 1.0)])
def test_other_sizes_and_no_guidance_equal_the_pipelines(
    base: Tiny, plainly: Ask, width: int, height: int, scale: float
) -> None:
    request = plainly(width=width, height=height, guidance_scale=scale)
    expected = by_diffusers(base.pipeline(StableDiffusionXLPipeline), request)
    assert_equal(drawn(base.model, start(base.model, request))[0], expected)


@pytest.mark.parametrize("sampler", COMPARED)
@pytest.mark.parametrize("which", ["base", "refiner"])
def test_a_picture_from_a_picture_equals_the_pipelines(
    plainly: Ask, picture: Image.Image, sampler: Sampler, which: str, request: pytest.FixtureRequest
) -> None:
    tiny: Tiny = request.getfixturevalue(which)
    asked = plainly(task=Task.IMG2IMG, strength=0.7, sampler=sampler, steps=6)
    pipeline = tiny.pipeline(StableDiffusionXLImg2ImgPipeline, sampler)
    expected = by_diffusers(pipeline, asked, image=picture)
    assert_equal(drawn(tiny.model, start(tiny.model, asked, picture))[0], expected)


@pytest.mark.parametrize("strength", [1.0, 0.7])
@pytest.mark.parametrize("which", ["base", "refiner", "inpainting"])
def test_an_inpainted_picture_equals_the_pipelines(
    plainly: Ask,
    picture: Image.Image,
    mask: Image.Image,
    strength: float,
    which: str,
    request: pytest.FixtureRequest,
) -> None:
    tiny: Tiny = request.getfixturevalue(which)
    for sampler in COMPARED:
        asked = plainly(task=Task.INPAINT, strength=strength, sampler=sampler)
        pipeline = tiny.pipeline(StableDiffusionXLInpaintPipeline, sampler)
        expected = by_diffusers(pipeline, asked, image=picture, mask_image=mask)
        assert_equal(drawn(tiny.model, start(tiny.model, asked, picture, mask))[0], expected)

"""A refiner draws the last steps of a picture as diffusers' ensemble of experts does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from engine.errors import Refusal
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.refine import leave_to_refiner, start_refinement
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Refiner, Sampler, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_sdxl import make_tiny_sdxl
from tests.engine.worker.equality import EXACT, plain_scheduler

Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_tiny_sdxl(folder / "base")
    make_tiny_sdxl(folder / "refiner", "refiner", zeroes_empty=False)
    return folder


@pytest.fixture(scope="module")
def base(folder: Path) -> StableDiffusion:
    return load_stable_diffusion("base", folder / "base", EXACT)


@pytest.fixture(scope="module")
def refiner(folder: Path) -> StableDiffusion:
    return load_stable_diffusion("refiner", folder / "refiner", EXACT)


@pytest.fixture
def refined(ask: Ask) -> Ask:
    """A request with a refiner, as diffusers' pipelines draw it."""

    def make(switch_at: float = 0.6, **changes: object) -> GenerationRequest:
        refiner = Refiner(model="refiner", switch_at=switch_at)
        return ask(**({"schedule": Schedule.NORMAL, "refiner": refiner, "steps": 8} | changes))

    return make


def start(
    model: StableDiffusion, request: GenerationRequest, picture: Image.Image | None = None
) -> ImageInFlight:
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=request.guidance_scale > 1)
    if picture is None:
        image = start_text_to_image(model, "job", request, 0, words)
    else:
        image = start_image_to_image(model, "job", request, 0, words, picture)
    leave_to_refiner([image], request.refiner)
    return image


def finish(model: StableDiffusion, *images: ImageInFlight) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    for image in images:
        loop.join(image)
    while loop.images:
        assert not loop.tick().failed


def by_diffusers(
    folder: Path, request: GenerationRequest, picture: Image.Image | None = None
) -> torch.Tensor:
    """The latents of the base's pipeline and then the refiner's, with one generator."""
    assert request.refiner is not None
    words: dict[str, Any] = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    words |= {"guidance_scale": request.guidance_scale, "num_inference_steps": request.steps}
    words |= {"generator": torch.Generator("cpu").manual_seed(request.seed), "output_type": "latent"}
    latents: Any = picture
    for model in ("base", "refiner"):
        kind = StableDiffusionXLPipeline if latents is None else StableDiffusionXLImg2ImgPipeline
        pipeline = kind.from_pretrained(folder / model, dtype=torch.float32, add_watermarker=False)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.scheduler = plain_scheduler(request.sampler, pipeline.scheduler)
        special: dict[str, Any] = {"width": request.width, "height": request.height}
        if latents is not None:
            special = {"image": latents, "strength": request.strength or 0.3}
        special["denoising_end" if model == "base" else "denoising_start"] = request.refiner.switch_at
        latents = pipeline(**words, **special).images
    assert isinstance(latents, torch.Tensor)
    return latents


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Latents of random weights are some tens large: up to the same share of that as pixels in [0, 1]."""
    torch.testing.assert_close(ours, theirs, atol=1e-4 * max(1.0, float(theirs.abs().max())), rtol=0)


@pytest.mark.parametrize("sampler", [each for each in Sampler if each is not Sampler.TCD])
def test_a_refined_picture_equals_the_pipelines(
    base: StableDiffusion, refiner: StableDiffusion, folder: Path, refined: Ask, sampler: Sampler
) -> None:
    request = refined(sampler=sampler)
    image = start(base, request)
    finish(base, image)
    last = start_refinement(refiner, request, image)
    finish(refiner, last)
    assert_equal(last.latents, by_diffusers(folder, request))


def test_a_picture_that_began_as_one_is_refined_as_the_pipelines_do(
    base: StableDiffusion, refiner: StableDiffusion, folder: Path, refined: Ask
) -> None:
    request = refined(task=Task.IMG2IMG, strength=0.8, steps=12)
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    image = start(base, request, picture)
    finish(base, image)
    last = start_refinement(refiner, request, image)
    finish(refiner, last)
    assert_equal(last.latents, by_diffusers(folder, request, picture))


def test_the_steps_are_shared_out_and_a_schedule_in_the_prompt_counts_all_of_them(
    base: StableDiffusion, refiner: StableDiffusion, refined: Ask
) -> None:
    request = refined(switch_at=0.75, prompt="a [cat:dog:0.75]")
    image = start(base, request)
    assert (image.steps, image.after, image.all_steps) == (6, 2, 8)
    cat = image.embedding
    finish(base, image)
    assert torch.equal(image.embedding, cat)
    last = start_refinement(refiner, request, image)
    assert (last.before, last.steps, last.all_steps) == (6, 2, 8)
    dog = refiner.prompts.encode("a dog", request.negative_prompt, guided=True)
    assert torch.equal(last.embedding, dog.at(1, 1))


@pytest.mark.parametrize(
    ("switch_at", "schedule", "left"),
    [(0.05, Schedule.NORMAL, "the model itself"), (0.95, Schedule.SGM_UNIFORM, "the refiner")],
)
def test_a_switch_that_leaves_one_of_the_two_no_step_is_refused(
    base: StableDiffusion, refined: Ask, switch_at: float, schedule: Schedule, left: str
) -> None:
    request = refined(switch_at=switch_at, sampler=Sampler.DDIM, schedule=schedule)
    with pytest.raises(Refusal, match=f"switch_at must leave a step to {left}; of 8 steps") as caught:
        start(base, request)
    assert caught.value.body.field == "refiner"

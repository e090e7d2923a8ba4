"""The prompt language on SDXL, judged by diffusers' pipeline, and by a loop written by hand where that has no words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from PIL import Image

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.image_to_image import start_image_to_image
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_sdxl import make_tiny_sdxl
from tests.engine.worker.equality import EXACT, told

Ask = Callable[..., GenerationRequest]
Encoded = tuple[torch.Tensor, torch.Tensor]  # the tokens' embeddings and the pooled one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    make_tiny_sdxl(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> StableDiffusion:
    return load_stable_diffusion("base", folder, EXACT)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Any:
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, dtype=torch.float32, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def plainly(ask: Ask) -> Ask:
    """A request as the pipeline above draws it."""
    return lambda **changes: ask(**({"schedule": Schedule.NORMAL, "steps": 4} | changes))


def start(
    model: StableDiffusion, request: GenerationRequest, picture: Image.Image | None = None
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
    return start_image_to_image(model, job, request, 0, conditioning, picture)


def finish(model: StableDiffusion, *images: ImageInFlight, cap: int = 16) -> list[torch.Tensor]:
    """The finished latents of images that are drawn together."""
    loop = StepLoop(model=model, cap=RowCap(fixed=cap))
    for image in images:
        loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return [image.latents for image in images]


def draw(model: StableDiffusion, request: GenerationRequest) -> torch.Tensor:
    return finish(model, start(model, request))[0]


def encoded(pipeline: Any, text: str, clip_skip: int | None = None) -> Encoded:
    """A text as diffusers encodes it: as a positive one, so that the empty one is no zeros."""
    tokens, _, pooled, _ = pipeline.encode_prompt(
        text, device="cpu", do_classifier_free_guidance=False, clip_skip=clip_skip
    )
    return tokens, pooled


def by_diffusers(
    pipeline: Any, request: GenerationRequest, positive: Encoded, negative: Encoded, **options: Any
) -> torch.Tensor:
    latents = pipeline(
        prompt_embeds=positive[0],
        pooled_prompt_embeds=positive[1],
        negative_prompt_embeds=negative[0],
        negative_pooled_prompt_embeds=negative[1],
        width=request.width,
        height=request.height,
        **told(request),
        output_type="latent",
        **options,
    ).images
    assert isinstance(latents, torch.Tensor)
    return latents


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Latents of random weights are some tens large: up to the same share of that as pixels in [0, 1]."""
    torch.testing.assert_close(ours, theirs, atol=1e-4 * max(1.0, float(theirs.detach().abs().max())), rtol=0)


def test_a_long_prompt_equals_the_pipeline_that_is_given_its_chunks_and_the_pooled_first(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(prompt="cat " * 75 + "dog bird")
    first, second = encoded(pipeline, "cat " * 75), encoded(pipeline, "dog bird")
    negative, nothing = encoded(pipeline, request.negative_prompt), encoded(pipeline, "")
    expected = by_diffusers(
        pipeline,
        request,
        (torch.cat([first[0], second[0]], dim=1), first[1]),
        (torch.cat([negative[0], nothing[0]], dim=1), negative[1]),
    )
    assert_equal(draw(model, request), expected)


def test_no_negative_prompt_is_zeros_however_long_the_prompt_is(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(prompt="a cat BREAK a dog", negative_prompt="")
    first, second = encoded(pipeline, "a cat"), encoded(pipeline, "a dog")
    positive = torch.cat([first[0], second[0]], dim=1), first[1]
    zeros = torch.zeros_like(positive[0]), torch.zeros_like(positive[1])
    assert_equal(draw(model, request), by_diffusers(pipeline, request, positive, zeros))


def test_where_the_model_says_so_no_negative_prompt_is_the_embedding_of_no_words(
    plainly: Ask, tmp_path: Path
) -> None:
    make_tiny_sdxl(tmp_path / "base", zeroes_empty=False)
    model = load_stable_diffusion("base", tmp_path / "base", EXACT)
    request = plainly(negative_prompt="")
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "base", add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    expected = by_diffusers(pipeline, request, encoded(pipeline, request.prompt), encoded(pipeline, ""))
    assert_equal(draw(model, request), expected)


@pytest.mark.parametrize(("clip_skip", "theirs"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_clip_skip_counts_from_the_last_layer_and_the_last_is_never_used(
    model: StableDiffusion, pipeline: Any, plainly: Ask, clip_skip: int, theirs: int
) -> None:
    request = plainly(clip_skip=clip_skip)
    positive = encoded(pipeline, request.prompt, theirs)
    negative = encoded(pipeline, request.negative_prompt, theirs)
    assert_equal(draw(model, request), by_diffusers(pipeline, request, positive, negative))


def test_a_schedule_equals_the_pipeline_whose_prompt_is_changed_at_that_step(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(prompt="a [cat:dog:2]")
    cat, dog, negative = (encoded(pipeline, text) for text in ("a cat", "a dog", request.negative_prompt))
    changed = {
        "prompt_embeds": torch.cat([negative[0], dog[0]]),
        "add_text_embeds": torch.cat([negative[1], dog[1]]),
    }

    def change(pipe: Any, step: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        del pipe, timestep
        return changed if step == 1 else tensors  # after the second step

    expected = by_diffusers(
        pipeline,
        request,
        cat,
        negative,
        callback_on_step_end=change,
        callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
    )
    assert_equal(draw(model, request), expected)


def test_emphasis_weighs_each_encoders_embeddings_by_themselves_and_not_the_pooled_one(
    model: StableDiffusion, pipeline: Any
) -> None:
    (plain, pooled), width = encoded(pipeline, "a red cat"), 16  # of the first encoder
    weights = torch.ones(77)
    weights[2] = 1.5  # begin, "a", "red"
    loud = model.prompts.encode("a (red:1.5) cat", "", guided=False)
    for ours, theirs in zip(
        (loud.at(1, 1)[..., :width], loud.at(1, 1)[..., width:]),
        (plain[..., :width], plain[..., width:]),
        strict=True,
    ):
        raised = theirs * weights[None, :, None]
        assert_equal(ours, raised * (theirs.mean() / raised.mean()))
    assert_equal(loud.added(1, 1, (64, 64))["text_embeds"], pooled)


def by_hand(model: StableDiffusion, pipeline: Any, request: GenerationRequest, scale: float) -> torch.Tensor:
    """Composable diffusion of "a cat" and "a dog" at half weight, one row at a time."""
    texts = [encoded(pipeline, text) for text in (request.negative_prompt, "a cat", "a dog")]
    scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(request.steps)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    latents: torch.Tensor = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    ids = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]])
    with torch.inference_mode():
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            u, c, d = (
                model.unet(
                    scaled, timestep, tokens, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}
                ).sample
                for tokens, pooled in texts
            )
            latents = scheduler.step(
                u + scale * ((c - u) + 0.5 * (d - u)), timestep, latents, generator=generator
            ).prev_sample
    return latents


def test_a_composition_equals_a_loop_written_by_hand(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(prompt="a cat AND a dog :0.5")
    assert_equal(draw(model, request), by_hand(model, pipeline, request, 7.5))


def test_pictures_of_all_kinds_share_their_ticks_and_equal_those_drawn_alone(
    model: StableDiffusion, ask: Ask
) -> None:
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    requests = [
        (ask(seed=1, prompt="a cat"), None),
        (ask(seed=2, prompt="a cat AND a (dog:1.4)", sampler=Sampler.EULER_A), None),
        (ask(seed=3, guidance_scale=1.0, sampler=Sampler.PLMS), None),
        (ask(seed=4, negative_prompt="", steps=9), None),
        (ask(seed=5, task=Task.IMG2IMG, strength=0.9), picture),
    ]
    loop = StepLoop(model=model, cap=RowCap(fixed=16))
    for each in requests:
        loop.join(start(model, *each))
    assert len(loop.tick().advanced) == len(requests)
    alone = [finish(model, start(model, *each))[0] for each in requests]
    for cap in (2, 16):
        together = finish(model, *(start(model, *each) for each in requests), cap=cap)
        for one, other in zip(together, alone, strict=True):
            assert_equal(one, other)


def test_each_picture_is_told_its_own_size(model: StableDiffusion, ask: Ask) -> None:
    requests = [ask(seed=1, width=64, height=128), ask(seed=2, width=128, height=64), ask(seed=3)]
    images = [start(model, request) for request in requests]
    told = [image.added["time_ids"].tolist() for image in images]
    assert told == [[[h, w, 0, 0, h, w]] * 2 for w, h in ((64, 128), (128, 64), (64, 64))]
    alone = [finish(model, start(model, request))[0] for request in requests]
    for one, other in zip(finish(model, *images), alone, strict=True):
        assert_equal(one, other)

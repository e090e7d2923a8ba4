"""The prompt language inside the step loop, judged by diffusers' pipeline and by a loop written by hand."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from engine.models.loading import StableDiffusion
from engine.prompts.conditioning import Conditioning
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest, Sampler, Schedule
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.worker.equality import told

Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module")
def pipeline(model_folder: Path) -> Any:
    """diffusers' pipeline of the same weights, with the Euler sampler."""
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    return pipeline


@pytest.fixture
def plainly(ask: Ask) -> Ask:
    """A request as the pipeline above draws it."""
    return lambda **changes: ask(**({"schedule": Schedule.NORMAL} | changes))


def start(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    conditioning = model.prompts.encode(
        request.prompt,
        request.negative_prompt,
        guided=request.guidance_scale > 1,
        clip_skip=request.clip_skip or 1,
    )
    return start_text_to_image(model, f"job-{request.seed}", request, 0, conditioning)


def draw(model: StableDiffusion, *requests: GenerationRequest, cap: int = 16) -> list[torch.Tensor]:
    """The finished latents of requests that are drawn together."""
    loop = StepLoop(model=model, cap=RowCap(fixed=cap))
    images = [start(model, request) for request in requests]
    for image in images:
        loop.join(image)
    while loop.images:
        assert not loop.tick().failed
    return [image.latents for image in images]


def by_diffusers(pipeline: Any, request: GenerationRequest, **options: Any) -> torch.Tensor:
    """The finished latents of diffusers' pipeline."""
    if "prompt_embeds" not in options:
        options |= {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    latents = pipeline(
        width=request.width,
        height=request.height,
        **told(request),
        output_type="latent",
        **options,
    ).images
    assert isinstance(latents, torch.Tensor)
    return latents


def encoded(pipeline: Any, *texts: str, clip_skip: int | None = None) -> torch.Tensor:
    """Each text encoded by diffusers, one after the other along the tokens."""
    parts = [pipeline.encode_prompt(text, "cpu", 1, False, clip_skip=clip_skip)[0] for text in texts]
    return torch.cat(parts, dim=1)


def test_a_schedule_equals_the_pipeline_whose_prompt_is_changed_at_that_step(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(prompt="a [cat:dog:2]", steps=5)
    dog = torch.cat([encoded(pipeline, request.negative_prompt), encoded(pipeline, "a dog")])

    def change(pipe: Any, step: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        del pipe, timestep
        return {"prompt_embeds": dog} if step == 1 else tensors  # after the second step

    expected = by_diffusers(
        pipeline,
        plainly(prompt="a cat", steps=5),
        callback_on_step_end=change,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )
    torch.testing.assert_close(draw(model, request)[0], expected, atol=1e-4, rtol=0)
    assert not torch.allclose(expected, draw(model, plainly(prompt="a cat", steps=5))[0], atol=1e-3)


def test_a_long_prompt_equals_the_pipeline_that_is_given_its_chunks(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    first, second = "cat " * 75, "dog bird"
    request = plainly(prompt=first + second)
    expected = by_diffusers(
        pipeline,
        request,
        prompt_embeds=encoded(pipeline, first, second),
        negative_prompt_embeds=encoded(pipeline, request.negative_prompt, ""),
    )
    torch.testing.assert_close(draw(model, request)[0], expected, atol=1e-4, rtol=0)


def test_clip_skip_two_equals_the_pipelines_clip_skip_one(
    model: StableDiffusion, pipeline: Any, plainly: Ask
) -> None:
    request = plainly(clip_skip=2)
    encoder = pipeline.text_encoder
    if not hasattr(encoder, "text_model"):  # where diffusers looks for it in newer transformers too
        encoder.text_model = SimpleNamespace(final_layer_norm=encoder.final_layer_norm)
    # Given both prompts, the pipeline would skip for the positive one alone; A1111 skips for both.
    expected = by_diffusers(
        pipeline,
        request,
        prompt_embeds=encoded(pipeline, request.prompt, clip_skip=1),
        negative_prompt_embeds=encoded(pipeline, request.negative_prompt, clip_skip=1),
    )
    torch.testing.assert_close(draw(model, request)[0], expected, atol=1e-4, rtol=0)
    assert not torch.allclose(expected, draw(model, plainly())[0], atol=1e-3)


def by_hand(model: StableDiffusion, pipeline: Any, request: GenerationRequest, scale: float) -> torch.Tensor:
    """Composable diffusion of "a cat" and "a dog" at half weight, one row at a time."""
    texts = (request.negative_prompt, "a cat", "a dog")
    negative, cat, dog = (encoded(pipeline, text) for text in texts)
    scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(request.steps)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    latents: torch.Tensor = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    with torch.inference_mode():
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            u, c, d = (model.unet(scaled, timestep, each).sample for each in (negative, cat, dog))
            prediction = u + scale * ((c - u) + 0.5 * (d - u))
            latents = scheduler.step(prediction, timestep, latents).prev_sample
    return latents


@pytest.mark.parametrize(("guidance_scale", "scale"), [(7.5, 7.5), (1.0, 1.0), (0.0, 1.0)])
def test_a_composition_equals_a_loop_written_by_hand(
    model: StableDiffusion, pipeline: Any, plainly: Ask, guidance_scale: float, scale: float
) -> None:
    request = plainly(prompt="a cat AND a dog :0.5", guidance_scale=guidance_scale, steps=4)
    expected = by_hand(model, pipeline, request, scale)
    torch.testing.assert_close(draw(model, request)[0], expected, atol=1e-4, rtol=0)


def test_pictures_of_all_kinds_drawn_together_equal_those_drawn_alone(
    model: StableDiffusion, ask: Ask
) -> None:
    requests = [
        ask(seed=1, prompt="a cat"),
        ask(seed=2, prompt="a cat AND a (dog:1.4) AND rain :-0.5", sampler=Sampler.EULER_A),
        ask(seed=3, prompt="a [cat|dog]", guidance_scale=1.0, sampler=Sampler.PLMS),
        ask(seed=4, prompt=f"a cat [{'dog ' * 80}:3]"),
        ask(seed=5, prompt="((a cat))", steps=9),
    ]
    alone = [draw(model, request)[0] for request in requests]
    for together in (draw(model, *requests), draw(model, *requests, cap=2)):
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_images_share_a_tick_only_while_their_conditioning_is_as_long(
    model: StableDiffusion, ask: Ask
) -> None:
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    plain = start(model, ask(seed=1, steps=4))
    grows = start(model, ask(seed=2, steps=4, prompt=f"a cat [{'dog ' * 80}:1]"))
    loop.join(plain)
    loop.join(grows)
    assert loop.tick().advanced == [plain, grows]
    assert loop.tick().advanced == [plain]  # from its second step on the other one is longer
    assert plain.key != grows.key


def test_fractions_count_the_steps_that_are_drawn(model: StableDiffusion, ask: Ask) -> None:
    image = start(model, ask(prompt="[cat:dog:0.5]", sampler=Sampler.PLMS, steps=7))
    assert image.steps == 8  # PLMS takes one step twice
    first = image.embedding
    changed = [torch.equal(image.conditioning.at(step, image.steps), first) for step in range(1, 9)]
    assert changed == [True] * 4 + [False] * 4


def test_a_schedule_that_cannot_be_encoded_fails_its_own_image_alone(
    model: StableDiffusion, ask: Ask
) -> None:
    class Exhausted:
        read = model.prompts.read
        added = model.prompts.added

        def embed(
            self, text: str, *, chunks: int, clip_skip: int, unconditional: bool = False
        ) -> torch.Tensor:
            del unconditional
            if text == "dog":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return model.prompts.embed(text, chunks=chunks, clip_skip=clip_skip)

    conditioning = Conditioning(Exhausted(), "[cat:dog:1]", "", guided=True)
    loop = StepLoop(model=model, cap=RowCap(fixed=8))
    well = start(model, ask(seed=1))
    sick = start_text_to_image(model, "sick", ask(seed=2), 0, conditioning)
    loop.join(well)
    loop.join(sick)
    tick = loop.tick()
    assert [image for image, _ in tick.failed] == [sick]
    assert loop.images == [well]


def test_a_weight_in_brackets_changes_the_picture(model: StableDiffusion, ask: Ask) -> None:
    plain, loud, same = draw(model, ask(), ask(prompt="a (hamster:1.6) with a brush"), ask())
    torch.testing.assert_close(plain, same, atol=1e-4, rtol=0)  # another row of the batch, up to rounding
    assert not torch.allclose(plain, loud, atol=1e-3)

"""ControlNets are judged by diffusers' own pipelines: one, two, for some of the steps, and from a picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image

from engine.errors import Refusal
from engine.images.canvas import Canvas
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import Control, GenerationRequest, Sampler, Schedule, Task
from engine.worker.batching import RowCap
from engine.worker.flight import ImageInFlight
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_controls import make_controlnet
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.equality import told
from tests.engine.worker.steered import Reals, Steerer, pattern

Ask = Callable[..., GenerationRequest]
SCHEDULERS = {Sampler.EULER: EulerDiscreteScheduler, Sampler.UNIPC: UniPCMultistepScheduler}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    make_controlnet(folder / "edges", model_folder)
    make_controlnet(folder / "pose", model_folder, seed=2)
    make_controlnet(folder / "shuffle", model_folder, global_pool_conditions=True)
    return folder


@pytest.fixture(scope="module")
def steerer(model: StableDiffusion, folder: Path) -> Steerer:
    return Steerer(model, folder)


@pytest.fixture(scope="module")
def parts(model_folder: Path) -> dict[str, Any]:
    """The pipeline's parts, loaded by diffusers and independently of the engine."""
    return dict(StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32).components)


def by_diffusers(
    parts: dict[str, Any],
    folder: Path,
    request: GenerationRequest,
    shown: list[Image.Image],
    picture: Image.Image | None = None,
) -> Reals:
    controls = request.controls
    pipeline_of = (
        StableDiffusionControlNetPipeline if picture is None else StableDiffusionControlNetImg2ImgPipeline
    )
    scheduler = SCHEDULERS[request.sampler].from_config(parts["scheduler"].config)
    networks = [ControlNetModel.from_pretrained(folder / each.name) for each in controls]
    pipeline = pipeline_of(
        **(parts | {"scheduler": scheduler}),
        controlnet=networks if len(networks) > 1 else networks[0],
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    several = len(networks) > 1
    images: Any = shown if several else shown[0]
    from_picture = {"image": picture, "control_image": images, "strength": request.strength}
    pixels = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        **told(request),
        controlnet_conditioning_scale=[each.weight for each in controls] if several else controls[0].weight,
        control_guidance_start=[each.start for each in controls],
        control_guidance_end=[each.end for each in controls],
        output_type="np",
        **({"image": images} if picture is None else from_picture),
    ).images[0]
    return np.asarray(pixels)


def steered(ask: Ask, *controls: Control, **changes: object) -> GenerationRequest:
    return ask(**({"controls": controls, "schedule": Schedule.NORMAL} | changes))


EDGES, POSE = Control(name="edges"), Control(name="pose", weight=0.6)


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("guidance", [7.5, 1.0])
def test_a_picture_with_one_controlnet_equals_the_pipelines(
    steerer: Steerer, parts: dict[str, Any], folder: Path, ask: Ask, sampler: Sampler, guidance: float
) -> None:
    request = steered(ask, POSE, sampler=sampler, guidance_scale=guidance)
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - by_diffusers(parts, folder, request, [pattern(1)])).max() <= 1e-4
    assert (
        np.abs(ours - steerer.draw_one(steered(ask, sampler=sampler, guidance_scale=guidance))).max() > 0.01
    )


def test_a_picture_with_two_controlnets_equals_the_pipelines(
    steerer: Steerer, parts: dict[str, Any], folder: Path, ask: Ask
) -> None:
    request, shown = steered(ask, EDGES, POSE), [pattern(1), pattern(2)]
    ours = steerer.draw_one(request, shown)
    assert np.abs(ours - by_diffusers(parts, folder, request, shown)).max() <= 1e-4


def test_controlnets_for_some_of_the_steps_equal_the_pipelines(
    steerer: Steerer, parts: dict[str, Any], folder: Path, ask: Ask
) -> None:
    request = steered(
        ask, Control(name="edges", start=0.2, end=0.7), Control(name="pose", weight=2.0, end=0.4), steps=10
    )
    shown = [pattern(1), pattern(2)]
    ours = steerer.draw_one(request, shown)
    assert np.abs(ours - by_diffusers(parts, folder, request, shown)).max() <= 1e-4


def test_image_to_image_with_a_controlnet_equals_the_pipelines(
    steerer: Steerer, parts: dict[str, Any], folder: Path, ask: Ask
) -> None:
    request = steered(ask, Control(name="edges", end=0.6), task=Task.IMG2IMG, strength=0.7, steps=8)
    ours = steerer.draw_one(request, [pattern(1)], picture=pattern(3))
    assert np.abs(ours - by_diffusers(parts, folder, request, [pattern(1)], pattern(3))).max() <= 1e-4


def test_a_controlnet_that_pools_what_it_sees_steers_the_conditional_rows_alone_as_the_pipelines(
    steerer: Steerer, parts: dict[str, Any], folder: Path, ask: Ask
) -> None:
    request = steered(ask, Control(name="shuffle"))
    ours = steerer.draw_one(request, [pattern(1)])
    assert np.abs(ours - by_diffusers(parts, folder, request, [pattern(1)])).max() <= 1e-4


def test_pictures_steered_by_the_same_networks_share_ticks_and_equal_those_drawn_alone(
    steerer: Steerer, ask: Ask
) -> None:
    requests = [
        (steered(ask, EDGES, seed=1, steps=4), [pattern(1)]),
        (steered(ask, Control(name="edges", weight=0.3), seed=2, guidance_scale=1.0), [pattern(2)]),
        (steered(ask, Control(name="edges", end=0.5), seed=3, prompt="a cat AND a dog"), [pattern(3)]),
        (steered(ask, seed=4), []),
        (steered(ask, POSE, seed=5), [pattern(1)]),
    ]
    images = [image for request, shown in requests for image in steerer.start(request, shown)]
    assert len({image.key for image in images}) == 3
    for drawn, (request, shown) in zip(steerer.draw(*images), requests, strict=True):
        assert np.abs(drawn - steerer.draw_one(request, shown)).max() <= 1e-4


def test_where_memory_is_short_the_controlnet_too_takes_one_row_at_a_time(steerer: Steerer, ask: Ask) -> None:
    request = steered(ask, EDGES)
    (usual,), (short,) = (steerer.start(request, [pattern(1)]) for _ in range(2))
    steerer.draw(usual)
    rows: list[int] = []

    def count(_: Any, inputs: Any) -> None:
        rows.append(len(inputs[0]))

    handle = short.steering[0].by.network.register_forward_pre_hook(count)
    cap = RowCap(fixed=2)
    cap.hold(short.shape, 1)
    loop = StepLoop(model=steerer.model, cap=cap)
    loop.join(short)
    while loop.images:
        assert not loop.tick().failed
    handle.remove()
    assert set(rows) == {1}
    torch.testing.assert_close(short.latents, usual.latents, atol=1e-4, rtol=0)


def test_once_its_control_has_ended_a_picture_shares_ticks_with_plain_ones(
    steerer: Steerer, ask: Ask
) -> None:
    (plain,) = steerer.start(steered(ask))
    (brief,) = steerer.start(steered(ask, Control(name="edges", end=0.5)), [pattern(1)])
    keys = []
    for position in range(6):
        brief.position = position
        keys.append(brief.key == plain.key)
    assert keys == [False, False, False, True, True, True]


def test_a_control_of_weight_nothing_changes_nothing(steerer: Steerer, ask: Ask) -> None:
    nothing = steerer.draw_one(steered(ask, Control(name="edges", weight=0.0)), [pattern(1)])
    assert np.array_equal(nothing, steerer.draw_one(steered(ask)))


def test_of_several_pictures_of_a_request_each_equals_the_one_drawn_alone(steerer: Steerer, ask: Ask) -> None:
    both: list[ImageInFlight] = steerer.start(steered(ask, EDGES, seed=8, count=2), [pattern(1)])
    (alone,) = steerer.draw(*steerer.start(steered(ask, EDGES, seed=9), [pattern(1)]))
    assert np.abs(steerer.draw(*both)[1] - alone).max() <= 1e-4


def test_a_picture_without_a_control_is_the_same_to_the_last_bit_before_and_after_one_with_it(
    steerer: Steerer, ask: Ask
) -> None:
    before = steerer.draw_one(steered(ask))
    assert not np.array_equal(steerer.draw_one(steered(ask, EDGES), [pattern(1)]), before)
    assert np.array_equal(steerer.draw_one(steered(ask)), before)


def test_an_inpainting_network_of_nine_channels_is_steered_by_a_controlnet_of_four(
    tmp_path: Path, steerer: Steerer, folder: Path, ask: Ask
) -> None:
    make_tiny_model(tmp_path / "nine", width=16, latent_side=8, channels=9)
    nine = Steerer(load_stable_diffusion("nine", tmp_path / "nine", steerer.model.device), folder)
    changes = {"task": Task.OUTPAINT, "strength": 1.0, "extend": {"left": 16}}
    plain = nine.draw_one(steered(ask, **changes), picture=pattern(4))
    assert (
        np.abs(nine.draw_one(steered(ask, EDGES, **changes), [pattern(1)], picture=pattern(4)) - plain).max()
        > 0.01
    )


def test_of_a_part_that_is_drawn_alone_the_same_part_of_the_control_picture_is_shown(
    steerer: Steerer, ask: Ask
) -> None:
    changes = {
        "task": Task.OUTPAINT,
        "strength": 1.0,
        "extend": {"left": 16},
        "only_masked": True,
        "padding": 0,
    }
    halves = Image.new("RGB", (80, 64), "black")
    halves.paste("white", (0, 0, 64, 64))
    (image,) = steerer.start(steered(ask, EDGES, **changes), [halves], picture=pattern(4))
    assert isinstance(image.canvas, Canvas)
    assert image.canvas.box == (0, 0, 64, 64)  # of 80: the margin, grown to the shape of what is drawn
    assert image.steering[0].shown[0].min() == 1


def test_a_network_of_another_size_is_refused_by_name(tmp_path: Path, steerer: Steerer, ask: Ask) -> None:
    make_tiny_model(tmp_path / "wide", width=32, latent_side=8)
    make_controlnet(tmp_path / "controls" / "wide", tmp_path / "wide")
    other = Steerer(steerer.model, tmp_path / "controls")
    with pytest.raises(Refusal) as refused:
        other.start(steered(ask, Control(name="wide")), [pattern(1)])
    assert refused.value.body.code == "control_incompatible"
    assert str(refused.value) == (
        f"wide was trained for networks of another size than that of {steerer.model.name}."
    )

"""No picture of NaN: what half precision cannot hold is computed again in float32, for that picture alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.batching import RowCap
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.noise import Noise
from engine.worker.picture import Picture
from engine.worker.pixels import NotANumber, decode_latents, encode_pixels
from engine.worker.precision import Precision, computing
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_model import make_tiny_model

Ask = Callable[..., GenerationRequest]
SICK_FROM = 2  # the step at which numbers end
SAME = 0.05  # rows of other batches are rounded otherwise, those of other pictures and steps are far off


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


def load(folder: Path, dtype: torch.dtype) -> StableDiffusion:
    return load_stable_diffusion(
        "tiny", folder, Device(place=torch.device("cpu"), dtype=dtype, reason="test")
    )


@pytest.fixture
def half(folder: Path) -> StableDiffusion:
    return load(folder, torch.bfloat16)


@pytest.fixture
def exact(folder: Path) -> StableDiffusion:
    """The same weights, rounded as in `half`, in float32."""
    model, rounded = load(folder, torch.float32), load(folder, torch.bfloat16)
    for network, source in ((model.unet, rounded.unet), (model.vae, rounded.vae)):
        network.load_state_dict({name: each.float() for name, each in source.state_dict().items()})
    return model


class Overflowing:
    """A network whose numbers end in the rows of one picture, until they are computed with more precision.

    Attention (`at_most` 0) or everything (1) overflows; 2: nothing helps.
    """

    def __init__(self, unet: Any, sick: torch.Tensor, at_most: int) -> None:
        self.config = unet.config
        self._unet, self._sick, self._at_most = unet, sick, at_most
        self.calls: list[tuple[int, int]] = []  # rows, precision

    def __call__(self, sample: torch.Tensor, timesteps: torch.Tensor, **options: Any) -> Any:
        wide = torch.zeros(1, 1, 1, dtype=torch.bfloat16)
        attention = functional.scaled_dot_product_attention(wide, wide, wide).dtype is torch.float32
        everything = functional.linear(wide, wide[0]).dtype is torch.float32
        precision = int(attention) + int(everything)
        self.calls.append((len(sample), precision))
        (prediction,) = self._unet(sample, timesteps, **options)
        prediction = prediction.clone()
        for row, latents in enumerate(sample):
            if bool((latents - self._sick).abs().max() < SAME) and precision <= self._at_most:
                prediction[row, :, 3, 3] = torch.nan
        return (prediction,)


def start(model: StableDiffusion, request: GenerationRequest, job_id: str) -> ImageInFlight:
    conditioning = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    return start_text_to_image(model, job_id, request, 0, conditioning)


def together(model: StableDiffusion, ask: Ask, at_most: int) -> tuple[StepLoop, ImageInFlight, ImageInFlight]:
    """Two pictures that share ticks; the numbers of the first end at its second step."""
    alone = StepLoop(model=model, cap=RowCap(fixed=2))
    alone.join(start(model, ask(seed=5), "alone"))
    alone.tick()
    sick = alone.images[0].model_input()[0].to(model.device.dtype)
    loop = StepLoop(model=replace(model, unet=Overflowing(model.unet, sick, at_most)), cap=RowCap(fixed=8))
    first, second = start(model, ask(seed=5), "sick"), start(model, ask(seed=6), "well")
    loop.join(first)
    loop.join(second)
    return loop, first, second


def finish(loop: StepLoop) -> list[tuple[Picture, Exception]]:
    failed = []
    while loop.images:
        failed += loop.tick().failed
    return failed


@pytest.mark.parametrize(("at_most", "precision"), [(0, Precision.ATTENTION), (1, Precision.FULL)])
def test_nan_in_one_picture_is_computed_again_and_its_neighbour_does_not_notice(
    half: StableDiffusion, ask: Ask, at_most: int, precision: Precision
) -> None:
    loop, sick, well = together(half, ask, at_most)
    assert finish(loop) == []
    assert (sick.precision, well.precision) == (precision, Precision.USUAL)
    assert sick.done
    assert torch.isfinite(sick.latents).all()
    calls = loop.model.unet.calls
    assert calls[:2] == [(4, 0), (4, 0)]
    assert set(calls[2:]) >= {
        (2, 0),
        (2, int(precision)),
    }  # each in ticks of its own from then on
    alone = StepLoop(model=half, cap=RowCap(fixed=2))
    alone.join(other := start(half, ask(seed=6), "alone"))
    finish(alone)
    torch.testing.assert_close(well.latents, other.latents, atol=0.05, rtol=0.05)  # bfloat16, other batches


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_where_no_precision_helps_that_picture_fails_alone(
    folder: Path, ask: Ask, dtype: torch.dtype
) -> None:
    loop, sick, well = together(load(folder, dtype), ask, at_most=2)
    ((failed, error),) = finish(loop)
    assert failed is sick
    assert isinstance(error, NotANumber)
    assert sick.position == SICK_FROM - 1
    assert well.done


def test_full_precision_computes_what_a_network_in_float32_does(
    half: StableDiffusion, exact: StableDiffusion
) -> None:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(2, 4, 8, 8, generator=generator).bfloat16()
    words = torch.randn(2, 77, 16, generator=generator).bfloat16()
    with torch.inference_mode(), computing(Precision.FULL):
        (widened,) = half.unet(sample, torch.tensor(500.0), words, return_dict=False)
        (pixels,) = half.vae.decode(sample[:1], return_dict=False)
    with torch.inference_mode():
        (unet,) = exact.unet(sample.float(), torch.tensor(500.0), words.float(), return_dict=False)
        (vae,) = exact.vae.decode(sample[:1].float(), return_dict=False)
    assert widened.dtype is pixels.dtype is torch.float32
    torch.testing.assert_close(pixels, vae, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        widened, unet, atol=0.02, rtol=0
    )  # the step's embedding is rounded to bfloat16
    assert next(half.unet.parameters()).dtype is torch.bfloat16


def test_attention_in_full_precision_leaves_the_rest_as_it_is(half: StableDiffusion) -> None:
    sample, words = torch.zeros(1, 4, 8, 8).bfloat16(), torch.zeros(1, 77, 16).bfloat16()
    with torch.inference_mode(), computing(Precision.ATTENTION):
        (prediction,) = half.unet(sample, torch.tensor(500.0), words, return_dict=False)
    assert prediction.dtype is torch.bfloat16


def spoil(vae: Any, value: float, *, also_in_full: bool) -> None:
    """Let the decoder and the encoder give nothing but `value`."""

    def spoiled(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        fine = output.dtype is torch.float32 and not also_in_full
        return output if fine else torch.full_like(output, value)

    vae.decoder.register_forward_hook(spoiled)
    vae.encoder.register_forward_hook(spoiled)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_autoencoder_that_overflows_is_run_in_float32(
    half: StableDiffusion, exact: StableDiffusion, ask: Ask, value: float
) -> None:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)).bfloat16().float()
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)).bfloat16().float() * 2 - 1
    expected = decode_latents(exact, latents), encode_pixels(exact, pixels, Noise(ask(), 0))
    spoil(half.vae, value, also_in_full=False)
    decoded, encoded = decode_latents(half, latents), encode_pixels(half, pixels, Noise(ask(), 0))
    assert (
        abs(decoded.astype(int) - expected[0].astype(int)).max() <= 3
    )  # the latents are rounded to bfloat16
    torch.testing.assert_close(encoded, expected[1], atol=0.02, rtol=0)


@pytest.mark.parametrize("value", [torch.nan, -1.0])
def test_a_picture_of_nothing_or_of_black_is_never_shown(half: StableDiffusion, value: float) -> None:
    spoil(half.vae, value, also_in_full=True)
    with pytest.raises(NotANumber):
        decode_latents(half, torch.zeros(1, 4, 8, 8))

"""Tiny autoencoders: judged by diffusers, for previews, and as the decoder where the operator asks for it."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import save_file

from engine.errors import Refusal
from engine.frames import Failed, Finished, Stop
from engine.images.infotext import parse
from engine.models.loading import StableDiffusion
from engine.models.tiny_decoder import TinyDecoders
from engine.tasks.text_to_image import start_text_to_image
from engine.wire import GenerationRequest
from engine.worker.batching import RowCap
from engine.worker.decoders import Decoders, told
from engine.worker.device import Device
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import decode_latents
from engine.worker.placement import Placement
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_autoencoder import tiny_autoencoder, write_decoder, write_folder, write_pair
from tests.engine.worker.equality import decoded_by
from tests.engine.worker.test_process import DEADLINE_S, Front

Ask = Callable[..., GenerationRequest]


@pytest.fixture
def tiny(tmp_path: Path, exact: Device) -> TinyDecoders:
    (tmp_path / "tiny").mkdir()
    write_decoder(tmp_path / "tiny" / "taesd_decoder.safetensors")
    return TinyDecoders(tmp_path / "tiny", exact)


def image(model: StableDiffusion, request: GenerationRequest) -> ImageInFlight:
    words = model.prompts.encode(request.prompt, request.negative_prompt, guided=True)
    return start_text_to_image(model, "job", request, 0, words)


@pytest.mark.parametrize(
    ("write", "place"),
    [
        (write_decoder, "taesd_decoder.safetensors"),
        (write_pair, "taesd.safetensors"),
        (write_folder, "taesd"),
    ],
)
def test_every_layout_decodes_as_diffusers_does(
    tmp_path: Path, exact: Device, model: StableDiffusion, write: Callable[[Path], None], place: str
) -> None:
    write(tmp_path / place)
    latents = 3 * torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(2))
    decoder = TinyDecoders(tmp_path, exact).of(model)
    theirs = tiny_autoencoder().decode(latents).sample
    ours = decoder.network.decode(latents, return_dict=False)[0]
    assert (ours - theirs).abs().max() <= 1e-4
    pixels = decode_latents(model.with_vae(decoder), latents)
    expected = (theirs[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
    assert np.abs(pixels / 255 - expected).max() <= 0.5 / 255 + 1e-4


def test_the_picture_equals_that_of_diffusers_pipeline_with_this_vae(
    model_folder: Path, model: StableDiffusion, tiny: TinyDecoders, ask: Ask
) -> None:
    """So latents are given to it as the network has them, neither scaled nor shifted."""
    request = ask(steps=2)
    pipeline = StableDiffusionPipeline.from_pretrained(
        model_folder, safety_checker=None, vae=tiny_autoencoder()
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = type(image(model, request).scheduler).from_config(pipeline.scheduler.config)
    expected = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=64,
        height=64,
        num_inference_steps=2,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator().manual_seed(request.seed),
        output_type="np",
    ).images[0]
    loop = StepLoop(model=model, cap=RowCap(fixed=2))
    drawn = image(model, request)
    loop.join(drawn)
    while loop.images:
        loop.tick()
    assert np.abs(decoded_by(loop, drawn, tiny.of(model)) / 255 - expected).max() <= 0.5 / 255 + 1e-4


def test_where_memory_is_short_it_works_on_parts(tiny: TinyDecoders, model: StableDiffusion) -> None:
    decoder = tiny.of(model)
    latents = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(2))
    whole = decode_latents(model.with_vae(decoder), latents)
    Placement(model).tile(decoder.network, (192, 128), on=True)
    parts = decode_latents(model.with_vae(decoder), latents)
    assert decoder.network.use_tiling
    assert np.abs(parts.astype(int) - whole.astype(int)).mean() < 2


def test_each_family_has_its_own_by_name(tiny: TinyDecoders, tmp_path: Path, model: StableDiffusion) -> None:
    assert tiny.of(model).name == "taesd"
    with pytest.raises(Refusal, match=r"taesdxl cannot decode for .*: none of taesdxl_decoder") as refusal:
        tiny.of(replace(model, is_sdxl=True))
    assert refusal.value.body.code == "decoder_broken"
    write_decoder(tmp_path / "tiny" / "taesdxl_decoder.safetensors")
    assert tiny.of(replace(model, is_sdxl=True)).name == "taesdxl"


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (
            lambda path: write_decoder(path, latent_channels=16),
            "it is made for latents of 16 channels, as newer families have, not 4",
        ),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "it holds no decoder of a tiny autoencoder"),
        (lambda path: path.write_bytes(b"nothing"), "taesd cannot decode for"),
    ],
)
def test_a_file_of_another_family_or_of_none_is_refused(
    tmp_path: Path, exact: Device, model: StableDiffusion, write: Callable[[Path], Any], says: str
) -> None:
    write(tmp_path / "taesd.safetensors")
    with pytest.raises(Refusal, match=says) as refusal:
        TinyDecoders(tmp_path, exact).of(model)
    assert refusal.value.body.code == "decoder_broken"


def test_previews_are_the_tiny_decoders_where_it_is_there_and_else_the_matrix(
    tiny: TinyDecoders, tmp_path: Path, exact: Device, model: StableDiffusion, ask: Ask
) -> None:
    flying = image(model, ask())
    flying.estimate = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))

    def shown(decoders: Decoders, *, hidden: bool = False) -> Image.Image:
        draw = decoders.preview(model, flying, hidden=hidden)
        assert draw is not None
        return Image.open(io.BytesIO(base64.b64decode(draw())))

    matrix = shown(Decoders())
    small = shown(Decoders(tiny=tiny, previews=True))
    assert small.size == (256, 256)
    assert small.tobytes() != matrix.tobytes()
    (tmp_path / "none").mkdir()
    assert shown(Decoders(tiny=TinyDecoders(tmp_path / "none", exact), previews=True)) == matrix
    veiled = shown(Decoders(tiny=tiny, previews=True), hidden=True)
    assert np.asarray(veiled).std() < np.asarray(small).std()


def finished(front: Front, request: GenerationRequest) -> Finished | Failed:
    front.thread.start()
    front.start("job", request)
    frame = front.until(Finished, Failed)
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert isinstance(frame, Finished | Failed)
    return frame


def test_a_picture_that_it_decodes_says_so(
    tmp_path: Path, tiny: TinyDecoders, model: StableDiffusion, ask: Ask
) -> None:
    front = Front(tmp_path, model, decoders=Decoders(tiny=tiny, pictures=True))
    frame = finished(front, ask(model=model.name, steps=1))
    assert isinstance(frame, Finished)
    assert frame.notices == (told(tiny.of(model)),)
    recipe = parse(frame.images[0].infotext)
    assert recipe is not None
    assert recipe.settings["VAE Decoder"] == "taesd"


def test_where_it_is_missing_the_job_fails_and_nothing_else_decodes(
    tmp_path: Path, exact: Device, model: StableDiffusion, ask: Ask
) -> None:
    (tmp_path / "none").mkdir()
    front = Front(
        tmp_path, model, decoders=Decoders(tiny=TinyDecoders(tmp_path / "none", exact), pictures=True)
    )
    frame = finished(front, ask(model=model.name, steps=1))
    assert isinstance(frame, Failed)
    assert frame.error.code == "decoder_broken"


def test_a_vae_that_the_request_names_decodes(tiny: TinyDecoders, model: StableDiffusion, ask: Ask) -> None:
    decoders = Decoders(tiny=tiny, pictures=True)
    assert decoders.of(model, ask(vae="mine")) is None
    assert decoders.of(model, ask()) is tiny.of(model)

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model
from tests.engine.worker.equality import EXACT


@pytest.fixture(scope="session")
def model_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Stable Diffusion on disk. SD 1.x predicts noise, SD 2.x at 768 predicts v.

    It predicts noise, unless a test whose subject is what a sampler makes of it asks for both.
    """
    prediction = str(getattr(request, "param", "epsilon"))
    folder = tmp_path_factory.mktemp("models") / prediction
    make_tiny_model(folder, prediction_type=prediction, width=16, latent_side=8)
    return folder


@pytest.fixture(scope="session")
def exact() -> Device:
    return EXACT


@pytest.fixture(scope="session")
def model(model_folder: Path, exact: Device) -> StableDiffusion:
    return load_stable_diffusion(model_folder.name, model_folder, exact)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """To start from: red from left to right, green from top to bottom."""
    rows = np.linspace(0, 255, 64, dtype=np.uint8)
    return Image.fromarray(
        np.stack([np.tile(rows, (64, 1)), np.tile(rows, (64, 1)).T, np.full((64, 64), 90, np.uint8)], -1)
    )


@pytest.fixture(scope="session")
def mask() -> Image.Image:
    """What of `picture` is redrawn: a part in the middle, off the grid of the latents."""
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (13, 20, 50, 41))
    return mask


@pytest.fixture
def ask() -> Callable[..., GenerationRequest]:
    """A small request, with any field changed."""

    def make(**changes: object) -> GenerationRequest:
        fields: dict[str, object] = {
            "task": Task.TXT2IMG,
            "model": "tiny",
            "prompt": "a hamster with a brush",
            "negative_prompt": "blurry",
            "width": 64,
            "height": 64,
            "steps": 6,
            "guidance_scale": 7.5,
            "sampler": Sampler.EULER,
            "seed": 42,
        }
        return GenerationRequest.model_validate(fields | changes)

    return make

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.device import Device
from tests.engine.tiny_model import make_tiny_model


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
    return Device(place=torch.device("cpu"), dtype=torch.float32, reason="equality is proved in float32")


@pytest.fixture(scope="session")
def model(model_folder: Path, exact: Device) -> StableDiffusion:
    return load_stable_diffusion(model_folder.name, model_folder, exact)


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

"""What the levels of speed make of requests."""

from pathlib import Path

import pytest

from engine.config import load
from engine.errors import Misconfigured
from engine.speed import GUIDED_UNTIL, Speed, hastened
from engine.wire import GenerationRequest, ModelInfo, Sampler
from tests.engine.tiny_model import tiny_info


@pytest.fixture
def info() -> ModelInfo:
    return tiny_info()


def ask(**changes: object) -> GenerationRequest:
    fields: dict[str, object] = {
        "model": "tiny",
        "prompt": "a hamster",
        "width": 64,
        "height": 64,
        "steps": 10,
        "guidance_scale": 7.5,
        "sampler": Sampler.EULER,
        "seed": 1,
    }
    return GenerationRequest.model_validate(fields | changes)


def test_fast_ends_guidance_early(info: ModelInfo) -> None:
    assert hastened(ask(), info, Speed.FAST).guidance_end == GUIDED_UNTIL


@pytest.mark.parametrize("speed", [Speed.EXACT, Speed.BALANCED])
def test_every_other_speed_leaves_requests_as_they_are(info: ModelInfo, speed: Speed) -> None:
    assert hastened(ask(), info, speed) == ask()


@pytest.mark.parametrize(
    "said",
    [{"guidance_end": 0.9}, {"guidance_start": 0.2}, {"guidance_scale": 1.0}, {"guidance_after": 2.0}],
)
def test_what_a_request_says_of_guidance_counts(info: ModelInfo, said: dict[str, float]) -> None:
    assert hastened(ask(**said), info, Speed.FAST) == ask(**said)


def test_a_model_that_guides_all_steps_or_none_is_left_alone(info: ModelInfo) -> None:
    own = info.model_copy(update={"own_pipeline": True})
    assert hastened(ask(), own, Speed.FAST) == ask()


def test_an_unknown_speed_is_one_sentence_that_names_the_three() -> None:
    with pytest.raises(Misconfigured) as raised:
        load(None, {"DARKROOM_ENGINE__SPEED": "faster"})
    said = str(raised.value)
    assert "engine.speed" in said
    assert "'faster'" in said
    assert all(str(speed) in said for speed in Speed)


@pytest.mark.parametrize("speed", list(Speed))
def test_every_speed_is_in_the_example_of_the_settings(speed: Speed) -> None:
    lines = (Path(__file__).parents[2] / "config.example.toml").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("speed =")]
    assert str(speed) in line

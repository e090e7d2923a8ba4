"""What `darkroom bench` tells an operator."""

from pathlib import Path

import pytest
import torch

from engine import config
from engine.models.loading import StableDiffusion
from engine.speed import Compiler, Speed
from engine.wire import ModelInfo
from engine.worker.compiled_folder import DIGESTS, CompiledFolder
from engine.worker.device import Device
from engine.worker.profile import Profile, _profile, advice, main, measure
from engine.worker.step_loop import StepLoop
from tests.engine.tiny_model import tiny_info

CPU = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")


def profile(**changes: object) -> Profile:
    fields: dict[str, object] = {
        "name": "tiny",
        "width": 512,
        "height": 512,
        "steps": 20,
        "guided": 20,
        "load_s": 1.0,
        "tick_s": 1.0,
        "plain_tick_s": 0.5,
        "rows": 8,
        "crowd_tick_s": 2.0,
        "decode_s": 2.0,
    }
    return Profile(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_picture_is_its_ticks_and_its_decode() -> None:
    assert profile().picture_s == 22.0
    assert profile().crowd_picture_s == 12.0  # four share each tick of two seconds
    assert profile().gain == pytest.approx(22 / 12)


def test_steps_without_guidance_count_as_what_they_cost() -> None:
    early = profile(guided=12)
    assert early.picture_s == 12 * 1.0 + 8 * 0.5 + 2.0
    assert early.crowd_picture_s == (12 * 2 + 8) * 2.0 / 8 + 2.0
    assert "20 steps (12 with guidance)" in "\n".join(early.sentences())


def test_a_device_that_is_idle_with_one_picture_is_said_to_be() -> None:
    assert "partly idle: 4 at once take 12.0 s each, 1.8 times as many" in "\n".join(profile().sentences())


def test_a_device_that_is_busy_with_one_picture_is_said_to_be() -> None:
    busy = profile(rows=2, crowd_tick_s=1.0)
    assert "keeps the device busy" in "\n".join(busy.sentences())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (config.Engine(threads=1), "engine.threads = 0: 1 of 2 cores draw."),
        (config.Engine(max_rows=2), "engine.max_rows = 0: a crowd would be served faster with 8 rows."),
        (config.Engine(reproducible=True), "engine.reproducible = false"),
        (config.Engine(), 'engine.speed = "balanced": compiled by OpenVINO'),
    ],
)
def test_a_setting_that_would_help_is_named(settings: config.Engine, said: str) -> None:
    assert said in "\n".join(advice([profile()], device=CPU, settings=settings, cores=2))


def test_nothing_is_named_that_would_not_help() -> None:
    settings = config.Engine(threads=2, speed=Speed.BALANCED)
    fast = Device(place=torch.device("cpu"), dtype=torch.bfloat16, reason="test")
    assert advice([profile(decode_s=0.1)], device=fast, settings=settings, cores=2) == []


@pytest.fixture
def info() -> ModelInfo:
    return tiny_info()


def test_a_model_is_measured_with_the_step_loop(model: StableDiffusion, info: ModelInfo) -> None:
    found = measure(model, info, load_s=1.0, ticks=3)
    assert (found.width, found.steps, found.load_s) == (64, 4, 1.0)
    assert min(found.tick_s, found.crowd_tick_s, found.decode_s) > 0
    assert found.rows in (2, 4, 8, 16)


@pytest.mark.parametrize(("speed", "end", "guided"), [("exact", 1.0, 4), ("exact", 0.5, 2), ("fast", 1.0, 2)])
def test_guidance_ends_where_the_front_ends_it(
    model: StableDiffusion, info: ModelInfo, speed: str, end: float, guided: int
) -> None:
    own = info.model_copy(update={"defaults": info.defaults.model_copy(update={"guidance_end": end})})
    assert measure(model, own, load_s=1.0, ticks=1, speed=Speed(speed)).guided == guided


def test_a_model_of_fewer_steps_than_are_measured_is_measured_too(
    model: StableDiffusion, info: ModelInfo
) -> None:
    found = measure(model, info, load_s=1.0, ticks=10)
    assert found.steps < 10
    assert found.tick_s > 0


def test_what_is_compiled_to_be_measured_is_kept_for_the_engine(
    model_folder: Path, info: ModelInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    folder = CompiledFolder(tmp_path / "compiled")
    settings = config.Engine(speed=Speed.BALANCED, compiler=Compiler.INDUCTOR)
    _profile(info, model_folder, CPU, settings, folder, quick=True)
    assert (folder.path / DIGESTS).exists()


def test_a_wrong_setting_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("[engine]\ntreads = 3")
    assert main(["--config", str(tmp_path / "config.toml")]) == 78
    assert capsys.readouterr().err == "engine.treads is not a setting; did you mean engine.threads?\n"


def test_a_model_that_is_not_there_is_named_beside_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--quick", "--model", "dmeo"]) == 78
    assert capsys.readouterr().err == "--model must be one of demo, which draw from words; it was dmeo.\n"


def test_a_bucket_that_cannot_be_measured_does_not_keep_the_others_from_being_told(
    model: StableDiffusion, info: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepLoop, "probe", lambda _: False)
    assert measure(model, info, load_s=1.0, ticks=1000).tick_s > 0

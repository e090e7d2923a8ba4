"""The worker as a program of its own draws the demo model by OpenVINO, and says so."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.serving.gate import drawn_by_step_loop, psnr
from engine import child, frames
from engine.config import Engine, Paths, Settings
from engine.frames import Begin, Finished, Start
from engine.models.loading import load_stable_diffusion
from engine.models.registry import DEMO_FOLDER
from engine.program import worker_arguments
from engine.speed import Compiler, Speed
from engine.wire import GenerationRequest, Sampler
from engine.worker.device import Device

pytestmark = pytest.mark.flow

DEADLINE_S = 240
REQUEST = GenerationRequest(
    model="demo",
    prompt="a hamster",
    width=64,
    height=64,
    steps=4,
    guidance_scale=4.0,
    sampler=Sampler.EULER,
    seed=1,
)


def test_the_demo_model_is_drawn_as_torch_draws_it(tmp_path: Path) -> None:
    engine = Engine(
        speed=Speed.BALANCED, compiler=Compiler.OPENVINO, device="cpu", dtype="float32", threads=1
    )
    settings = Settings(paths=Paths(data=tmp_path), engine=engine.model_copy(update={"sign": False}))
    (tmp_path / "job").mkdir()
    start = frames.encode(Start(job="job", request=REQUEST, folder=tmp_path / "job"))
    with subprocess.Popen(
        child.WORKER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child.environ_of(os.environ),
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(frames.encode(Begin(arguments=tuple(worker_arguments(settings)))) + start)
        worker.stdin.flush()
        seen = (frames.decode_from_worker(line) for line in worker.stdout)
        finished = next((frame for frame in seen if isinstance(frame, Finished)), None)
        _, said = worker.communicate(frames.encode(frames.Stop()), timeout=DEADLINE_S)
    assert finished is not None, said.decode()
    assert b"networks compiled by OpenVINO" in said
    assert b"compiled by OpenVINO for 2" in said
    exact = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
    expected = drawn_by_step_loop(load_stable_diffusion("demo", DEMO_FOLDER, exact), [REQUEST])[0]
    with Image.open(tmp_path / "job" / "0.png") as picture:
        made = np.asarray(picture.convert("RGB"), np.float64)
    assert psnr(made, np.asarray(expected, np.float64)) > 45

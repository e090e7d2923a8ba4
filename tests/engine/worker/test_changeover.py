"""The worker gives a picture to its refiner, one model at a time, and loses no job meanwhile."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue, SimpleQueue

import pytest
import torch
from PIL import Image

from engine.frames import Cancel, Cancelled, Failed, Finished, FromWorker, Loading, Progress, Start, Stop
from engine.images.finishing import Finisher
from engine.models.loading import ModelBroken, StableDiffusion, load_stable_diffusion
from engine.wire import GenerationRequest, Refiner
from engine.worker.cap_book import CapBook
from engine.worker.device import Device
from engine.worker.process import Inbox, Worker
from tests.engine.tiny_sdxl import make_tiny_sdxl

Ask = Callable[..., GenerationRequest]
EXACT = Device(place=torch.device("cpu"), dtype=torch.float32, reason="test")
DEADLINE_S = 60


class Front:
    """What the front does to a worker. Models load only while `gate` is open."""

    def __init__(self, folder: Path, models: dict[str, StableDiffusion]) -> None:
        self.folder, self.models = folder, models
        self.inbox: Inbox = SimpleQueue()
        self.frames: Queue[FromWorker] = Queue()
        self.gate = threading.Event()
        self.gate.set()
        worker = Worker(
            load=self._load,
            device=EXACT,
            caps=CapBook(file=None, machine="test", fixed=8),
            inbox=self.inbox,
            send=self.frames.put,
            finisher=Finisher(version="0.1.0"),
        )
        self.thread = threading.Thread(target=worker.run)

    def _load(self, name: str) -> StableDiffusion:
        assert self.gate.wait(DEADLINE_S)
        if name not in self.models:
            raise ModelBroken(f"Model {name!r} is damaged.")
        return self.models[name]

    def start(self, job: str, request: GenerationRequest) -> None:
        (self.folder / job).mkdir()
        self.inbox.put(Start(job=job, request=request, folder=self.folder / job))

    def until(self, *kinds: type[FromWorker]) -> list[FromWorker]:
        """The frames up to the first of a kind."""
        frames: list[FromWorker] = []
        while not frames or not isinstance(frames[-1], kinds):
            frames.append(self.frames.get(timeout=DEADLINE_S))
        return frames


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusion]:
    folder = tmp_path_factory.mktemp("models")
    make_tiny_sdxl(folder / "base")
    make_tiny_sdxl(folder / "refiner", "refiner")
    return {name: load_stable_diffusion(name, folder / name, EXACT) for name in ("base", "refiner")}


@pytest.fixture
def front(tmp_path: Path, models: dict[str, StableDiffusion]) -> Iterator[Front]:
    front = Front(tmp_path, models)
    front.thread.start()
    yield front
    front.gate.set()
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


@pytest.fixture
def asked(ask: Ask) -> Ask:
    return lambda **changes: ask(**({"model": "base", "steps": 8} | changes))


def refined(asked: Ask, model: str = "refiner", **changes: object) -> GenerationRequest:
    return asked(refiner=Refiner(model=model, switch_at=0.6), **changes)


def test_a_picture_is_drawn_by_both_models_and_says_so(
    front: Front, asked: Ask, models: dict[str, StableDiffusion]
) -> None:
    front.start("plain", asked())
    front.until(Finished)
    front.start("refined", refined(asked, count=2))
    frames = front.until(Finished)
    assert [frame.model for frame in frames if isinstance(frame, Loading)] == ["refiner"]
    told = [(frame.step, frame.steps) for frame in frames if isinstance(frame, Progress)]
    assert told[-1] == (16, 16)
    assert told == sorted(told)
    finished = frames[-1]
    assert isinstance(finished, Finished)
    text = finished.images[0].infotext
    assert f"Model hash: {models['base'].hash}, Model: base" in text
    assert "Refiner: refiner, Refiner switch at: 0.6" in text
    assert len({image.sha256 for image in finished.images}) == 2
    with Image.open(front.folder / "plain/0.png") as plain, Image.open(front.folder / "refined/0.png") as own:
        assert plain.tobytes() != own.tobytes()


def test_a_job_that_comes_while_another_one_is_refined_waits_and_is_drawn(front: Front, asked: Ask) -> None:
    front.start("first", refined(asked))
    front.until(Loading)
    front.start("second", asked(seed=7))
    front.start("third", refined(asked, seed=8))
    finished = [front.until(Finished)[-1].job for _ in range(3)]  # type: ignore[union-attr]
    assert sorted(finished) == ["first", "second", "third"]


def test_what_waits_can_be_cancelled(front: Front, asked: Ask) -> None:
    front.start("plain", asked())
    front.until(Finished)
    front.gate.clear()
    front.start("first", refined(asked))
    front.until(Loading)  # the refiner, which takes its time
    front.start("second", asked(seed=7))
    front.start("third", asked(seed=8))
    front.inbox.put(Cancel(job="second"))
    front.inbox.put(Cancel(job="first"))
    front.gate.set()
    frames = front.until(Finished)
    assert [frame.job for frame in frames if isinstance(frame, Cancelled)] == ["second", "first"]
    assert [frame.job for frame in frames if isinstance(frame, Finished)] == ["third"]


def test_a_refiner_that_cannot_be_loaded_fails_its_job_alone(front: Front, asked: Ask) -> None:
    front.start("first", refined(asked, model="lost"))
    front.start("second", asked(seed=7))
    frames = [*front.until(Finished, Failed), *front.until(Finished, Failed)]
    failed = [frame for frame in frames if isinstance(frame, Failed)]
    assert [(frame.job, frame.error.code) for frame in failed] == [("first", "model_broken")]
    assert [frame.job for frame in frames if isinstance(frame, Finished)] == ["second"]

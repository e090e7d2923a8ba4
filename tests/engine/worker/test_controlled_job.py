"""A job with control pictures as the worker draws it, from command to file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
from PIL import Image

from engine.errors import Refusal
from engine.frames import Failed, Finished, FromWorker, Start, Stop
from engine.images.finishing import Finisher
from engine.models.control_loading import ControlNetwork, load_control
from engine.models.controls import ControlFolder
from engine.models.loading import StableDiffusion
from engine.wire import GenerationRequest
from engine.worker.cap_book import CapBook
from engine.worker.control_shelf import ControlShelf
from engine.worker.process import Inbox, Worker
from tests.engine.tiny_controls import make_controlnet
from tests.engine.worker.steered import pattern

Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module")
def shelf(
    tmp_path_factory: pytest.TempPathFactory, model_folder: Path, model: StableDiffusion
) -> ControlShelf:
    root = tmp_path_factory.mktemp("controlnets")
    make_controlnet(root / "edges", model_folder)
    return ControlShelf(load=partial(_load, ControlFolder(root), model))


def _load(folder: ControlFolder, model: StableDiffusion, name: str) -> ControlNetwork:
    if name == "gone":
        raise Refusal("control_broken", "The control gone is damaged or incomplete.", field="controls")
    return load_control(folder.lookup(name), model.device)


def last_frame(
    model: StableDiffusion, shelf: ControlShelf, folder: Path, request: GenerationRequest, *shown: Image.Image
) -> FromWorker:
    """What the worker says last about a request, whose picture is then in `folder`."""
    folder.mkdir()
    paths = tuple(folder / f"control-{n}.png" for n in range(len(shown)))
    for path, picture in zip(paths, shown, strict=True):
        picture.save(path)
    inbox: Inbox = SimpleQueue()
    said: list[FromWorker] = []

    def send(frame: FromWorker) -> None:
        said.append(frame)
        if isinstance(frame, Finished | Failed):
            inbox.put(Stop())

    inbox.put(Start(job="job", request=request, controls=paths, folder=folder))
    Worker(
        load=lambda _: model,
        device=model.device,
        caps=CapBook(file=None, machine="the test"),
        inbox=inbox,
        send=send,
        finisher=Finisher(version="0.1.0"),
        control=shelf.get,
    ).run()
    return said[-1]


def test_a_control_changes_the_picture_and_is_named_in_its_infotext(
    model: StableDiffusion, shelf: ControlShelf, tmp_path: Path, ask: Ask
) -> None:
    changes: dict[str, object] = {"model": model.name, "steps": 2}
    last_frame(model, shelf, tmp_path / "plain", ask(**changes))
    controls = [{"name": "edges", "preprocess": "canny"}]
    finished = last_frame(
        model, shelf, tmp_path / "steered", ask(**changes, controls=controls), pattern(1, side=200)
    )
    assert isinstance(finished, Finished)
    assert 'ControlNet 0: "Module: canny, Model: edges' in finished.images[0].infotext
    files = [(tmp_path / job / "0.png").read_bytes() for job in ("plain", "steered")]
    assert files[0] != files[1]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("gone", "control_broken", "The control gone is damaged or incomplete."),
        ("removed", "unknown_control", "There is no control called 'removed'."),
    ],
)
def test_a_control_that_cannot_be_loaded_fails_its_job_by_name(
    model: StableDiffusion, shelf: ControlShelf, tmp_path: Path, ask: Ask, name: str, code: str, message: str
) -> None:
    failed = last_frame(model, shelf, tmp_path / "job", ask(controls=[{"name": name}]), pattern(1))
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.message) == (code, message)

"""A job with control pictures as the worker draws it, from command to file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import Refusal
from engine.frames import Failed, Finished, FromWorker, Start, Stop
from engine.images.finishing import Finisher
from engine.models.control_loading import ControlNetwork, load_control
from engine.models.controls import ControlFolder
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.wire import GenerationRequest
from engine.worker.cap_book import CapBook
from engine.worker.control_shelf import ControlShelf
from engine.worker.process import Inbox, Worker
from tests.engine.tiny_controls import make_controlnet
from tests.engine.worker.equality import EXACT
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
) -> Finished | Failed:
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
    last = said[-1]
    assert isinstance(last, Finished | Failed)
    return last


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


def test_a_control_that_does_not_fit_beside_the_model_moves_it_out_of_the_way(
    model_folder: Path, shelf: ControlShelf, tmp_path: Path, ask: Ask
) -> None:
    own = load_stable_diffusion("tiny", model_folder, EXACT)
    fails = iter([torch.OutOfMemoryError("CUDA out of memory")])

    def load(name: str) -> ControlNetwork:
        for error in fails:
            raise error
        return shelf.get(name)

    job = tmp_path, ask(model="tiny", steps=2, controls=[{"name": "edges"}])
    pictures = [
        last_frame(own, ControlShelf(load=get), job[0] / name, job[1], pattern(1))
        for name, get in (("short", load), ("enough", shelf.get))
    ]
    notices = [each.notices if isinstance(each, Finished) else each for each in pictures]
    assert notices == [
        (
            "The device's memory is short for this size. So it was drawn more slowly: only one part of the model on the"
            " device at a time.",
        ),
        (),
    ]
    drawn = [np.asarray(Image.open(tmp_path / name / "0.png")) for name in ("short", "enough")]
    assert np.array_equal(drawn[0], drawn[1])


def test_a_shelf_counts_its_controls_and_forgets_them_where_one_more_does_not_fit(
    shelf: ControlShelf,
) -> None:
    edges = shelf.get("edges")

    def load(name: str) -> ControlNetwork:
        if name == "large":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return edges

    small = ControlShelf(load=load)
    small.get("edges")
    assert small.bytes == edges.bytes == 4 * sum(each.numel() for each in edges.network.parameters())
    with pytest.raises(torch.OutOfMemoryError):
        small.get("large")
    assert small.bytes == 0

"""Face restoration: what is read, what is refused, and a job as the front sees it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from spandrel import ImageModelDescriptor, ModelLoader

from engine.errors import Refusal
from engine.frames import Failed, Finished, Progress, Stop
from engine.images.filters import filtered
from engine.images.infotext import parse
from engine.models.adapter_folder import AdapterFolder
from engine.models.detection import CODEFORMER, GFPGAN, Kind, detect
from engine.models.header import Header
from engine.models.loading import StableDiffusion
from engine.models.restorer import load_restorer
from engine.wire import GenerationRequest, Sharpen, Task
from engine.worker.device import Device
from engine.worker.ladder import Rung
from engine.worker.pixels import NotANumber
from engine.worker.restoring import NO_FACE, Room, restored
from tests.engine.drawn_face import portrait
from tests.engine.tiny_esrgan import make_tiny_upscaler
from tests.engine.tiny_restorer import make_tiny_restorer
from tests.engine.worker.test_process import DEADLINE_S, Front

Pixels = npt.NDArray[np.uint8]
EXACT = Device(place=torch.device("cpu"), dtype=torch.float32, reason="exact")
FACES = {"type": "faces", "restorer": "negative"}


class Negative:
    """A restorer that is quick, and whose work can be seen. It runs out of memory `exhausted` times."""

    def __init__(self, exhausted: int = 0) -> None:
        self.exhausted, self.device, self.handling = exhausted, EXACT, False

    def restore(self, face: Pixels) -> Pixels:
        self.handling |= sys.exc_info()[0] is not None
        if self.exhausted:
            self.exhausted -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 255 - face

    def on_cpu(self) -> "Negative":
        return self


@pytest.fixture
def front(tmp_path: Path, model: StableDiffusion) -> Iterator[Front]:
    def load(name: str) -> Any:
        if name == "broken":
            raise Refusal("restorer_broken", "Face restorer 'broken' cannot be used: its end is missing.")
        return Negative()

    front = Front(tmp_path, model, load_restorer=load)
    front.thread.start()
    front.next()  # ready
    yield front
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


def process(*post: Mapping[str, object]) -> GenerationRequest:
    return GenerationRequest.model_validate({"task": Task.PROCESS, "post": post})


def done(front: Front, request: GenerationRequest, pixels: Pixels) -> tuple[Finished, list[Progress], Pixels]:
    Image.fromarray(pixels).save(front.folder / "given.png")
    front.start("job", request, front.folder / "given.png")
    seen: list[Progress] = []
    while not isinstance(frame := front.next(), Finished):
        assert isinstance(frame, Progress), frame
        seen.append(frame)
    with Image.open(front.folder / "job" / "0.png") as file:
        return frame, seen, np.asarray(file)


def test_faces_are_restored_and_the_file_says_by_whom(front: Front) -> None:
    picture = portrait((300, 150), (60, (10, 10)), (100, (140, 20)))
    finished, progress, result = done(front, process(FACES | {"strength": 0.5}), picture)
    changed = (result != picture).any(axis=2)
    assert changed[20:60, 20:60].mean() > 0.3
    assert changed[40:100, 160:220].mean() > 0.9
    assert not changed[:, 290:].any()
    assert finished.notices == ()
    recipe = parse(finished.images[0].infotext)
    assert recipe is not None
    assert recipe.settings["Face restoration"] == "negative"
    assert recipe.settings["Postprocess"] == "faces restorer=negative strength=0.5"
    assert progress[-1].step == progress[-1].steps == 1


def test_a_picture_without_a_face_keeps_every_bit_and_the_person_is_told(front: Front) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    finished, _, result = done(front, process(FACES), noise)
    assert np.array_equal(result, noise)
    assert finished.notices == (NO_FACE,)


def test_steps_are_taken_in_the_order_that_was_asked_for(front: Front) -> None:
    """Sharpened first, the face that is laid over is sharp too."""
    picture = portrait((160, 150), (120, (20, 15)))
    sharpen = {"type": "sharpen", "amount": 3.0, "radius": 2.0}
    _, _, last = done(front, process(sharpen, FACES | {"strength": 0.0}), picture)
    assert np.array_equal(last, filtered(Sharpen(amount=3.0, radius=2.0), picture))


def test_a_broken_restorer_fails_before_anything_is_drawn(
    front: Front, ask: Callable[..., GenerationRequest]
) -> None:
    request = ask(model=front.model.name, post=[{"type": "faces", "restorer": "broken"}])
    front.start("job", request)
    frame = front.until(Failed)
    assert isinstance(frame, Failed)
    assert frame.error.code == "restorer_broken"


def run(
    restorer: Any, rungs: tuple[Rung, ...] = (), parked: list[str] | None = None
) -> tuple[list[float], Pixels, list[str]]:
    """What the pieces were, what came of it, and what was said."""
    told: list[str] = []
    marks = [] if parked is None else parked
    room = Room(rungs=rungs, park=lambda: marks.append("parked"))
    picture = portrait((300, 150), (60, (10, 10)), (100, (140, 20)))
    work = restored(restorer, picture, 1.0, aside=_at_once, room=room, tell=told.append)
    shares: list[float] = []
    while True:
        try:
            piece = next(work)
        except StopIteration as end:
            return shares, end.value, told
        if isinstance(piece, float):
            shares.append(piece)


def _at_once(work: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(work())
    return future


def test_a_piece_is_one_face() -> None:
    shares, _, told = run(Negative())
    assert shares == [0.5, 0.5]
    assert told == []


def test_where_memory_is_short_drawing_makes_room_and_then_the_cpu_restores() -> None:
    easy = run(Negative())[1]
    parked: list[str] = []
    restorer = Negative(exhausted=2)
    _, result, told = run(restorer, (Rung.TILES, Rung.OFFLOAD, Rung.SEQUENTIAL, Rung.CPU), parked)
    assert np.array_equal(result, easy)
    assert parked == ["parked"]
    assert not restorer.handling  # what did not fit is gone before it is tried again
    assert len(told) == 1
    assert told[0].endswith("computed on the CPU.")


def test_without_the_operators_leave_nothing_goes_to_the_cpu() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        run(Negative(exhausted=2), (Rung.TILES, Rung.OFFLOAD, Rung.SEQUENTIAL))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "tiny.safetensors"
    make_tiny_restorer(path)
    return path


def test_a_face_becomes_what_spandrel_makes_of_it(tiny: Path) -> None:
    face = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    theirs = ModelLoader().load_from_file(tiny)
    assert isinstance(theirs, ImageModelDescriptor)
    unit = torch.from_numpy(face.astype(np.float32) / 255).permute(2, 0, 1)[None]
    expected = (theirs.eval()(unit)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    restorer = load_restorer("tiny", tiny, EXACT)
    assert np.array_equal(restorer.restore(face), expected)
    assert restorer.on_cpu().restore(face).shape == face.shape


def test_what_is_not_a_number_is_no_face(tiny: Path) -> None:
    restorer = load_restorer("tiny", tiny, EXACT)
    with torch.no_grad():
        restorer.network.model.decoder.conv_out.bias.fill_(torch.nan)
    with pytest.raises(NotANumber):
        restorer.restore(np.zeros((64, 64, 3), np.uint8))


def test_files_are_told_apart_by_their_tensors(tmp_path: Path) -> None:
    folder = AdapterFolder(tmp_path, Kind.FACE)
    make_tiny_restorer(tmp_path / "good.safetensors")
    save_file({name: torch.zeros(1) for name in CODEFORMER}, tmp_path / "codeformer.safetensors")
    make_tiny_upscaler(tmp_path / "upscaler.safetensors")
    assert folder.names() == ("good",)
    faults = {item.name: str(fault) for item in folder.items() if (fault := item.fault)}
    assert faults == {
        "codeformer": "it is CodeFormer, whose licence forbids commercial use, not a face restorer",
        "upscaler": "it is something else, not a face restorer",
    }
    assert detect(Header(shapes=dict.fromkeys(GFPGAN, (1,)), metadata={})).kind is Kind.FACE


def test_what_restores_no_faces_is_refused_by_name(tmp_path: Path) -> None:
    make_tiny_upscaler(tmp_path / "x2.safetensors")
    with pytest.raises(
        Refusal, match="'x2' cannot be used: it is RealESRGAN Compact, which restores no faces"
    ):
        load_restorer("x2", tmp_path / "x2.safetensors", EXACT)

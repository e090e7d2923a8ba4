"""Previews are made aside: they hold nobody's steps up, and one that comes late or fails costs no picture."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.frames import Finished, Progress, Stop
from engine.models.loading import StableDiffusion
from engine.wire import GenerationRequest
from engine.worker import decoders, drawing
from tests.engine.worker.test_process import DEADLINE_S, Front

Ask = Callable[..., GenerationRequest]


@pytest.fixture
def front(tmp_path: Path, model: StableDiffusion, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    monkeypatch.setattr(drawing, "PREVIEW_EVERY_S", 0)
    front = Front(tmp_path, model)
    front.thread.start()
    yield front
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


def test_pictures_go_on_while_a_preview_is_made_and_one_that_comes_after_the_end_is_not_told(
    front: Front, model: StableDiffusion, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    makers = set()

    def slow(*_: object, **__: object) -> bytes:
        makers.add(threading.current_thread())
        assert go_on.wait(DEADLINE_S)
        return b"jpeg"

    monkeypatch.setattr(decoders, "preview_jpeg", slow)
    front.start("job", ask(model=model.name))
    assert isinstance(front.until(Finished), Finished)  # no preview is ready yet
    assert makers
    assert front.thread not in makers
    go_on.set()
    front.start("next", ask(model=model.name, steps=1))
    while not isinstance(frame := front.next(), Finished):
        assert getattr(frame, "job", "next") == "next"


def test_a_preview_that_fails_is_logged_and_its_picture_is_drawn(
    front: Front,
    model: StableDiffusion,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise OSError("no room for a JPEG")

    monkeypatch.setattr(decoders, "preview_jpeg", broken)
    front.start("job", ask(model=model.name))
    while not isinstance(frame := front.next(), Finished):
        assert not isinstance(frame, Progress) or frame.preview is None
    assert "no preview of job job" in caplog.text

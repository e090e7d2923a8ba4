"""What follows drawing, in the worker as its front sees it."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from engine.errors import Refusal
from engine.frames import Cancel, Cancelled, Failed, Finished, Loading, Progress, Stop
from engine.images.decoding import decode_input
from engine.images.filters import filtered
from engine.images.infotext import parse
from engine.images.record import Record
from engine.models.loading import StableDiffusion
from engine.models.upscaler import Upscaler, load_upscaler
from engine.wire import Colour, Format, GenerationRequest, Resize, Sampler, Sharpen, Task
from engine.worker import tiles
from tests.engine.tiny_esrgan import make_tiny_upscaler
from tests.engine.worker.test_process import DEADLINE_S, Front

Ask = Callable[..., GenerationRequest]
Pixels = npt.NDArray[np.uint8]
UPSCALE = {"type": "upscale", "upscaler": "x2", "scale": 2}


@pytest.fixture
def load(tmp_path: Path, model: StableDiffusion) -> Callable[[str], Upscaler]:
    def load(name: str) -> Upscaler:
        if name == "broken":
            raise Refusal("upscaler_broken", "Upscaler 'broken' cannot be used: its end is missing.")
        make_tiny_upscaler(tmp_path / "x2.safetensors")
        return load_upscaler(name, tmp_path / "x2.safetensors", model.device)

    return load


@pytest.fixture
def front(
    tmp_path: Path, model: StableDiffusion, load: Callable[[str], Upscaler], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Front]:
    monkeypatch.setattr(tiles, "SIDE_ELSEWHERE", 32)  # small pictures, and more than one tile
    front = Front(tmp_path, model, load_upscaler=load)
    front.thread.start()
    yield front
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


@pytest.fixture
def named(model: StableDiffusion, ask: Ask) -> Ask:
    return lambda **changes: ask(**({"model": model.name, "steps": 2} | changes))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def process(*post: dict[str, object], **changes: object) -> GenerationRequest:
    return GenerationRequest.model_validate({"task": Task.PROCESS, "post": post} | changes)


def pixels_of(path: Path) -> Pixels:
    with Image.open(path) as file:
        return np.asarray(file)


def until_finished(front: Front) -> tuple[Finished, list[Progress]]:
    seen: list[Progress] = []
    while not isinstance(frame := front.next(), Finished):
        assert not isinstance(frame, Failed), frame
        if isinstance(frame, Progress):
            seen.append(frame)
    return frame, seen


def test_a_drawn_picture_is_processed_and_its_file_says_so(front: Front, named: Ask) -> None:
    front.start("plain", named(seed=3))
    until_finished(front)
    front.start("job", named(seed=3, post=[UPSCALE, {"type": "sharpen", "amount": 1.0}]))
    finished, progress = until_finished(front)
    assert (finished.images[0].width, finished.images[0].height) == (128, 128)
    plain = pixels_of(front.folder / "plain" / "0.png")
    result = pixels_of(front.folder / "job" / "0.png")
    small = np.asarray(Image.fromarray(result).resize((64, 64), Image.Resampling.BOX))
    assert result.shape == (128, 128, 3)
    assert small.std() > 0
    assert plain.shape == (64, 64, 3)
    recipe = parse(finished.images[0].infotext)
    assert recipe is not None
    assert recipe.settings["Postprocess upscale by"] == "2"
    assert recipe.settings["Postprocess upscaler"] == "x2"
    assert recipe.settings["Postprocess"] == "upscale upscaler=x2 scale=2; sharpen amount=1 radius=1"
    with Image.open(front.folder / "job" / "0.png") as file:
        record = Record.from_json(file.info["darkroom"])
    assert record is not None
    assert [step.type for step in record.request.post] == ["upscale", "sharpen"]
    assert record.size == (128, 128)
    # two steps of drawing, four tiles, the fitting to size, the sharpening
    assert {frame.steps for frame in progress} == {2 + 4 + 1 + 1}
    assert progress[-1].step == progress[-1].steps


def test_a_picture_that_is_there_is_processed_without_any_model(front: Front, photo: Path) -> None:
    post = [{"type": "resize", "width": 60, "height": 45}, {"type": "sharpen", "amount": 2.0, "radius": 2.0}]
    front.start("job", process(*post), photo)
    finished, progress = until_finished(front)
    expected = filtered(
        Sharpen(amount=2.0, radius=2.0), filtered(Resize(width=60, height=45), pixels_of(photo))
    )
    assert np.array_equal(pixels_of(front.folder / "job" / "0.png"), expected)
    assert finished.images[0].infotext == (
        "\nSize: 60x45, Postprocess: resize width=60 height=45 how=stretch; sharpen amount=2 radius=2,"
        " Version: Darkroom 0.1.0"
    )
    assert [frame.steps for frame in progress] == [2, 2]


@pytest.mark.parametrize("kind", Format)
def test_a_transparent_picture_is_written_in_every_format(front: Front, tmp_path: Path, kind: Format) -> None:
    sent = io.BytesIO()
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(sent, "PNG")
    (tmp_path / "clear.png").write_bytes(decode_input(sent.getvalue()))
    front.start("job", process({"type": "sharpen"}, format=kind), tmp_path / "clear.png")
    finished, _ = until_finished(front)
    with Image.open(front.folder / "job" / finished.images[0].file_name) as file:
        assert (file.format, file.mode) == (kind.upper(), "RGB")
        assert np.asarray(file.convert("L")).min() > 250  # white, as it shows in the chat


def test_an_upscaler_whose_factor_is_another_is_helped_out_by_lanczos(front: Front, photo: Path) -> None:
    for scale, size in ((1.5, (180, 135)), (3.0, (360, 270))):
        front.start(f"job{scale:g}", process(UPSCALE | {"scale": scale}), photo)
        finished, _ = until_finished(front)
        assert (finished.images[0].width, finished.images[0].height) == size


def test_inpaint_keeps_its_pixels_only_where_nothing_is_done_afterwards(
    front: Front, named: Ask, photo: Path, tmp_path: Path
) -> None:
    mask = Image.new("L", (120, 90), 0)
    mask.paste(255, (40, 30, 90, 60))
    mask.save(tmp_path / "mask.png")
    request = named(task=Task.INPAINT, strength=1.0, post=[{"type": "colour", "brightness": 0.5}])
    front.start("job", request, photo, tmp_path / "mask.png")
    until_finished(front)
    result, kept = pixels_of(front.folder / "job" / "0.png"), np.asarray(mask) == 0
    darker = filtered(Colour(brightness=0.5), pixels_of(photo))
    assert np.array_equal(result[kept], darker[kept])


def test_a_cancel_is_obeyed_between_two_tiles(front: Front, photo: Path) -> None:
    front.start("long", process(UPSCALE | {"scale": 8}), photo)
    front.until(Progress)
    front.inbox.put(Cancel(job="long"))
    assert isinstance(front.until(Cancelled, Finished), Cancelled)
    assert not list((front.folder / "long").iterdir())
    front.start("next", process({"type": "sharpen"}), photo)
    until_finished(front)


def test_others_are_drawn_while_a_picture_is_enlarged(front: Front, named: Ask, photo: Path) -> None:
    front.start("drawn", named())  # so that its model is loaded
    until_finished(front)
    front.start("large", process(UPSCALE | {"scale": 8}), photo)
    front.until(Progress)
    front.start("small", named())
    first = front.until(Finished)
    second = front.until(Finished)
    assert [first.job, second.job] == ["small", "large"]  # type: ignore[union-attr]


def test_a_broken_upscaler_fails_the_job_before_anything_is_drawn(front: Front, named: Ask) -> None:
    front.start("job", named(post=[UPSCALE | {"upscaler": "broken"}]))
    frame = front.until(Progress, Failed)
    assert isinstance(frame, Failed)
    assert frame.error.code == "upscaler_broken"
    assert frame.error.message == "Upscaler 'broken' cannot be used: its end is missing."


def test_a_device_that_is_too_small_for_any_tile_fails_the_job_by_that_name(
    front: Front, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Upscaler, "enlarge", exhausted)
    front.start("job", process(UPSCALE), photo)
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.error.code == "out_of_memory"


@pytest.mark.parametrize("upscaler", ["latent (nearest-exact)", "lanczos", "x2"])
def test_a_second_pass_counts_in_the_progress_and_is_in_the_infotext(
    front: Front, named: Ask, upscaler: str
) -> None:
    hires = {"scale": 2, "steps": 3, "strength": 0.5, "upscaler": upscaler}
    front.start("job", named(hires=hires, count=2, seed=5, sampler=Sampler.PLMS))
    finished, progress = until_finished(front)
    assert [(image.width, image.height, image.seed) for image in finished.images] == [
        (128, 128, 5),
        (128, 128, 6),
    ]
    assert progress[-1].step == progress[-1].steps
    shares = [frame.step / frame.steps for frame in progress]
    assert shares == sorted(shares)
    label = upscaler if upscaler == "x2" else upscaler.capitalize()
    assert f"Hires upscale: 2, Hires steps: 3, Hires upscaler: {label}" in finished.images[0].infotext
    assert "Size: 64x64" in finished.images[0].infotext
    assert "Denoising strength: 0.5" in finished.images[0].infotext
    front.start("alone", named(hires=hires, seed=6, sampler=Sampler.PLMS))
    until_finished(front)
    together, alone = (pixels_of(front.folder / path) for path in ("job/1.png", "alone/0.png"))
    assert np.abs(together.astype(int) - alone).max() <= 2


def test_another_model_is_not_loaded_between_two_passes(
    front: Front, named: Ask, model: StableDiffusion
) -> None:
    front.start("twice", named(hires={"scale": 2, "upscaler": "x2"}))
    front.start("other", named(model="other"))
    seen: list[tuple[str, str]] = []
    while len([what for what, _ in seen if what == "finished"]) < 2:
        frame = front.next()
        assert not isinstance(frame, Failed), frame
        if isinstance(frame, Loading):
            seen.append(("loading", frame.model))
        elif isinstance(frame, Finished):
            seen.append(("finished", frame.job))
    loaded = [name for what, name in seen if what == "loading"]
    assert loaded[0] == model.name
    assert set(loaded[1:]) == {"other"}  # it never had to come back
    assert [job for what, job in seen if what == "finished"] == ["twice", "other"]

"""What a person gets to see of what was drawn: the best, under a policy, and nothing where nobody can check it."""

import base64
import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue, SimpleQueue

import numpy as np
import pytest
import torch
from PIL import Image

from engine.clip import Clip, Pixels, load_clip
from engine.errors import Refusal
from engine.frames import Cancel, Cancelled, Failed, Finished, FromWorker, Progress, Start, Stop
from engine.images.finishing import Finisher
from engine.images.veil import veiled
from engine.models.companions import Companions
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import DEMO_FOLDER
from engine.tasks.describe import Describer, Phrases
from engine.wire import GenerationRequest, SafetyVerdict, Task
from engine.worker import drawing
from engine.worker.cap_book import CapBook
from engine.worker.device import Device
from engine.worker.judges import Judges, Jury
from engine.worker.process import Inbox, Worker
from tests.engine.tiny_judges import make_coca, make_safety_checker
from tests.engine.tiny_model import make_tiny_model

Ask = Callable[..., GenerationRequest]
DEADLINE_S = 30


class ByBrightness:
    """Flags what is brighter than most of what the tiny model draws; raises where it is told to."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.broken = False

    def check(self, pixels: Pixels) -> SafetyVerdict:
        if self.broken:
            raise RuntimeError("the checker died")
        score = float(pixels.mean()) - self.limit
        return SafetyVerdict(flagged=score > 0, score=score, concept="bright")


class Engine:
    """A worker with somebody who looks at its pictures."""

    def __init__(self, folder: Path, model: StableDiffusion, clip: Clip) -> None:
        self.folder, self.model, self.clip = folder, model, clip
        self.checker = ByBrightness(limit=1000)
        self.inbox: Inbox = SimpleQueue()
        self.frames: Queue[FromWorker] = Queue()
        self.worker = Worker(
            load=lambda _: model,
            device=model.device,
            caps=CapBook(
                file=None, machine="test", fixed=2
            ),  # each image in ticks of its own: equal to the last bit
            inbox=self.inbox,
            send=self.frames.put,
            finisher=Finisher(version="0.1.0"),
            jury=self.jury,
            describer=self.describer,
        )
        self.thread = threading.Thread(target=self.worker.run)

    def jury(self, request: GenerationRequest) -> Jury:
        clip = None if request.best_of is None else self.clip
        return Jury(policy=request.safety, checkers=(self.checker,), clip=clip)

    def describer(self, request: GenerationRequest) -> Describer:
        if request.prompt == "nobody":
            raise Refusal("clip_missing", "There is no CLIP for tiny.")
        return Phrases(self.clip, {"colours": ("red background", "blue background")})

    def draw(self, job: str, request: GenerationRequest, picture: Path | None = None) -> Finished | Failed:
        (self.folder / job).mkdir()
        self.inbox.put(Start(job=job, request=request, input=picture, folder=self.folder / job))
        while not isinstance(frame := self.frames.get(timeout=DEADLINE_S), Finished | Failed):
            pass
        return frame

    def pixels(self, job: str, index: int) -> Pixels:
        with Image.open(self.folder / job / f"{index}.png") as file:
            return np.asarray(file)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model is enough here: which one drew makes no difference to who looks."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, width=16, latent_side=8)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> StableDiffusion:
    exact = Device(place=torch.device("cpu"), dtype=torch.float32, reason="equality is proved in float32")
    return load_stable_diffusion(model_folder.name, model_folder, exact)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip(DEMO_FOLDER / "clip")


@pytest.fixture
def engine(tmp_path: Path, model: StableDiffusion, clip: Clip) -> Iterator[Engine]:
    engine = Engine(tmp_path, model, clip)
    engine.thread.start()
    yield engine
    engine.inbox.put(Stop())
    engine.thread.join(DEADLINE_S)
    assert not engine.thread.is_alive()


@pytest.fixture
def named(model: StableDiffusion, ask: Ask) -> Ask:
    return lambda **changes: ask(**({"model": model.name, "steps": 2} | changes))


def finished(frame: Finished | Failed) -> Finished:
    assert isinstance(frame, Finished), frame
    return frame


def brightness(engine: Engine, named: Ask, count: int = 4) -> list[float]:
    """Of the pictures of seeds 42 and on, as the tiny model draws them."""
    finished(engine.draw("plain", named(count=count)))
    return [float(engine.pixels("plain", index).mean()) for index in range(count)]


# -- the best of several ----------------------------------------------------------------------------


def test_the_best_candidates_are_kept_best_first_each_with_its_own_seed(
    engine: Engine, named: Ask, clip: Clip
) -> None:
    finished(engine.draw("all", named(count=4)))
    scores = [clip.scores(engine.pixels("all", n), ["a hamster with a brush"])[0] for n in range(4)]
    best = sorted(range(4), key=lambda n: -scores[n])[:2]
    kept = finished(engine.draw("best", named(count=2, best_of=4))).images
    assert [(image.index, image.seed) for image in kept] == [(0, 42 + best[0]), (1, 42 + best[1])]
    assert [image.score for image in kept] == pytest.approx([scores[n] for n in best], abs=1e-5)
    assert sorted(path.name for path in (engine.folder / "best").iterdir()) == ["0.png", "1.png"]
    for image, number in zip(kept, best, strict=True):
        assert np.array_equal(engine.pixels("best", image.index), engine.pixels("all", number))
        with Image.open(engine.folder / "best" / image.file_name) as file:
            record = json.loads(file.info["darkroom"])
        assert (record["seed"], record["score"]) == (image.seed, image.score)


def test_a_kept_picture_is_drawn_again_alone_from_its_seed(engine: Engine, named: Ask) -> None:
    (kept,) = finished(engine.draw("best", named(best_of=3))).images
    finished(engine.draw("alone", named(seed=kept.seed)))
    difference = np.abs(engine.pixels("best", 0).astype(int) - engine.pixels("alone", 0))
    assert difference.max() <= 1  # rows of one batch are equal up to rounding


def test_progress_counts_every_candidate(engine: Engine, named: Ask) -> None:
    (engine.folder / "job").mkdir()
    engine.inbox.put(Start(job="job", request=named(best_of=5), folder=engine.folder / "job"))
    frame: FromWorker | None = None
    while not isinstance(frame, Finished):
        frame = engine.frames.get(timeout=DEADLINE_S)
        assert not isinstance(frame, Progress) or frame.steps == 10


def test_without_best_of_there_is_no_score(engine: Engine, named: Ask) -> None:
    (image,) = finished(engine.draw("job", named())).images
    assert (image.score, image.safety) == (None, None)


# -- the safety policy ------------------------------------------------------------------------------


def test_pass_shows_every_picture_with_its_verdict(engine: Engine, named: Ask) -> None:
    shades = brightness(engine, named)
    engine.checker.limit = sorted(shades)[1]
    result = finished(engine.draw("job", named(count=4, safety="pass")))
    verdicts = [image.safety for image in result.images]
    assert [verdict.flagged for verdict in verdicts if verdict] == [s > engine.checker.limit for s in shades]
    assert all(verdict and verdict.concept == "bright" for verdict in verdicts)
    for index in range(4):
        assert np.array_equal(engine.pixels("job", index), engine.pixels("plain", index))
    assert result.notices == ()


def test_blur_puts_a_veil_over_what_is_flagged_and_over_nothing_else(engine: Engine, named: Ask) -> None:
    shades = brightness(engine, named)
    engine.checker.limit = sorted(shades)[1]
    result = finished(engine.draw("job", named(count=4, safety="blur")))
    for index, image in enumerate(result.images):
        plain = engine.pixels("plain", index)
        assert image.safety is not None
        hidden = np.asarray(veiled(Image.fromarray(plain)))
        assert np.array_equal(engine.pixels("job", index), hidden if image.safety.flagged else plain)
    assert result.notices == ("The safety checker flagged 2 of 4 pictures: veiled.",)


def test_block_writes_what_is_not_flagged_and_never_the_rest(engine: Engine, named: Ask) -> None:
    shades = brightness(engine, named)
    engine.checker.limit = sorted(shades)[1]
    result = finished(engine.draw("job", named(count=4, safety="block")))
    dark = [index for index, shade in enumerate(shades) if shade <= engine.checker.limit]
    assert [(image.index, image.seed) for image in result.images] == [(0, 42 + dark[0]), (1, 42 + dark[1])]
    assert sorted(path.name for path in (engine.folder / "job").iterdir()) == ["0.png", "1.png"]
    for index, number in enumerate(dark):
        assert np.array_equal(engine.pixels("job", index), engine.pixels("plain", number))
    assert result.notices == ("The safety checker flagged 2 of 4 pictures: held back.",)


@pytest.mark.parametrize("best_of", [None, 3])
def test_where_every_picture_is_blocked_the_job_fails_by_that_name(
    engine: Engine, named: Ask, best_of: int | None
) -> None:
    engine.checker.limit = -1
    failed = engine.draw("job", named(count=2, best_of=best_of, safety="block"))
    assert isinstance(failed, Failed)
    assert failed.error.code == "unsafe_image"
    assert list((engine.folder / "job").iterdir()) == []


def test_a_blocked_candidate_is_not_among_the_best_and_a_veiled_one_comes_last(
    engine: Engine, named: Ask
) -> None:
    shades = brightness(engine, named)
    engine.checker.limit = sorted(shades)[1]
    blocked = finished(engine.draw("blocked", named(count=3, best_of=4, safety="block"))).images
    dark = {42 + index for index, shade in enumerate(shades) if shade <= engine.checker.limit}
    assert {image.seed for image in blocked} == dark
    blurred = finished(engine.draw("blurred", named(count=3, best_of=4, safety="blur"))).images
    assert [image.seed in dark for image in blurred] == [True, True, False]


@pytest.mark.parametrize("policy", ["pass", "blur", "block"])
def test_a_checker_that_dies_shows_nothing_and_the_worker_lives_on(
    engine: Engine, named: Ask, policy: str
) -> None:
    engine.checker.broken = True
    failed = engine.draw("job", named(safety=policy, count=2))
    assert isinstance(failed, Failed)
    assert failed.error.code == "safety_unavailable"
    assert list((engine.folder / "job").iterdir()) == []
    finished(engine.draw("next", named()))


def detail(engine: Engine, request: GenerationRequest) -> float:
    """How much of the first preview a veil would take away, in shades of grey."""
    job = f"preview-{request.safety}"
    (engine.folder / job).mkdir()
    engine.inbox.put(Start(job=job, request=request, folder=engine.folder / job))
    preview = ""
    while not isinstance(frame := engine.frames.get(timeout=DEADLINE_S), Finished):
        if isinstance(frame, Progress):
            preview = preview or frame.preview or ""
    with Image.open(io.BytesIO(base64.b64decode(preview))) as file:
        shown = file.convert("L")
    return float(np.abs(np.asarray(shown, float) - np.asarray(veiled(shown), float)).mean())


def test_a_preview_is_hidden_wherever_a_finished_picture_might_be(
    engine: Engine, named: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "PREVIEW_EVERY_S", 0)
    found = {
        policy: detail(engine, named(safety=policy, width=256, height=256))
        for policy in ("off", "pass", "blur", "block")
    }
    assert found["pass"] == found["off"]
    assert found["blur"] == found["block"] < found["off"] / 3


# -- loading whom a request needs -------------------------------------------------------------------


@pytest.fixture
def judges(tmp_path: Path) -> Judges:
    companions = Companions(clip=tmp_path / "clip", safety=tmp_path / "safety")
    return Judges(companions=companions, place=lambda _: DEMO_FOLDER)


def refused(judges: Judges, request: GenerationRequest) -> str:
    with pytest.raises(Refusal) as caught:
        judges.jury(request)
    return caught.value.body.code


def test_nothing_is_loaded_for_a_request_that_needs_nobody(judges: Judges, named: Ask) -> None:
    assert judges.jury(named()) == Jury()


def test_a_checker_that_went_away_since_the_request_was_taken_refuses_it(
    judges: Judges, named: Ask, tmp_path: Path
) -> None:
    assert refused(judges, named(safety="pass")) == "safety_unavailable"
    make_safety_checker(tmp_path / "safety", limit=0.2)
    (tmp_path / "safety" / "safety_checker" / "model.safetensors").write_bytes(b"cut off")
    assert refused(judges, named(safety="block")) == "safety_unavailable"


def test_both_checkers_look_where_both_are_there(judges: Judges, named: Ask, tmp_path: Path) -> None:
    make_safety_checker(tmp_path / "safety", limit=1.0)
    (tmp_path / "safety" / "unsafe.txt").write_text("a blue background\n")
    (tmp_path / "safety" / "safe.txt").write_text("a red background\n")
    jury = judges.jury(named(safety="block"))
    blue = np.full((64, 64, 3), (54, 110, 222), np.uint8)
    assert [checker.check(blue).flagged for checker in jury.checkers] == [False, True]
    assert jury.checkers[0] is judges.jury(named(safety="pass")).checkers[0]  # loaded once


def test_an_empty_list_of_words_checks_nothing_and_so_nothing_is_shown(
    judges: Judges, named: Ask, tmp_path: Path
) -> None:
    (tmp_path / "safety").mkdir()
    (tmp_path / "safety" / "unsafe.txt").write_text("# nothing yet\n")
    assert refused(judges, named(safety="block")) == "safety_unavailable"


def test_words_without_a_clip_that_loads_check_nothing(named: Ask, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEMO_FOLDER / "clip", model / "clip")
    (model / "clip" / "open_clip_model.safetensors").write_bytes(b"cut off")
    (tmp_path / "safety").mkdir()
    (tmp_path / "safety" / "unsafe.txt").write_text("a cat\n")
    companions = Companions(clip=tmp_path / "clip", safety=tmp_path / "safety")
    assert refused(Judges(companions=companions, place=lambda _: model), named(safety="pass")) == (
        "safety_unavailable"
    )


# -- describing -------------------------------------------------------------------------------------


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (80, 60), (222, 48, 48)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_a_picture_is_described_and_none_is_drawn(engine: Engine, named: Ask, red: Path) -> None:
    result = finished(engine.draw("job", named(task=Task.DESCRIBE), red))
    assert (result.description, result.images) == ("red background", ())
    assert list((engine.folder / "job").iterdir()) == []


def test_a_picture_that_nobody_can_describe_is_refused_in_words(
    engine: Engine, named: Ask, red: Path
) -> None:
    failed = engine.draw("job", named(task=Task.DESCRIBE, prompt="nobody"), red)
    assert isinstance(failed, Failed)
    assert failed.error.code == "clip_missing"
    lost = engine.draw("lost", named(task=Task.DESCRIBE), red.with_name("gone.png"))
    assert isinstance(lost, Failed)


def test_a_cancelled_description_ends_as_cancelled_and_no_other_way(
    tmp_path: Path, model: StableDiffusion, clip: Clip, named: Ask, red: Path
) -> None:
    engine = Engine(tmp_path, model, clip)
    (tmp_path / "job").mkdir()
    engine.inbox.put(Start(job="job", request=named(task=Task.DESCRIBE), input=red, folder=tmp_path / "job"))
    engine.inbox.put(Cancel(job="job"))
    engine.thread.start()
    ended = (Cancelled, Finished, Failed)
    while not isinstance(frame := engine.frames.get(timeout=DEADLINE_S), ended):
        pass
    assert isinstance(frame, Cancelled)
    engine.inbox.put(Stop())
    engine.thread.join(DEADLINE_S)
    assert engine.frames.empty()


def test_the_demo_describes_in_its_own_words_and_an_operators_coca_in_its_own(
    judges: Judges, named: Ask, tmp_path: Path
) -> None:
    pixels = np.full((64, 64, 3), (54, 110, 222), np.uint8)
    request = named(task=Task.DESCRIBE)
    assert "blue background" in judges.describer(request).describe(pixels)
    make_coca(tmp_path / "clip" / "coca")
    assert "blue background" not in judges.describer(request).describe(pixels)

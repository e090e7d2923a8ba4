"""Families that the step loop does not know: what diffusers' own pipeline draws, with the worker's manners."""

import copy
import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    FlowMatchHeunDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxPipeline,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
)
from PIL import Image

from engine.errors import Refusal
from engine.frames import (
    Cancel,
    Cancelled,
    Failed,
    Finished,
    FromWorker,
    Loading,
    Progress,
    Ready,
    Start,
    Stop,
)
from engine.images.finishing import Finisher
from engine.models.adapter_library import AdapterLibrary
from engine.models.pipeline_loading import LoadedPipeline, load_model
from engine.tasks.own_pipeline import pipeline_notices
from engine.wire import GenerationRequest, Memory, Sampler, Task
from engine.worker.beginning import Beginner
from engine.worker.cap_book import CapBook
from engine.worker.control_shelf import no_control
from engine.worker.decoders import Decoders
from engine.worker.device import Device
from engine.worker.drawing import Plan
from engine.worker.judges import Jury
from engine.worker.pipeline_loop import PipelineLoop
from engine.worker.policy import MemoryPolicy
from engine.worker.process import Inbox, Worker
from engine.worker.shelf import Model, Shelf
from tests.engine.tiny_model import make_tiny_model
from tests.engine.tiny_pipelines import make_tiny_pipeline
from tests.engine.worker.equality import EXACT

Ask = Callable[..., GenerationRequest]
DEADLINE_S = 60
KINDS = ("sd3", "flux", "pixart")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        make_tiny_pipeline(kind, folder / kind)
    make_tiny_pipeline("schnell", folder / "schnell")
    make_tiny_model(folder / "plain", width=16, latent_side=8)
    return folder


@pytest.fixture(scope="module")
def loaded(root: Path) -> dict[str, Model]:
    return {name: load_model(name, root / name, EXACT) for name in (*KINDS, "schnell", "plain")}


class Front:
    """What the front does to a worker. `clock` stands still, so only first and last steps would be reported."""

    def __init__(self, folder: Path, loaded: dict[str, Model]) -> None:
        self.folder = folder
        self.inbox: Inbox = SimpleQueue()
        self.frames: Queue[FromWorker] = Queue()
        self.time = 0.0
        self.worker = Worker(
            load=loaded.__getitem__,
            device=EXACT,
            caps=CapBook(file=None, machine="test"),
            inbox=self.inbox,
            send=self.frames.put,
            finisher=Finisher(version="0.1.0"),
            clock=self._clock,
        )
        self.thread = threading.Thread(target=self.worker.run)

    def _clock(self) -> float:
        self.time += 1  # a second passes with every look: every step is worth a report
        return self.time

    def start(
        self, job: str, request: GenerationRequest, picture: Path | None = None, mask: Path | None = None
    ) -> None:
        (self.folder / job).mkdir()
        self.inbox.put(Start(job=job, request=request, input=picture, mask=mask, folder=self.folder / job))

    def next(self) -> FromWorker:
        return self.frames.get(timeout=DEADLINE_S)

    def until(self, *kinds: type[FromWorker]) -> FromWorker:
        while not isinstance(frame := self.next(), kinds):
            assert not isinstance(frame, Failed), frame.error
        return frame

    def drawn(self, job: str, index: int = 0) -> npt.NDArray[np.uint8]:
        with Image.open(self.folder / job / f"{index}.png") as file:
            return np.asarray(file.convert("RGB"))


@pytest.fixture
def front(tmp_path: Path, loaded: dict[str, Model]) -> Iterator[Front]:
    front = Front(tmp_path, loaded)
    front.thread.start()
    assert isinstance(front.next(), Ready)
    yield front
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


@pytest.fixture
def want(ask: Ask) -> Ask:
    """A request that every family takes."""
    return lambda model, **changes: ask(
        **({"model": model, "negative_prompt": "", "guidance_scale": 4.0, "steps": 4} | changes)
    )


Direct = Callable[..., npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def directly(root: Path) -> Direct:
    """The picture that diffusers draws when nobody stands between, from its own copy of the weights."""
    left_out = {"text_encoder_3": None, "tokenizer_3": None}
    pipelines = {
        name: DiffusionPipeline.from_pretrained(root / name, **(left_out if name == "sd3" else {}))
        for name in KINDS
    }

    def draw(name: str, kind: Any = None, **changes: Any) -> npt.NDArray[np.uint8]:
        pipeline = pipelines[name] if kind is None else kind(**pipelines[name].components)
        arguments = {"num_inference_steps": 4, "guidance_scale": 4.0} | changes
        if name == "pixart":
            arguments["use_resolution_binning"] = False
        generator = torch.Generator("cpu").manual_seed(arguments.pop("seed", 42))
        drawn = pipeline(
            prompt="a hamster with a brush", width=64, height=64, generator=generator, **arguments
        )
        return np.asarray(drawn.images[0])

    return draw


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(7).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_the_one_that_diffusers_draws(
    front: Front, directly: Direct, want: Ask, kind: str
) -> None:
    front.start("job", want(kind, count=2))
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert [image.seed for image in finished.images] == [42, 43]
    for index, seed in enumerate((42, 43)):
        assert np.array_equal(front.drawn("job", index), directly(kind, seed=seed))


@pytest.mark.parametrize("kind", ["sd3", "pixart"])
def test_a_negative_prompt_is_drawn_without(front: Front, directly: Direct, want: Ask, kind: str) -> None:
    front.start("job", want(kind, negative_prompt="blurry"))
    front.until(Finished)
    assert np.array_equal(front.drawn("job"), directly(kind, negative_prompt="blurry"))


@pytest.mark.parametrize(
    ("kind", "pipeline"), [("sd3", StableDiffusion3Img2ImgPipeline), ("flux", FluxImg2ImgPipeline)]
)
def test_image_to_image_is_the_sibling_pipeline(
    front: Front, directly: Direct, want: Ask, picture: Path, kind: str, pipeline: Any
) -> None:
    front.start("job", want(kind, task=Task.IMG2IMG, strength=0.5), picture)
    first = front.until(Progress)
    assert isinstance(first, Progress)
    assert (first.step, first.steps) == (1, 2)
    front.until(Finished)
    expected = directly(kind, pipeline, strength=0.5, image=Image.open(picture))
    assert np.array_equal(front.drawn("job"), expected)


@pytest.mark.parametrize(
    ("kind", "pipeline"), [("sd3", StableDiffusion3InpaintPipeline), ("flux", FluxInpaintPipeline)]
)
def test_inpaint_is_the_sibling_pipeline_and_keeps_the_rest(
    front: Front, directly: Direct, want: Ask, picture: Path, tmp_path: Path, kind: str, pipeline: Any
) -> None:
    masked = np.zeros((64, 64), bool)
    masked[16:48, 16:48] = True
    Image.fromarray(masked.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    front.start("job", want(kind, task=Task.INPAINT, strength=0.75), picture, tmp_path / "mask.png")
    front.until(Finished)
    images = {"image": Image.open(picture), "mask_image": Image.open(tmp_path / "mask.png")}
    expected = directly(kind, pipeline, strength=0.75, **images)
    assert np.array_equal(front.drawn("job")[masked], expected[masked])
    assert np.array_equal(front.drawn("job")[~masked], np.asarray(images["image"])[~masked])


@pytest.mark.parametrize("kind", KINDS)
def test_progress_counts_the_steps_of_all_images(front: Front, want: Ask, kind: str) -> None:
    front.start("job", want(kind, count=2))
    seen = []
    while not isinstance(frame := front.next(), Finished):
        seen.append(frame)
    assert isinstance(seen[0], Loading)
    told = [(frame.step, frame.steps, frame.preview) for frame in seen if isinstance(frame, Progress)]
    assert told == [(step, 8, None) for step in range(1, 9)]


def test_a_cancel_takes_effect_at_the_next_step_and_the_next_job_is_whole(
    front: Front, directly: Direct, want: Ask
) -> None:
    front.start("long", want("sd3", steps=150))
    front.until(Progress)
    front.inbox.put(Cancel(job="long"))
    front.start("next", want("sd3"))
    steps = 0
    while not isinstance(frame := front.next(), Cancelled):
        assert isinstance(frame, Progress)
        steps = frame.step
    assert steps < 150
    assert not list((front.folder / "long").iterdir())
    front.until(Finished)
    assert np.array_equal(front.drawn("next"), directly("sd3"))


def test_a_pipeline_on_the_shelf_makes_room_and_comes_back(loaded: dict[str, Model], root: Path) -> None:
    held = Shelf(
        load=loaded.__getitem__,
        caps=CapBook(file=None, machine="test"),
        policy=MemoryPolicy(cache=2**30, device=Memory(bytes=1, number=4), rungs=()),
    )
    pipeline = held.loop_of("flux")
    written = sum(file.stat().st_size for file in (root / "flux").rglob("*.safetensors"))
    assert 0.9 * written < pipeline.bytes < 1.1 * written
    steps = held.loop_of("plain")
    assert (pipeline.on_device, steps.on_device) == (False, True)
    assert held.loop_of("flux") is pipeline
    assert (pipeline.on_device, steps.on_device) == (True, False)


def test_a_pipelines_networks_go_where_they_are_told(loaded: dict[str, Model]) -> None:
    flux = copy.deepcopy(loaded["flux"])
    assert isinstance(flux, LoadedPipeline)
    elsewhere = Device(place=torch.device("meta"), dtype=torch.float32, reason="another place than the CPU")
    loop = PipelineLoop(model=dataclasses.replace(flux, device=elsewhere))
    loop.enter()
    assert {each.device.type for network in flux.networks for each in network.parameters()} == {"meta"}
    assert loop.on_device


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_lora_that_a_wildcard_put_in_is_refused(loaded: dict[str, Model], want: Ask, field: str) -> None:
    flux = loaded["flux"]
    assert isinstance(flux, LoadedPipeline)
    beginner = Beginner(
        wildcards=lambda _: ("a cat <lora:film:1>",),
        adapters=AdapterLibrary(None),
        control=no_control,
        decoders=Decoders(),
        plan=lambda *_: Plan(),
        clock=lambda: 0.0,
    )
    command = Start(job="job", request=want("flux", **{field: "__animals__"}), folder=Path())
    with pytest.raises(Refusal) as refused:
        beginner.begin(PipelineLoop(model=flux), command, Jury())
    assert (refused.value.body.code, refused.value.body.field) == ("lora_incompatible", field)


def test_models_of_both_kinds_take_turns(front: Front, directly: Direct, want: Ask) -> None:
    for job, model in (("one", "flux"), ("two", "plain"), ("three", "flux")):
        front.start(job, want(model))
        finished = front.until(Finished, Failed)
        assert isinstance(finished, Finished)
    assert np.array_equal(front.drawn("one"), front.drawn("three"))
    assert np.array_equal(front.drawn("one"), directly("flux"))


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"negative_prompt": "blurry"}, "negative_prompt", "takes no negative prompt"),
        ({"clip_skip": 2}, "clip_skip", "takes no clip skip; it was 2"),
    ],
)
def test_what_the_pipeline_would_ignore_is_refused(
    front: Front, want: Ask, changes: dict[str, object], field: str, says: str
) -> None:
    front.start("job", want("flux", **changes))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.field) == ("invalid_field", field)
    assert says in failed.error.message


def test_clip_skip_counts_from_one_as_everywhere(front: Front, directly: Direct, want: Ask) -> None:
    front.start("job", want("sd3", clip_skip=2))
    front.until(Finished)
    assert np.array_equal(front.drawn("job"), directly("sd3", clip_skip=1))


def test_guidance_that_a_network_was_distilled_without_is_said(front: Front, want: Ask) -> None:
    front.start("job", want("schnell"))
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert finished.notices == ("This model has no guidance scale; the one of the request was not used.",)


def test_a_sampler_that_no_menu_names_is_said(loaded: dict[str, Model], want: Ask) -> None:
    flux = loaded["flux"]
    assert isinstance(flux, LoadedPipeline)
    assert pipeline_notices(flux, want("flux")) == ()
    pipeline = FluxPipeline(**flux.text_to_image.components | {"scheduler": FlowMatchHeunDiscreteScheduler()})
    other = dataclasses.replace(flux, text_to_image=pipeline)
    assert pipeline_notices(other, want("flux")) == (
        "This model draws with a sampler of its own, FlowMatchHeunDiscreteScheduler.",
    )


def test_a_picture_of_no_numbers_fails_its_job_alone(
    front: Front, directly: Direct, want: Ask, loaded: dict[str, Model]
) -> None:
    sd3 = loaded["sd3"]
    assert isinstance(sd3, LoadedPipeline)
    weight = sd3.text_to_image.vae.decoder.conv_out.bias
    kept = weight.detach().clone()
    weight.data.fill_(float("nan"))
    front.start("job", want("sd3"))
    failed = front.until(Failed)
    weight.data.copy_(kept)
    assert isinstance(failed, Failed)
    assert failed.error.code == "nan_output"
    front.start("next", want("sd3", sampler=Sampler.EULER))
    front.until(Finished)
    assert np.array_equal(front.drawn("next"), directly("sd3"))

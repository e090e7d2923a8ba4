"""The worker as its front sees it: commands in, frames out, pictures in the job's folder."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

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
from engine.images.infotext import parse
from engine.models.adapter_folder import AdapterFolders
from engine.models.loading import ModelBroken, StableDiffusion
from engine.wire import Format, GenerationRequest, Sampler, Task
from engine.worker.cap_book import CapBook
from engine.worker.policy import MemoryPolicy
from engine.worker.process import Inbox, Worker
from tests.engine import adapter_files

Ask = Callable[..., GenerationRequest]
DEADLINE_S = 30


class Front:
    """What the front does to a worker, over queues instead of pipes."""

    def __init__(
        self,
        folder: Path,
        model: StableDiffusion,
        caps: CapBook | None = None,
        policy: MemoryPolicy | None = None,
        **options: Any,
    ) -> None:
        self.folder, self.model = folder, model
        self.loading, self.let_go = threading.Event(), threading.Event()
        self.inbox: Inbox = SimpleQueue()
        self.frames: Queue[FromWorker] = Queue()
        self.worker = Worker(
            load=self._load,
            device=model.device,
            caps=caps or CapBook(file=None, machine="test"),
            inbox=self.inbox,
            send=self.frames.put,
            finisher=Finisher(version="0.1.0"),
            policy=policy,
            adapters=AdapterFolders.of(
                loras=folder / "loras", embeddings=folder / "embeddings", vaes=folder / "vaes"
            ),
            wildcards=lambda name: {"animal": ("hamster",), "film": ("<lora:grain:1>",)}.get(name, ()),
            **options,
        )
        self.thread = threading.Thread(target=self.worker.run)

    def _load(self, name: str) -> StableDiffusion:
        if name == "slow":
            self.loading.set()
            assert self.let_go.wait(DEADLINE_S)
        if name == "broken":
            raise ModelBroken("Model 'broken' is damaged: its unet could not be loaded.")
        if name == "too large":
            raise torch.OutOfMemoryError("CUDA out of memory")
        if name == "cursed":
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        return self.model

    def start(
        self, job: str, request: GenerationRequest, picture: Path | None = None, mask: Path | None = None
    ) -> None:
        folder = self.folder / job
        folder.mkdir()
        self.inbox.put(Start(job=job, request=request, input=picture, mask=mask, folder=folder))

    def next(self) -> FromWorker:
        return self.frames.get(timeout=DEADLINE_S)

    def until(self, *kinds: type[FromWorker]) -> FromWorker:
        while not isinstance(frame := self.next(), kinds):
            pass
        return frame


@pytest.fixture
def front(tmp_path: Path, model: StableDiffusion) -> Iterator[Front]:
    front = Front(tmp_path, model)
    front.thread.start()
    yield front
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert not front.thread.is_alive()


@pytest.fixture
def named(model: StableDiffusion, ask: Ask) -> Ask:
    return lambda **changes: ask(**({"model": model.name} | changes))


def test_a_job_is_loaded_drawn_and_written(front: Front, named: Ask) -> None:
    assert front.next() == Ready(device="cpu, float32 (equality is proved in float32)", in_flight=4)
    front.start("job", named(count=2, seed=2**32 - 1))
    assert isinstance(front.next(), Loading)
    first = front.next()
    assert isinstance(first, Progress)
    assert first.steps == 12
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert [(image.index, image.seed) for image in finished.images] == [(0, 2**32 - 1), (1, 0)]
    for image in finished.images:
        written = (front.folder / "job" / f"{image.index}.png").read_bytes()
        assert (hashlib.sha256(written).hexdigest(), len(written)) == (image.sha256, image.bytes)
        with Image.open(front.folder / "job" / f"{image.index}.png") as picture:
            assert picture.info["parameters"] == image.infotext
            assert picture.size == (image.width, image.height) == (64, 64)


def test_the_last_progress_says_that_every_step_is_done(front: Front, named: Ask) -> None:
    front.start("job", named(sampler=Sampler.PLMS, steps=5))
    seen = []
    while not isinstance(frame := front.next(), Finished):
        seen.append(frame)
    last = [frame for frame in seen if isinstance(frame, Progress)][-1]
    assert last.step == last.steps == 6  # PLMS takes one step twice


def test_image_to_image_follows_its_input(front: Front, named: Ask, tmp_path: Path) -> None:
    white, black = tmp_path / "white.png", tmp_path / "black.png"
    Image.new("RGB", (100, 80), "white").save(white)
    Image.new("RGB", (100, 80), "black").save(black)
    request = named(task=Task.IMG2IMG, strength=0.2, steps=10)
    shades = []
    for name, picture in (("one", white), ("two", black), ("three", white)):
        front.start(name, request, picture)
        front.until(Finished)
        shades.append((front.folder / name / "0.png").read_bytes())
    assert shades[0] == shades[2] != shades[1]


@pytest.mark.parametrize("changes", [{}, {"only_masked": True, "padding": 8, "fill": "noise"}])
def test_inpaint_changes_what_is_masked_and_nothing_else(
    front: Front, named: Ask, tmp_path: Path, changes: dict[str, object]
) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    masked = np.zeros((90, 120), bool)
    masked[30:60, 40:90] = True
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    Image.fromarray(pixels).save(picture)
    Image.fromarray(masked.astype(np.uint8) * 255).save(mask)
    request = named(task=Task.INPAINT, strength=0.8, steps=3, count=2, **changes)
    front.start("job", request, picture, mask)
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert [(image.width, image.height) for image in finished.images] == [(120, 90)] * 2
    with Image.open(front.folder / "job" / "1.png") as file:
        result = np.asarray(file)
    assert np.array_equal(result[~masked], pixels[~masked])
    assert (result[masked] != pixels[masked]).mean() > 0.9


def test_outpaint_keeps_the_picture_and_a_variation_names_its_seeds(
    front: Front, named: Ask, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    request = named(
        task=Task.OUTPAINT, extend={"left": 8, "up": 24}, strength=1.0, steps=2, seed=5, count=2
    ).model_copy(update={"variation_seed": 9, "variation_strength": 0.25})
    front.start("job", request, tmp_path / "picture.png")
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    with Image.open(front.folder / "job" / "0.png") as file:
        assert file.size == (64, 64)
        assert np.array_equal(np.asarray(file)[24:, 8:], pixels)
    assert [image.seed for image in finished.images] == [5, 5]
    assert "Variation seed: 10, Variation seed strength: 0.25" in finished.images[1].infotext
    assert "Outpaint: left=8 up=24" in finished.images[0].infotext


def test_a_cancel_is_obeyed_within_a_step_and_the_folder_gets_no_picture(front: Front, named: Ask) -> None:
    front.start("long", named(steps=150))
    front.until(Progress)
    front.inbox.put(Cancel(job="long"))
    seen: list[FromWorker] = []
    while not isinstance(frame := front.next(), Cancelled):
        seen.append(frame)
    assert not any(isinstance(frame, Finished) for frame in seen)
    assert list((front.folder / "long").iterdir()) == []
    front.start("next", named())
    assert isinstance(front.until(Finished, Failed), Finished)


def test_cancelling_one_job_does_not_change_the_picture_of_another(front: Front, named: Ask) -> None:
    front.start("alone", named(seed=5))
    alone = front.until(Finished)
    front.start("cancelled", named(seed=6, steps=100))
    front.start("kept", named(seed=5))
    front.inbox.put(Cancel(job="cancelled"))
    kept = front.until(Finished)
    assert isinstance(alone, Finished)
    assert isinstance(kept, Finished)
    assert kept.job == "kept"
    assert kept.images[0].sha256 == alone.images[0].sha256


def test_a_cancel_between_the_last_step_and_the_file_is_obeyed_or_too_late_and_never_half(
    front: Front, named: Ask
) -> None:
    front.start("job", named(steps=4, count=2))
    while not (isinstance(frame := front.next(), Progress) and frame.step == frame.steps):
        pass
    front.inbox.put(Cancel(job="job"))
    front.until(Cancelled, Finished)
    shutil.rmtree(
        front.folder / "job"
    )  # as the front does with the last word, after which nothing may be written
    front.start("job", named(steps=1, seed=9))
    finished = front.until(Finished, Failed)
    assert isinstance(finished, Finished)
    assert [image.seed for image in finished.images] == [9]
    assert [path.name for path in (front.folder / "job").iterdir()] == ["0.png"]


def test_a_cancel_while_the_model_is_loaded_is_obeyed_before_the_first_step(front: Front, named: Ask) -> None:
    front.start("job", named(model="slow"))
    assert front.loading.wait(DEADLINE_S)
    front.inbox.put(Cancel(job="job"))
    front.let_go.set()
    seen = []
    while not isinstance(frame := front.next(), (Cancelled, Finished, Failed)):
        seen.append(frame)
    assert frame == Cancelled(job="job")
    assert not [each for each in seen if isinstance(each, Progress) and each.step]
    assert list((front.folder / "job").iterdir()) == []
    front.start("next", named())
    assert isinstance(front.until(Finished, Failed), Finished)


def test_a_late_cancel_changes_nothing(front: Front, named: Ask) -> None:
    front.start("job", named())
    front.until(Finished)
    front.inbox.put(Cancel(job="job"))
    front.start("next", named())
    assert isinstance(front.until(Cancelled, Finished), Finished)


def test_a_broken_model_fails_its_job_in_words_and_the_worker_lives_on(front: Front, named: Ask) -> None:
    front.start("job", named(model="broken"))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.error.code == "model_broken"
    assert failed.error.message == "Model 'broken' is damaged: its unet could not be loaded."
    front.start("next", named())
    assert isinstance(front.until(Finished, Failed), Finished)


def test_a_picture_that_cannot_be_written_fails_its_job_alone(
    front: Front, named: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    (front.folder / "full").write_text("a file where the folder should be")
    front.inbox.put(Start(job="full", request=named(), folder=front.folder / "full"))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.error.code == "storage_full"
    assert failed.error.retryable
    (said,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert said.getMessage().startswith("job full: a picture could not be written: [Errno 20]")
    assert said.exc_info is None
    front.start("next", named())
    assert isinstance(front.until(Finished, Failed), Finished)


def test_a_cut_prompt_is_noted_in_the_result(front: Front, named: Ask) -> None:
    front.start("job", named(prompt="a " * 605 + "hamster", count=2))
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert finished.notices == (
        "The prompt has 606 tokens, more than the 8 chunks of 75 that are read. Not used: “a a a a a hamster”",
    )


def test_each_picture_gets_its_own_choice_and_its_infotext_says_which(front: Front, named: Ask) -> None:
    front.start(
        "job", named(prompt="a {red|blue|green} __animal__", negative_prompt="{x|y}", count=4, steps=1)
    )
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    texts = [image.infotext for image in finished.images]
    prompts = {text.split("\n")[0] for text in texts}
    assert len(prompts) > 1
    assert prompts <= {f"a {colour} hamster" for colour in ("red", "blue", "green")}
    assert all("Template: a {red|blue|green} __animal__, Negative Template: {x|y}" in text for text in texts)
    front.start("again", named(prompt="a {red|blue|green} __animal__", seed=44, steps=1))
    again = front.until(Finished)
    assert isinstance(again, Finished)
    assert again.images[0].infotext.split("\n")[0] == texts[2].split("\n")[0]


def test_a_lora_that_a_wildcard_brought_in_fails_the_job_by_name(front: Front, named: Ask) -> None:
    front.start("job", named(prompt="a cat __film__"))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.field) == ("unknown_lora", "prompt")
    assert failed.error.message == "There is no LoRA called 'grain'. This engine has none."


@pytest.fixture
def pipeline(model_folder: Path) -> Any:
    """The model once more: LoRAs for it are made after networks that have none yet."""
    return StableDiffusionPipeline.from_pretrained(model_folder, dtype=torch.float32)


def test_every_picture_of_a_job_has_the_lora_that_its_own_wildcard_chose(
    front: Front, named: Ask, pipeline: Any
) -> None:
    for seed, name in enumerate(("ink", "film")):
        tensors = adapter_files.kohya(pipeline.unet, pipeline.text_encoder, seed=seed)
        adapter_files.write(front.folder / "loras" / f"{name}.safetensors", tensors)
    prompt = "a cat {<lora:ink:1>|<lora:film:0.5:1>|}"
    front.start("job", named(prompt=prompt, count=4, seed=2, steps=2))
    together = front.until(Finished, Failed)
    assert isinstance(together, Finished)
    chosen = {image.infotext.split("\n")[0] for image in together.images}
    assert len(chosen) > 1
    for image in together.images:
        front.start(f"alone {image.index}", named(prompt=prompt, seed=image.seed, steps=2))
        alone = front.until(Finished, Failed)
        assert isinstance(alone, Finished)
        assert alone.images[0].infotext == image.infotext
        files = front.folder / f"alone {image.index}" / "0.png", front.folder / "job" / f"{image.index}.png"
        one, other = (np.asarray(Image.open(file), np.int16) for file in files)
        assert np.abs(one - other).max() <= 1  # up to rounding


def test_a_picture_says_which_adapters_drew_it(front: Front, named: Ask, pipeline: Any) -> None:
    networks, write = (pipeline.unet, pipeline.text_encoder), adapter_files.write
    lora = write(front.folder / "loras" / "ink.safetensors", adapter_files.kohya(*networks))
    words = write(front.folder / "embeddings" / "mood.safetensors", {"emb_params": torch.ones(2, 16)})
    vae = write(front.folder / "vaes" / "sharp.safetensors", pipeline.vae.state_dict())
    front.start("job", named(prompt="a mood <lora:ink:1>", vae="sharp", steps=1))
    finished = front.until(Finished, Failed)
    assert isinstance(finished, Finished)
    read = parse(finished.images[0].infotext)
    assert read is not None
    body = lora.read_bytes()[8 + int.from_bytes(lora.read_bytes()[:8], "little") :]
    assert read.settings["Lora hashes"] == f"ink: {hashlib.sha256(body).hexdigest()[:12]}"
    assert read.settings["TI hashes"] == f"mood: {hashlib.sha256(words.read_bytes()).hexdigest()[:12]}"
    assert read.settings["VAE"] == "sharp"
    assert read.settings["VAE hash"] == hashlib.sha256(vae.read_bytes()).hexdigest()[:10]
    assert read.prompt == "a mood <lora:ink:1>"
    front.start("plain", named(prompt="a cat", steps=1))
    plain = front.until(Finished, Failed)
    assert isinstance(plain, Finished)
    assert not {"Lora hashes", "TI hashes", "VAE"} & set(parse(plain.images[0].infotext).settings)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vae": "none"}, "unknown_vae"),
        ({"prompt": "wide"}, "embedding_incompatible"),
        ({"negative_prompt": "<lora:wide:1>"}, "lora_incompatible"),
        ({"vae": "cut"}, "adapter_broken"),
    ],
)
def test_an_adapter_that_cannot_be_used_fails_its_job_alone(
    front: Front, named: Ask, changes: dict[str, str], code: str
) -> None:
    adapter_files.write(front.folder / "embeddings" / "wide.safetensors", {"emb_params": torch.ones(2, 768)})
    adapter_files.write(front.folder / "loras" / "wide.safetensors", {"emb_params": torch.ones(2, 768)})
    cut = adapter_files.write(
        front.folder / "vaes" / "cut.safetensors", {"first_stage_model.x": torch.ones(2)}
    )
    cut.write_bytes(cut.read_bytes()[:-1])
    front.start("job", named(steps=1, **changes))
    failed = front.until(Failed, Finished)
    assert isinstance(failed, Failed)
    assert failed.error.code == code
    front.start("next", named(steps=1))
    assert isinstance(front.until(Failed, Finished), Finished)


def test_clip_skip_beyond_the_models_layers_fails_the_job_in_words(front: Front, named: Ask) -> None:
    front.start("job", named(clip_skip=3))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.error.message == "clip_skip must be at most 2 with this model; it was 3."


def test_a_model_that_does_not_fit_into_memory_fails_by_that_name(front: Front, named: Ask) -> None:
    front.start("job", named(model="too large"))
    failed = front.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.error.code == "out_of_memory"
    front.start("next", named())
    assert isinstance(front.until(Finished, Failed), Finished)


def test_a_decode_that_does_not_fit_is_done_in_tiles_and_the_person_is_told(
    front: Front, named: Ask, model: StableDiffusion
) -> None:
    def check(_: object, args: tuple[torch.Tensor]) -> None:
        if args[0].shape[-1] == 8:  # latent cells of the whole picture
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = model.vae.decoder.register_forward_pre_hook(check)
    try:
        front.start("job", named(steps=1, count=2))
        finished = front.until(Finished, Failed)
    finally:
        hook.remove()
        model.vae.disable_tiling()
    assert isinstance(finished, Finished)
    assert finished.notices == (
        "The device's memory is short for this size. So it was drawn more slowly: decoded in tiles, whose seams"
        " may show a little.",
    )


def test_an_input_that_does_not_fit_is_read_in_tiles(
    front: Front, named: Ask, model: StableDiffusion, tmp_path: Path
) -> None:
    def check(_: object, args: tuple[torch.Tensor]) -> None:
        if args[0].shape[-1] == 64:
            raise torch.OutOfMemoryError("CUDA out of memory")

    Image.new("RGB", (64, 64), "teal").save(tmp_path / "picture.png")
    hook = model.vae.encoder.register_forward_pre_hook(check)
    try:
        request = named(task=Task.IMG2IMG, strength=0.5, steps=2)
        front.start("job", request, tmp_path / "picture.png")
        assert isinstance(front.until(Finished, Failed), Finished)
    finally:
        hook.remove()
        model.vae.disable_tiling()


def test_without_work_for_long_enough_the_models_are_put_away(
    tmp_path: Path, model: StableDiffusion, named: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, put_away = Front(tmp_path, model, policy=MemoryPolicy(idle_s=0.01)), threading.Event()
    clear = front.worker._shelf.clear

    def cleared() -> None:
        clear()
        put_away.set()

    monkeypatch.setattr(front.worker._shelf, "clear", cleared)
    front.thread.start()
    try:
        for job in ("first", "second"):
            front.start(job, named(steps=1))
            assert isinstance(front.until(Loading, Finished), Loading)
            front.until(Finished)
            put_away.clear()  # it may have been so before the job came
            assert put_away.wait(DEADLINE_S)
    finally:
        front.inbox.put(Stop())
        front.thread.join(DEADLINE_S)


def test_a_lost_device_ends_the_worker_since_only_a_new_process_helps(
    tmp_path: Path, model: StableDiffusion, named: Ask
) -> None:
    front = Front(tmp_path, model)
    front.start("job", named(model="cursed"))
    with pytest.raises(torch.AcceleratorError):
        front.worker.run()


@pytest.mark.parametrize("kind", Format)
def test_a_picture_is_written_in_the_format_that_was_asked_for(
    front: Front, named: Ask, kind: Format
) -> None:
    front.start("job", named(format=kind))
    finished = front.until(Finished)
    assert isinstance(finished, Finished)
    assert finished.images[0].media_type == f"image/{kind}"
    with Image.open(front.folder / "job" / finished.images[0].file_name) as picture:
        assert picture.format == kind.upper()


def test_what_was_measured_is_kept(tmp_path: Path, model: StableDiffusion, named: Ask) -> None:
    caps = CapBook(file=tmp_path / "caps.json", machine="test")
    front = Front(tmp_path, model, caps=caps)
    front.thread.start()
    front.start("job", named())
    front.until(Finished)
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert f'"model": "{model.hash}"' in (tmp_path / "caps.json").read_text()


def test_what_was_measured_is_written_by_one_thread_alone(
    tmp_path: Path, model: StableDiffusion, named: Ask
) -> None:
    class Watched(CapBook):
        writers: set[str]

        def save(self) -> None:
            self.writers.add(threading.current_thread().name)

    caps = Watched(file=None, machine="test")
    caps.writers = set()
    front = Front(tmp_path, model, caps=caps)
    front.thread.start()
    front.start("job", named(steps=1))
    front.until(Finished)
    front.inbox.put(Stop())
    front.thread.join(DEADLINE_S)
    assert len(caps.writers) == 1

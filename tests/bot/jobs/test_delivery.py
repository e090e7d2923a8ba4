import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.jobs import reasons
from bot.jobs.delivery import Delivery
from bot.jobs.fit import fit
from bot.jobs.notices import Notice, Notices
from bot.jobs.ports import ChatGone, ChatTooLarge
from bot.jobs.states import Job, JobState, StoredImage
from engine.wire import Loading, Progress
from tests.bot.jobs.conftest import Desk, request
from tests.bot.jobs.scripted import ScriptedChat, picture


def noise(side: int = 256) -> bytes:
    return picture(3, side)


def everything_in(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    path.write_bytes(noise())
    return path


@pytest.mark.parametrize("limit", [30_000, 10_000, 2_000])
def test_a_picture_is_made_to_fit_and_keeps_its_infotext(noisy: Path, limit: int) -> None:
    data = fit(noisy, limit, "a hamster 🐹\nSteps: 2")
    assert len(data) <= limit < noisy.stat().st_size
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\0" + "a hamster 🐹\nSteps: 2".encode("utf-16-be")


def test_a_picture_made_to_fit_still_says_that_an_algorithm_made_it(tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "<x>trainedAlgorithmicMedia</x>")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=texts)
    with Image.open(io.BytesIO(fit(tmp_path / "a.png", 10**6, ""))) as image:
        assert image.info["xmp"] == b"<x>trainedAlgorithmicMedia</x>"


def test_what_fits_at_once_keeps_its_size(noisy: Path) -> None:
    with Image.open(io.BytesIO(fit(noisy, 10**6, ""))) as image:
        assert image.size == (256, 256)


def test_where_nothing_is_small_enough_the_smallest_is_given(noisy: Path) -> None:
    with Image.open(io.BytesIO(fit(noisy, 1, ""))) as image:
        assert image.size == (64, 64)


async def test_a_picture_over_the_limit_of_the_place_is_compressed_and_says_so(
    desk: Desk, tmp_path: Path
) -> None:
    desk.engine.images = [noise(), picture(4)]
    async with desk.running() as dispatcher:
        conversation = desk.conversation(upload_limit=20_000)
        job = await desk.ended(await dispatcher.submit(conversation, request()))
    (large, data, _), (small, untouched, _) = desk.chat.uploads[job.id]
    assert (large, small) == (f"darkroom-{job.id}-1.webp", f"darkroom-{job.id}-2.png")
    assert len(data) <= 20_000
    assert untouched == desk.engine.images[1]
    assert job.notices == (reasons.compressed(1, 20_000),)
    assert desk.chat.calls[-1].job.notices == job.notices
    assert await desk.files.read((await desk.history.images(job.id))[0].sha256) == desk.engine.images[0]
    assert everything_in(tmp_path / "pictures", "*.webp") == []


async def test_a_picture_that_the_chat_finds_too_large_after_all_is_made_smaller_and_posted(
    desk: Desk,
) -> None:
    desk.engine.images = [noise()]
    desk.chat.errors = [ChatTooLarge("the files are larger than Discord takes here")]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert job.state is JobState.POSTED
    ((name, data, _),) = desk.chat.uploads[job.id]
    assert name.endswith(".webp")
    assert len(data) <= len(desk.engine.images[0]) // 2


async def test_who_cannot_be_shown_a_picture_is_told_before_the_job_fails(desk: Desk) -> None:
    desk.chat.errors = [ChatGone("Discord refused the message")]
    async with desk.running() as dispatcher:
        job = await desk.ended(await dispatcher.submit(desk.conversation(), request()))
    assert job.state is JobState.FAILED
    assert "/history" in desk.chat.told[job.id]


async def test_pictures_that_are_too_large_together_are_compressed(desk: Desk, job: Job) -> None:
    images = [
        StoredImage(
            index=index,
            sha256=await desk.files.write(noise()),
            thumbnail_sha256="",
            media_type="image/png",
            width=256,
            height=256,
            seed=index,
            bytes=len(noise()),
            infotext="",
        )
        for index in range(4)
    ]
    delivery = Delivery(
        chat=desk.chat,
        files=desk.files,
        edit_every_s=0,
        give_up_hours=1,
        clock=desk.clock,
        backoff=lambda _: 0,
        message_limit=100_000,
    )
    _, notices = await delivery.post(job, images, look_first=False)
    sizes = [len(data) for _, data, _ in desk.chat.uploads[job.id]]
    assert len(sizes) == 4
    assert max(sizes) <= 25_000
    assert notices == (reasons.compressed(4, 25_000),)


def test_a_long_prompt_is_shortened_to_an_alt_text() -> None:
    assert reasons.alt_text("a\n  hamster") == "Picture drawn from the prompt: a hamster"
    assert reasons.alt_text("") == "Picture without a prompt"
    long = reasons.alt_text("hamster " * 300)
    assert len(long) == 1000
    assert long.endswith("…")


class SlowChat(ScriptedChat):
    """A chat whose edits take until the test lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def drawing(self, job: Job, event: object) -> None:
        self.begun.set()
        await self.go.wait()
        self._note("drawing", job, event)


@pytest.fixture
async def job(desk: Desk) -> Job:
    drawn = await desk.dispatcher().submit(desk.conversation(), request())
    moved = await desk.history.move(drawn.id, JobState.RUNNING)
    assert moved is not None
    return moved


def step(job: Job, number: int) -> Notice:
    return Notice(job=job, event=Progress(step=number, steps=9))


async def test_of_what_comes_during_an_edit_only_the_newest_is_shown(job: Job) -> None:
    chat = SlowChat()
    notices = Notices(chat=chat, every_s=0)
    notices.show(step(job, 1))
    await chat.begun.wait()
    for number in range(2, 9):
        notices.show(step(job, number))
    chat.go.set()
    async with asyncio.timeout(5):
        while len(chat.calls) < 2:  # noqa: ASYNC110 - the pump goes on as soon as it gets its turns
            await asyncio.sleep(0)
    assert [event.step for event in chat.shown("drawing")] == [1, 8]
    await notices.close()


async def test_closing_waits_for_the_edit_in_flight_and_drops_the_rest(job: Job) -> None:
    chat = SlowChat()
    notices = Notices(chat=chat, every_s=0)
    notices.show(step(job, 1))
    await chat.begun.wait()
    notices.show(step(job, 2))
    closing = asyncio.create_task(notices.close())
    await asyncio.sleep(0)
    assert not closing.done()
    chat.go.set()
    await closing
    assert [event.step for event in chat.shown("drawing")] == [1]


async def test_edits_keep_their_distance(job: Job) -> None:
    chat = ScriptedChat()
    notices = Notices(chat=chat, every_s=0.05)
    at: list[float] = []
    chat.on_call = lambda _: at.append(asyncio.get_running_loop().time())
    async with asyncio.timeout(5):
        while len(at) < 3:
            notices.show(step(job, len(at)))
            await asyncio.sleep(0)
    await notices.close()
    assert min(at[1] - at[0], at[2] - at[1]) >= 0.049


async def test_a_notice_that_waits_for_its_time_does_not_hold_up_the_picture(job: Job) -> None:
    chat = ScriptedChat()
    notices = Notices(chat=chat, every_s=3600)
    await notices.show_now(step(job, 1))
    notices.show(step(job, 2))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await notices.close()
    assert [event.step for event in chat.shown("drawing")] == [1]


async def test_a_picture_waits_for_the_edit_in_flight(desk: Desk) -> None:
    chat = desk.chat = SlowChat()
    desk.engine.scripts = [[Loading(model="demo"), desk.engine.finished()]]
    async with desk.running() as dispatcher:
        drawn = await dispatcher.submit(desk.conversation(), request())
        await chat.begun.wait()
        asyncio.get_running_loop().call_later(0.1, chat.go.set)  # long after the picture is drawn
        assert (await desk.ended(drawn)).state is JobState.POSTED
    assert [call.what for call in chat.calls] == ["drawing", "post"]

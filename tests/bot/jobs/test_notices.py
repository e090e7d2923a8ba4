"""The edits between "queued" and the picture: which of them somebody sees."""

from bot.jobs.notices import Notice, Notices
from engine.wire import Loading, Progress
from tests.bot.jobs.scripted import ScriptedChat
from tests.bot.samples import job
from tests.patience import until

JOB = job()


async def shown(*events: Progress | Loading) -> list[Progress | Loading]:
    """What the chat is told where all of these come before the first edit."""
    chat = ScriptedChat()
    notices = Notices(chat=chat, every_s=0.0)
    for event in events:
        notices.show(Notice(job=JOB, event=event))
    await until(lambda: bool(chat.calls))
    await notices.close()
    return [call.detail for call in chat.calls]


async def test_a_preview_is_seen_although_newer_progress_came_without_one() -> None:
    seen = await shown(
        Progress(step=5, steps=20, preview="old"),
        Progress(step=6, steps=20, preview="new"),
        Progress(step=7, steps=20),
        Progress(step=8, steps=20),
    )
    assert seen == [Progress(step=8, steps=20, preview="new")]


async def test_a_preview_goes_with_the_attempt_that_drew_it() -> None:
    seen = await shown(
        Progress(step=5, steps=20, preview="lost"), Loading(model="demo"), Progress(step=1, steps=20)
    )
    assert seen == [Progress(step=1, steps=20)]

"""The sentences that the stories are told in."""

from collections.abc import Callable

from bot.history.store import History
from bot.jobs.states import Job
from bot.playground.client import Json, Person
from tests.bot.commands.conftest import until
from tests.bot.commands.scripted_engine import ScriptedEngine


def contains(text: str) -> Callable[[Json], bool]:
    return lambda message: text in message["content"]


def posted(message: Json) -> bool:
    return any(each["filename"].startswith("darkroom-") for each in message["attachments"])


async def drawn(
    alice: Person, engine: ScriptedEngine, history: History, **options: object
) -> tuple[Json, Job]:
    """A finished picture: its message and its job."""
    asked = await alice.slash("imagine", {"prompt": "a hamster"} | options)
    job = await engine.next_job()
    engine.finish(job)
    message = await alice.wait_message(asked, posted)
    await ended(history, job)
    return message, job


async def ended(history: History, job: Job) -> None:
    async def has_ended() -> bool:
        return job.id not in {each.id for each in await history.unfinished()}

    await until(has_ended)


def labels(message: Json) -> list[str]:
    return [button["label"] for row in message["components"] for button in row["components"]]

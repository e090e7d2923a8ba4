"""Darkroom on this machine alone: playground, engine and bot together, with embedded defaults.

`darkroom try` and the stories in tests/flows/ run on it. The bot and the engine are the real programs in
processes of their own; only Discord's servers are stood in for.
"""

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.launcher import START_S, Child, Launcher, bot_child, engine_child, free_port, private_link
from bot.playground.client import Interaction, Person
from bot.playground.server import Playground

LOOK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A running trial: where the chat is, how the engine is reached, and the two programs."""

    playground: Playground
    engine_url: str
    engine_token: str
    engine: Child
    bot: Child
    launched: asyncio.Task[None]

    async def ready(self) -> None:
        """Wait until the bot is online and the engine answers. Raises what ended the launcher, or TimeoutError."""
        waiting = asyncio.create_task(self._ready(), name="ready")
        done, _ = await asyncio.wait(
            {waiting, self.launched}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED
        )
        if waiting not in done:
            waiting.cancel()
        if self.launched in done:
            self.launched.result()
        if waiting not in done:
            raise TimeoutError(f"bot and engine were not ready after {START_S:g} s")
        waiting.result()

    async def _ready(self) -> None:
        async with Person(self.playground.base) as person:
            await person.wait_online(timeout=START_S)
            # The bot has heard of the engine as soon as it can offer a model.
            while not await person.autocomplete("imagine", "model", prompt="?"):  # noqa: ASYNC110  (a process)
                await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def start_trial(
    *,
    data: Path,
    models: Path | None = None,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Trial]:
    """Start everything on free ports with random tokens; stop it all at the end.

    `data` keeps the history and the pictures. With `models`, a folder of model folders, the engine keeps to `data` as
    well; without it the engine has the operator's settings and data folder, but for its spool. `environment` overrides
    settings, as DARKROOM_<TABLE>__<KEY>.
    """
    playground = Playground()
    base = await playground.start()
    url, token = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(32)
    settings = {
        **private_link(url=url, token=token, spool=data / "spool"),
        "DARKROOM_DISCORD__TOKEN": playground.token,
        "DARKROOM_DISCORD__API": base,
        "DARKROOM_HISTORY__URL": "",
        **(environment or {}),
    }
    file = ["--config", str(config)] if config else []
    engine = engine_child(config=file, environment=settings | (_folders(data, models) if models else {}))
    bot = bot_child(config=file, environment=settings | _folders(data))
    launched = asyncio.create_task(Launcher(children=[engine, bot]).run(), name="launcher")
    try:
        yield Trial(
            playground=playground,
            engine_url=url,
            engine_token=token,
            engine=engine,
            bot=bot,
            launched=launched,
        )
    finally:
        launched.cancel()
        await asyncio.wait({launched})
        await playground.stop()


def _folders(data: Path, models: Path | None = None) -> dict[str, str]:
    own = {"DARKROOM_ENGINE__MODELS": str(models.absolute())} if models else {}
    return {"DARKROOM_PATHS__DATA": str(data.absolute())} | own


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """After the command was sent; None where it did not come to that."""

    acknowledged: float | None = None
    first_progress: float | None = None
    posted: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one typed command. `state` is posted, or ended where nothing came of it."""

    job: str | None
    state: str
    text: str
    files: tuple[str, ...]
    seconds: Seconds

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


async def follow(person: Person, asked: Interaction, *, out: Path, timeout: float) -> Outcome:
    """Wait for the end of what a command began and save each posted picture in `out`. Raises TimeoutError."""
    began = time.time()
    message = await person.wait_message(asked, is_final, timeout=timeout)
    ended = await person.look(asked)
    files = await _save(person, message, out) if is_posted(message) else ()
    posted_at = ended.last_edit_at or began
    return Outcome(
        job=job_id(message),
        state="posted" if is_posted(message) else "ended",
        text=message["content"],
        files=files,
        seconds=Seconds(
            acknowledged=ended.acknowledged_after,
            first_progress=_after(ended, ended.first_edit_at),
            posted=_after(ended, posted_at) if is_posted(message) else None,
        ),
    )


def is_final(message: Mapping[str, Any]) -> bool:
    """Whether a reply says its last: nothing is left that could be cancelled."""
    return not any(":cancel:" in custom_id for custom_id in custom_ids(message))


def is_posted(message: Mapping[str, Any]) -> bool:
    """Whether a reply is a result, pictures or a description: it can be deleted."""
    return any(":delete:" in each for each in custom_ids(message))


def custom_ids(message: Mapping[str, Any]) -> list[str]:
    return [button["custom_id"] for button in buttons(message)]


def buttons(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The buttons under a message, in the order in which they are shown."""
    rows = message["components"]
    return [each for row in rows for each in row.get("components", []) if "custom_id" in each]


def job_id(message: Mapping[str, Any]) -> str | None:
    ids = [custom_id.split(":")[2] for custom_id in custom_ids(message) if custom_id.startswith("darkroom:")]
    return ids[0] if ids else None


def _after(asked: Interaction, moment: float | None) -> float | None:
    return None if moment is None else round(moment - asked.created_at, 3)


async def _save(person: Person, message: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    await asyncio.to_thread(os.makedirs, out, exist_ok=True)
    saved = []
    for attachment in message["attachments"]:
        path = out / attachment["filename"]
        await asyncio.to_thread(path.write_bytes, await person.download(attachment["url"]))
        saved.append(str(path))
    return tuple(saved)

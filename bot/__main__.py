"""The bot's process: `python -m bot [--config FILE]`. Everything is put together here.

Exit codes as in sysexits.h: 0 stopped by a signal, 69 Discord cannot be reached, 70 a part died,
78 something has to be configured.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import discord

from bot import log as logs
from bot.alone import alone
from bot.catalogue import Catalogue
from bot.client import AnyCommand, AnyItem, Darkroom, Desk
from bot.commands.describe import describe
from bot.commands.filters import filter_picture
from bot.commands.help import help_command
from bot.commands.history import PageButton, history
from bot.commands.imagine import imagine
from bot.commands.queue import queue
from bot.commands.upscale import upscale
from bot.config import Settings, database_url, discord_token, link_token, load
from bot.engine_client import EngineClient
from bot.errors import Misconfigured, reference
from bot.history.files import PictureFiles
from bot.history.store import History
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.ports import Engine
from bot.ui.buttons import JobButton
from bot.ui.debounce import Debounce
from bot.ui.forms import on_form
from bot.ui.poster import Poster
from bot.ui.promises import answer_broken_promises

log = logging.getLogger(__name__)

EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_CONFIG = 78
COMMANDS: tuple[AnyCommand, ...] = (
    imagine,
    upscale,
    filter_picture,
    describe,
    queue,
    history,
    help_command,
)
ITEMS: tuple[AnyItem, ...] = (JobButton, PageButton)
ARRIVE_S = 60.0  # seconds to log in and to answer what an earlier process owed
STOP_S = 15.0  # seconds that each part has to end in


class Died(Exception):
    """A part that should run for ever returned or raised."""


def main(argv: list[str] | None = None) -> int:
    """Run until a signal; returns the exit code. What an operator can mend is said in one sentence."""
    options = _parser().parse_args(argv)
    try:
        settings = load(options.config)
        secrets = discord_token(settings), link_token(settings)
        logs.set_up(settings.log.level, secrets)
        asyncio.run(run(settings, *secrets))
    except Misconfigured as error:
        return _end(str(error), EX_CONFIG)
    except (aiohttp.ClientConnectionError, ConnectionError, TimeoutError):
        return _end("Discord cannot be reached. Is this machine online?", EX_UNAVAILABLE)
    except discord.HTTPException as error:
        return _end(f"Discord answered {error.status} at login. Try again later.", EX_UNAVAILABLE)
    except Exception as error:
        code = reference()
        log.error("ref %s: the bot ends", code, exc_info=error)
        return _end(f"The bot had to stop (ref {code}); the log says why.", EX_SOFTWARE)
    return 0


async def run(settings: Settings, token: str, engine_token: str) -> None:
    """Everything, from an open history to a stopped client. Returns after SIGTERM or SIGINT."""
    if settings.discord.api:
        from bot.playground.connect import point_discord_at  # never loaded with the real Discord

        point_discord_at(settings.discord.api)
    stopping = asyncio.Event()
    _on_signals(stopping)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(alone(settings.paths.data))
        history = await History.open(database_url(settings))
        stack.push_async_callback(history.close)
        engine = await stack.enter_async_context(EngineClient(url=settings.link.url, token=engine_token))
        client, dispatcher = compose(settings, history, engine)
        stack.push_async_callback(client.close)
        if await _unless(stopping, _arrive(client, token, history)):
            await serve(client, dispatcher, stopping)


def compose(settings: Settings, history: History, engine: Engine) -> tuple[Darkroom, Dispatcher]:
    """The client and the dispatcher, joined by the poster and the desk."""
    client = Darkroom(
        commands=COMMANDS, items=ITEMS, sync_guilds=settings.discord.sync_guilds, on_form=on_form
    )
    catalogue = Catalogue(engine=engine, settings=history)
    files = PictureFiles(settings.paths.data / "pictures")
    dispatcher = Dispatcher(
        history=history,
        files=files,
        engine=engine,
        chat=Poster(client=client, catalogue=catalogue, clock=now),
        limits=settings.limits,
        edit_every_s=settings.discord.edit_every_s,
        clock=now,
    )
    client.desk = Desk(
        dispatcher=dispatcher,
        history=history,
        files=files,
        engine=engine,
        catalogue=catalogue,
        debounce=Debounce(clock=now),
        clock=now,
    )
    return client, dispatcher


async def login(client: discord.Client, token: str) -> None:
    """Raises Misconfigured where Discord does not know the token."""
    try:
        await client.login(token)
    except discord.LoginFailure:
        raise Misconfigured(
            "discord.token is not accepted by Discord: copy it again from the Bot page of your application at "
            "https://discord.com/developers/applications."
        ) from None


async def serve(client: Darkroom, dispatcher: Dispatcher, stopping: asyncio.Event) -> None:
    """Run the client and the dispatcher side by side until told to stop; the end of either ends both."""
    async with asyncio.TaskGroup() as group:
        connected = group.create_task(_for_ever("the connection to Discord", client.connect, stopping))
        dispatching = group.create_task(_for_ever("the dispatcher", dispatcher.run, stopping))
        watching = group.create_task(client.desk.catalogue.watch(), name="catalogue")
        await stopping.wait()
        log.info("stopping")
        watching.cancel()
        dispatcher.stop()
        await _end_of("the dispatcher", dispatching)  # first: what it is sending still needs the client
        await client.close()
        await _end_of("the connection to Discord", connected)


async def _arrive(client: Darkroom, token: str, history: History) -> None:
    await login(client, token)
    await answer_broken_promises(client, history)


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do this to its end, within a minute; False where we are told to stop before. Raises TimeoutError."""
    working, told = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({working, told}, timeout=ARRIVE_S, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, told):
        task.cancel()
    await asyncio.wait({working, told})
    if not done:
        raise TimeoutError
    if working in done:
        working.result()
    return working in done


async def _end_of(name: str, part: asyncio.Task[None]) -> None:
    _, late = await asyncio.wait([part], timeout=STOP_S)
    if late:
        log.warning("%s did not end within %g s", name, STOP_S)
        part.cancel()


async def _for_ever(name: str, part: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    await part()
    if not stopping.is_set():
        raise Died(f"{name} ended by itself")


def now() -> datetime:
    return datetime.now(UTC)


def _on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Darkroom's Discord process.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings; config.toml in this folder where it exists"
    )
    return parser


def _end(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""`darkroom try`: all of Darkroom on this machine, with the playground in place of Discord."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot import log as logs
from bot.cli.ending import Config, end, run_to_end, settings_of, until_signal
from bot.errors import Refused

if TYPE_CHECKING:
    from bot.trial import Trial  # the playground is not loaded by the other commands

QUIET = "WARNING"  # a trial's terminal belongs to the conversation


def try_(
    once: Annotated[
        str | None, typer.Option(help="Type this slash command, save its pictures, and end.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures of --once.")] = Path("out"),
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the pictures of --once.")] = 600.0,
    config: Config = None,
) -> None:
    """Try Darkroom in a browser on this machine: no Discord, no account, a model that is there already."""
    settings_of(config)  # said before anything is started
    os.environ.setdefault("DARKROOM_LOG__LEVEL", QUIET)
    logs.set_up(os.environ["DARKROOM_LOG__LEVEL"], ())
    if once is None:
        run_to_end(until_signal(_in_browser(config)))
    else:
        end(run_to_end(_once(config, once, out, timeout)))


async def _in_browser(config: Path | None) -> None:
    """Run until a signal. What was drawn is gone afterwards, like the chat: save what you like from the page."""
    async with _trial(config) as trial:
        print("Starting …", file=sys.stderr)
        await trial.ready()
        print(
            f"Darkroom is running. Open {trial.playground.base}/ and type /imagine. Ctrl-C ends it.",
            flush=True,
        )
        await trial.launched  # until something ends it


async def _once(config: Path | None, text: str, out: Path, timeout: float) -> int:
    from bot.playground.client import DidNotRespond, Person
    from bot.playground.errors import NotPossible
    from bot.playground.typed import split_name
    from bot.trial import follow

    try:
        split_name(text)  # before everything is started for nothing
    except NotPossible as error:
        raise Refused(str(error)) from None
    async with _trial(config) as trial:
        await trial.ready()
        async with Person(trial.playground.base) as person:
            try:
                asked = await person.enter(text)
                outcome = await follow(person, asked, out=out, timeout=timeout)
            except (NotPossible, DidNotRespond) as error:
                raise Refused(str(error)) from None
            except TimeoutError:
                raise Refused(f"The picture was not there after {timeout:g} s.") from None
    print(outcome.to_json(), flush=True)
    return 0 if outcome.state == "posted" else 1


@asynccontextmanager
async def _trial(config: Path | None) -> "AsyncIterator[Trial]":
    from bot.trial import start_trial

    with tempfile.TemporaryDirectory(prefix="darkroom-") as data:
        async with start_trial(data=Path(data), config=config) as trial:
            yield trial

"""How a command ends: with its result, or with one sentence and an exit code as in sysexits.h.

69 something is not available, 78 a setting is wrong; 1 when a picture was asked for and not made.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from bot.errors import Misconfigured, Refused
from bot.jobs.ports import EngineError
from bot.launcher import ChildGaveUp

if TYPE_CHECKING:  # `generate` leaves the settings to the engine
    from bot.config import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; config.toml in this folder if it exists."),
]
T = TypeVar("T")


def config_file(config: Path | None) -> list[str]:
    """The arguments by which another program reads the same settings."""
    return ["--config", str(config)] if config else []


def settings_of(config: Path | None) -> "Settings":
    from bot.config import load

    return check(lambda: load(config))


def check(look: Callable[[], T]) -> T:
    """What a setting or an option says; where it is wrong, that is the end."""
    try:
        return look()
    except Misconfigured as error:
        end(os.EX_CONFIG, str(error))
    except Refused as error:
        end(1, str(error))


def run_to_end(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end; what a person can mend is one sentence and an exit code."""
    try:
        return asyncio.run(_until_terminated(work))
    except Misconfigured as error:
        end(os.EX_CONFIG, str(error))
    except ChildGaveUp as error:  # the child has said why
        end(error.exit_code)
    except (Refused, EngineError, TimeoutError) as error:
        end(1, str(error))
    except OSError as error:
        end(1, f"{error.filename or 'darkroom'}: {error.strerror}.")
    except KeyboardInterrupt:
        end(128 + signal.SIGINT)
    except asyncio.CancelledError:
        end(128 + signal.SIGTERM)


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it as Ctrl-C does: what was started is stopped, temporary folders are removed."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


async def until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or SIGINT, then cancel and wait for a clean end."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def end(code: int, sentence: str = "") -> NoReturn:
    if sentence:
        print(sentence, file=sys.stderr)
    sys.exit(code)

"""The programs and the operator's tools: each command starts one, or asks how they are."""

import importlib.metadata
import os
import sys
from typing import Annotated

import typer

from bot import log as logs
from bot.cli.ending import Config, check, config_file, run_to_end, settings_of, until_signal
from bot.launcher import Launcher, bot_child, engine_child


def run(config: Config = None) -> None:
    """Run bot and engine together, and keep them running."""
    from bot.config import discord_token

    settings = settings_of(config)
    logs.set_up(settings.log.level, ())
    file = config_file(config)
    check(lambda: discord_token(settings))  # before torch is started for nothing
    engine = engine_child(config=file, grace_s=float(settings.engine.get("grace_s", 30.0)))
    launcher = Launcher(children=[engine, bot_child(config=file)])
    run_to_end(until_signal(launcher.run()))


def bot_(config: Config = None) -> None:
    """Run the Discord process alone; the engine runs elsewhere."""
    from bot.__main__ import main  # nor Discord's library and the database's, which take half a second

    sys.exit(main(config_file(config)))


def engine(config: Config = None) -> None:
    """Run the drawing process alone; the bot runs elsewhere."""
    os.execv(sys.executable, [sys.executable, "-m", "engine", *config_file(config)])


def playground(
    port: Annotated[int, typer.Option(help="Where to listen; 0: any free one.", min=0, max=65535)] = 0,
) -> None:
    """Run the local stand-in for Discord alone, for any bot; prints its addresses and the bot's token."""
    from bot.playground.__main__ import run  # the playground is not loaded by the other commands

    sys.exit(run(port))


def models(
    arguments: Annotated[list[str], typer.Argument(metavar="list | add | fetch | convert | check | remove")],
) -> None:
    """Keep the models folder: list, add, fetch, convert, check or remove a model."""
    os.execv(sys.executable, [sys.executable, "-m", "engine.models", *arguments])


def bench(
    quick: Annotated[bool, typer.Option(help="Fewer ticks: seconds instead of a minute.")] = False,
    model: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    config: Config = None,
) -> None:
    """Measure what this machine will do: seconds per picture, what limits it, which setting would help."""
    options = [*(["--quick"] if quick else []), *(["--model", model] if model else [])]
    options += config_file(config)
    os.execv(sys.executable, [sys.executable, "-m", "engine.worker.profile", *options])


def doctor(config: Config = None) -> None:
    """Check what Darkroom needs, and say what to do where something is missing."""
    from bot.doctor import examine

    findings = run_to_end(examine(settings_of(config), config))
    for finding in findings:
        mark = {True: "ok", None: "note", False: "WRONG"}[finding.ok]
        print(f"{mark:<6} {finding.what:<14} {finding.says}")
    sys.exit(0 if all(finding.ok is not False for finding in findings) else 1)


def version() -> None:
    """Print the version."""
    print(importlib.metadata.version("darkroom"))

"""What an operator would check by hand, checked: a line each, and what to do where something is wrong."""

import asyncio
import importlib.metadata
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.config import Settings, discord_token, link_token
from bot.engine_client import EngineClient
from bot.errors import Misconfigured
from bot.jobs.ports import EngineAway, EngineRefused

FREE_BYTES = 2 * 1024**3  # pictures, a model being converted, the database's journal
SQLITE_FIXED = (3, 51, 3)  # older ones can lose a page of the journal when two connections write; we use one


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `ok` None is a warning: it works, but the operator should know."""

    what: str
    ok: bool | None
    says: str


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which an operator would look."""
    findings = list(_here(settings))
    findings.append(await _engine(settings))
    return findings


def _here(settings: Settings) -> Iterator[Finding]:
    yield Finding(what="Python", ok=True, says=sys.version.split()[0])
    yield Finding(what="Darkroom", ok=True, says=importlib.metadata.version("darkroom"))
    yield _sqlite()
    yield _try("data folder", lambda: _data_folder(settings.paths.data))
    yield _models(settings)
    yield _try("discord.token", lambda: f"set ({len(discord_token(settings))} characters, not shown)")
    yield _try("link.token", lambda: f"set ({len(link_token(settings))} characters, not shown)")


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, ok=True, says=look())
    except Misconfigured as error:
        return Finding(what=what, ok=False, says=str(error))


def _sqlite() -> Finding:
    says = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SQLITE_FIXED:
        return Finding(what="SQLite", ok=True, says=says)
    return Finding(
        what="SQLite", ok=True, says=f"{says}; Darkroom writes through one connection, as it should be"
    )


def _data_folder(data: Path) -> str:
    where = data if data.exists() else data.absolute().parent
    if not os.access(where, os.W_OK):
        raise Misconfigured(f"{data} cannot be written to: change its owner, or set paths.data.")
    free = shutil.disk_usage(where).free
    if free < FREE_BYTES:
        raise Misconfigured(f"{data} has {free / 1024**3:.1f} GiB free; pictures need at least 2.")
    return f"{data}, {free / 1024**3:.0f} GiB free"


def _models(settings: Settings) -> Finding:
    folder = Path(settings.engine.get("models") or settings.paths.data / "models")
    names = sorted(path.parent.name for path in folder.glob("*/model_index.json"))
    if names and names != ["stand-in"]:
        return Finding(what="models", ok=True, says=", ".join(names))
    says = f"none in {folder}: the untrained stand-in draws; docs/operating.md says how to add one"
    return Finding(what="models", ok=None, says=says)


async def _engine(settings: Settings) -> Finding:
    try:
        token = link_token(settings)
        async with EngineClient(url=settings.link.url, token=token) as engine, asyncio.timeout(10):
            capabilities = await engine.capabilities()
    except (EngineAway, TimeoutError):
        says = f"not running at {settings.link.url}: start it with `darkroom run` or `darkroom engine`"
        return Finding(what="engine", ok=False, says=says)
    except (EngineRefused, Misconfigured) as error:
        return Finding(what="engine", ok=False, says=str(error))
    return Finding(what="engine", ok=True, says=f"at {settings.link.url}, drawing on {capabilities.device}")

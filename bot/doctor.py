"""What an operator would check by hand, checked: a line each, and what to do where something is wrong."""

import asyncio
import contextlib
import importlib.metadata
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.config import Settings, discord_token, link_token
from bot.engine_client import EngineClient
from bot.errors import Misconfigured
from bot.jobs.ports import EngineAway, EngineRefused
from bot.jobs.states import UNFINISHED

ENGINE_S = 60.0  # to start far enough to read its settings
OLD_S = 3600.0  # a job under way for longer deserves a look
FREE_BYTES = 2 * 1024**3  # pictures, a model being converted, the database's journal
SQLITE_FIXED = (3, 51, 3)  # older ones can lose a page of the journal when two connections write; we use one


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `ok` None is a warning: it works, but the operator should know."""

    what: str
    ok: bool | None
    says: str


async def examine(settings: Settings, config: Path | None) -> list[Finding]:
    """All findings, in the order in which an operator would look."""
    findings = list(_here(settings))
    findings.append(await _engine_settings(config))
    findings.append(await asyncio.to_thread(_history, settings))
    findings.append(await look_at_engine(settings))
    return findings


def _here(settings: Settings) -> Iterator[Finding]:
    yield Finding(what="Python", ok=True, says=sys.version.split()[0])
    yield Finding(what="Darkroom", ok=True, says=importlib.metadata.version("darkroom"))
    yield _sqlite()
    yield _try("data folder", lambda: _data_folder(settings.paths.data))
    yield from open_to_others(settings.paths.data)
    yield _models(settings)
    yield _try("discord.token", lambda: f"set ({len(discord_token(settings))} characters, not shown)")


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


def open_to_others(data: Path) -> Iterator[Finding]:
    """A finding where somebody else can read the history."""
    if data.exists() and stat.S_IMODE(data.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        says = f"other users of this machine can look into {data}, which holds prompts: chmod 700 {data}"
        yield Finding(what="data folder", ok=None, says=says)


def _models(settings: Settings) -> Finding:
    folder = Path(str(settings.engine.get("models") or settings.paths.data / "models"))
    folders = [path.parent.name for path in folder.glob("*/model_index.json")]
    names = sorted([*folders, *(path.stem for path in folder.glob("*.safetensors"))])
    if names:
        says = f"{', '.join(names)} in {folder}; darkroom models list says which cannot be used, and why"
        return Finding(what="models", ok=True, says=says)
    says = f"none in {folder}: the small demo model draws; docs/operating.md says how to add one"
    return Finding(what="models", ok=None, says=says)


async def _engine_settings(config: Path | None) -> Finding:
    """The engine reads its settings itself: it knows best, and we do not import it."""
    file = ["--config", str(config)] if config else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", "--check", *file),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(ENGINE_S):
        _, said = await process.communicate()
    if process.returncode == 0:
        return Finding(what="engine.*", ok=True, says="the engine accepts its settings")
    return Finding(what="engine.*", ok=False, says=said.decode(errors="replace").strip())


def _history(settings: Settings) -> Finding:
    """Whether the database is whole, and which job has been under way for longest. Only looks."""
    if settings.history.url:
        return Finding(what="history", ok=None, says="another database than SQLite: not looked at")
    path = settings.paths.data / "darkroom.db"
    if not path.exists():
        return Finding(what="history", ok=True, says="none yet; made at the first start")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (whole,) = database.execute("PRAGMA quick_check(1)").fetchone()
            jobs = database.execute(_UNDER_WAY, sorted(UNFINISHED)).fetchall()
    except sqlite3.Error as error:
        return Finding(what="history", ok=False, says=f"{path} cannot be read: {error}")
    if whole != "ok":
        return Finding(what="history", ok=False, says=f"{path} is damaged: restore it, see docs/operating.md")
    if not jobs:
        return Finding(what="history", ok=True, says="whole, nothing under way")
    job_id, state, created_ms, attempt, crashes = jobs[0]
    age = time.time() - created_ms / 1000
    says = (
        f"whole, {len(jobs)} under way; the oldest is {job_id}, {state}, {age:.0f} s old, "
        f"try {attempt + 1}, {crashes} crashes"
    )
    return Finding(what="history", ok=True if age < OLD_S else None, says=says)


_UNDER_WAY = (
    f"SELECT id, state, created_at, attempt, crashes FROM jobs WHERE state IN ({','.join('?' * len(UNFINISHED))})"
    " ORDER BY created_at"
)


async def look_at_engine(settings: Settings) -> Finding:
    """Whether it answers, can draw, and how much it has to do."""
    if not settings.link.token.get_secret_value() and not (settings.paths.data / "engine.token").exists():
        return Finding(
            what="engine", ok=False, says="never started here: `darkroom run` or `darkroom engine`"
        )
    try:
        token = link_token(settings)
        async with EngineClient(url=settings.link.url, token=token) as engine, asyncio.timeout(10):
            capabilities, readiness = await engine.capabilities(), await engine.readiness()
    except (EngineAway, TimeoutError):
        says = f"not running at {settings.link.url}: start it with `darkroom run` or `darkroom engine`"
        return Finding(what="engine", ok=False, says=says)
    except (EngineRefused, Misconfigured) as error:
        return Finding(what="engine", ok=False, says=str(error))
    jobs = f"jobs: {readiness.running} being drawn, {readiness.waiting} waiting"
    if readiness.status != "ready":
        says = f"at {settings.link.url}, cannot draw now: {readiness.reason} {jobs.capitalize()}."
        return Finding(what="engine", ok=None, says=says)
    models = ", ".join(model.name for model in capabilities.models)
    says = f"at {settings.link.url}, draws on {capabilities.device} with {models}; {jobs}"
    return Finding(what="engine", ok=True, says=says)

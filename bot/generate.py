"""Pictures without a chat: one request, a progress bar, and files."""

import asyncio
import contextlib
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import Refused
from bot.given import Given
from bot.jobs.ports import EngineAway
from bot.own_engine import OwnEngine
from bot.requests import Options, build
from engine.wire import MAX_SEED, Cancelled, Failed, Finished, Format, GenerationRequest, Loading
from engine.wire import Progress as Step

if TYPE_CHECKING:  # not loaded before the engine is started, which takes longer
    from rich.progress import Progress

    from bot.engine_client import EngineClient


async def generate_alone(own: OwnEngine, *, options: Options, given: Given, out: Path | None) -> list[Path]:
    """Draw what was chosen with an engine of its own, and write it as `generate` does. Raises the same, and those
    of `OwnEngine.running`, OSError and Refused for what was given.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        async with own.running() as engine:
            capabilities = await engine.capabilities()
            given = await given.checked(Path(folder), capabilities.limits, keep_size=options.keeps_size)
            options = replace(options, image=given.size, depth=given.depth_size)
            request = build(options, capabilities, owner="", random_seed=secrets.randbelow(MAX_SEED + 1))
            with progress_bar() as progress:
                return await generate(engine=engine, request=request, given=given, out=out, progress=progress)


async def generate(
    *,
    engine: "EngineClient",
    request: GenerationRequest,
    given: Given,
    out: Path | None,
    progress: "Progress",
) -> list[Path]:
    """Draw one request and write its pictures; several become NAME-0, NAME-1, …

    Without `out` they get the next unused name in this folder. Raises Refused with a sentence where the engine will
    not or cannot draw it, or the disk does not take it, EngineAway where it died.
    """
    job_id = secrets.token_hex(16)
    bar = progress.add_task("waiting", total=None)
    await engine.put(job_id, request, given.image, given.mask, given.depth, given.controls)
    async for event in engine.events(job_id):
        match event:
            case Loading(model=model):
                progress.update(bar, description=f"loading {model}")
            case Step(step=step, steps=steps):
                progress.update(bar, description="drawing", completed=step, total=steps)
            case Failed(error=error):
                raise Refused(error.message)
            case Cancelled():
                raise Refused("The engine cancelled the job.")
            case Finished():
                for notice in event.notices:
                    # as it stands: a prompt's brackets are no markup, and a sentence is one line
                    progress.console.print(notice, markup=False, highlight=False, soft_wrap=True)
                count = len(event.images)
                paths = _paths(out, count) if out else await asyncio.to_thread(new_paths, Path(), count)
                for image, path in zip(event.images, paths, strict=True):
                    await asyncio.to_thread(write, path, await engine.image(job_id, image.index))
                await engine.release(job_id)
                return paths
    raise EngineAway("the engine stopped without a result")


def prompt_of(words: Sequence[str], option: str) -> str:
    """What was typed behind the command, or given by --prompt. Raises Refused where it was both."""
    if words and option:
        raise Refused("prompt: say it behind the command or by --prompt, not both.")
    return option or " ".join(words)


def unused_name(folder: Path) -> Path:
    """darkroom-1.png, or with the number after the largest that is there. Raises Refused."""
    try:
        taken = [re.match(r"darkroom-(\d+)", path.name) for path in folder.iterdir()]
    except OSError as error:
        raise Refused(
            f"out: this folder cannot be read ({error.strerror}): say where the picture goes."
        ) from None
    return folder / f"darkroom-{1 + max((int(match[1]) for match in taken if match), default=0)}.png"


def new_paths(folder: Path, count: int) -> list[Path]:
    """Unused names for pictures that are there to be written: another command may look for some at the same moment.

    The first is made, empty. Raises Refused, OSError.
    """
    while True:
        paths = _paths(unused_name(folder), count)
        with contextlib.suppress(FileExistsError):
            paths[0].touch(exist_ok=False)
            return paths


def format_of(out: Path) -> Format:
    """What the file's name asks for; PNG where it has no ending. Raises Refused."""
    suffix = out.suffix.lower().removeprefix(".")
    formats = {"": Format.PNG, "jpg": Format.JPEG} | {kind.value: kind for kind in Format}
    if (found := formats.get(suffix)) is None:
        raise Refused(f"out: the name must end in .png, .jpg, .jpeg or .webp; it was {out.name}.")
    return found


def check_place(out: Path) -> None:
    """Whether a picture can be written there, before minutes are spent on it. Raises Refused.

    Folders that are not there yet are made when it is drawn: what matters is the first that exists.
    """
    if out.is_dir():
        raise Refused(
            f"out: {out} is a folder; give the name of a file in it, such as {out / 'picture.png'}."
        )
    folder = next(each for each in out.absolute().parents if each.exists())
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Refused(f"out: {folder} cannot be written to: {error.strerror}.") from None


def progress_bar() -> "Progress":
    """On stderr: a script reads the names of files from stdout, and nothing else."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _paths(out: Path, count: int) -> list[Path]:
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{index}{out.suffix}") for index in range(count)]


def write(path: Path, data: bytes) -> None:
    """The whole picture or nothing. Raises Refused."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()  # what a full disk did take would keep it full
        with contextlib.suppress(OSError):
            if not path.stat().st_size:
                path.unlink()  # the name was only taken
        raise Refused(f"out: {path} cannot be written: {error.strerror}.") from None

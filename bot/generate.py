"""Pictures without a chat: an engine of our own for one request, a progress bar, and files."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bot.engine_client import EngineClient
from bot.errors import Refused
from bot.given import Given
from bot.jobs.ports import EngineAway
from bot.launcher import START_S, Launcher, engine_child, free_port, private_link
from bot.requests import Options, build
from engine.wire import MAX_SEED, Cancelled, Failed, Finished, Format, GenerationRequest, Loading
from engine.wire import Progress as Step

LOOK_EVERY_S = 0.1


async def generate_alone(
    *,
    models: Path,
    signing_key: Path,
    config: Path | None,
    environment: Mapping[str, str],
    options: Options,
    given: Given,
    out: Path,
) -> list[Path]:
    """Draw what was chosen with an engine of its own, and write it as `generate` does. Raises the same, and those
    of `own_engine`, OSError and Refused for what was given.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        async with own_engine(
            models=models, signing_key=signing_key, config=config, environment=environment
        ) as engine:
            capabilities = await engine.capabilities()
            given = await given.checked(Path(folder), capabilities.limits, keep_size=options.keeps_size)
            options = replace(options, image=given.size, depth=given.depth_size)
            request = build(options, capabilities, owner="", random_seed=secrets.randbelow(MAX_SEED + 1))
            with progress_bar() as progress:
                return await generate(engine=engine, request=request, given=given, out=out, progress=progress)


@asynccontextmanager
async def own_engine(
    *, models: Path, signing_key: Path, config: Path | None, environment: Mapping[str, str]
) -> AsyncIterator[EngineClient]:
    """An engine on a free port with a spool of its own, for as long as the block runs.

    `environment` overrides settings, as DARKROOM_<TABLE>__<KEY>.

    Raises ChildGaveUp where it cannot start, TimeoutError where it does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as data:
        url, token = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(32)
        level = os.environ.get("DARKROOM_LOG__LEVEL", "WARNING")
        private = private_link(url=url, token=token, data=Path(data), models=models, signing_key=signing_key)
        environment = {**private, **environment, "DARKROOM_LOG__LEVEL": level}
        file = ["--config", str(config)] if config else []
        launcher = Launcher(children=[engine_child(config=file, environment=environment)])
        launched = asyncio.create_task(launcher.run(), name="launcher")
        try:
            async with EngineClient(url=url, token=token) as engine:
                async with asyncio.timeout(START_S):
                    await _until_it_answers(engine, launched)
                yield engine
        finally:
            launched.cancel()
            await asyncio.wait({launched})


async def _until_it_answers(engine: EngineClient, launched: "asyncio.Task[None]") -> None:
    while True:
        if launched.done():
            launched.result()
        try:
            await engine.capabilities()
            return
        except EngineAway:
            await asyncio.sleep(LOOK_EVERY_S)


async def generate(
    *,
    engine: EngineClient,
    request: GenerationRequest,
    given: Given,
    out: Path,
    progress: Progress,
) -> list[Path]:
    """Draw one request and write its pictures; several become NAME-0, NAME-1, …

    Raises Refused with a sentence where the engine will not or cannot draw it, EngineAway where it died.
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
                    progress.console.print(notice)
                paths = _paths(out, len(event.images))
                for image, path in zip(event.images, paths, strict=True):
                    await asyncio.to_thread(_write, path, await engine.image(job_id, image.index))
                await engine.release(job_id)
                return paths
    raise EngineAway("the engine stopped without a result")


def format_of(out: Path) -> Format:
    """What the file's name asks for; PNG where it has no ending. Raises Refused."""
    suffix = out.suffix.lower().removeprefix(".")
    formats = {"": Format.PNG, "jpg": Format.JPEG} | {kind.value: kind for kind in Format}
    if (found := formats.get(suffix)) is None:
        raise Refused(f"out: the name must end in .png, .jpg, .jpeg or .webp; it was {out.name}.")
    return found


def progress_bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), transient=True)


def _paths(out: Path, count: int) -> list[Path]:
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{index}{out.suffix}") for index in range(count)]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(data)
    aside.replace(path)

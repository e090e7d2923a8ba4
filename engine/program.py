"""The front, composed and run."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from engine import child, config
from engine.catalogue import Catalogue
from engine.errors import EngineError, Misconfigured, Unavailable
from engine.front import Front
from engine.images import signing_key
from engine.log import set_up_logging
from engine.models.adapter_folder import AdapterFolders
from engine.models.companions import Companions
from engine.models.controls import ControlFolder
from engine.models.registry import Registry
from engine.models.upscaler_folder import UpscalerFolder
from engine.queue import FairQueue
from engine.server import create_app
from engine.speed import Compiler, check_installed
from engine.spool import Spool
from engine.supervisor import LocalWorker
from engine.wire import HEARTBEAT_S

log = logging.getLogger("engine")

CLOSE_S = 5.0  # for streams to end after the last event


def check(file: Path | None) -> int:
    """Read the settings and say what is wrong; returns the exit code."""
    try:
        _settings(file)
    except EngineError as error:
        return _end(error)
    return 0


async def run(file: Path | None, worker: Process) -> int:
    """Run until SIGTERM; returns the exit code. `worker` is the first one, which still waits for its command line."""
    try:
        settings = _settings(file)
        config.make_data_folder(settings)
        token = config.token_of(settings)
        set_up_logging(settings.log.level, secrets=[token])
        if (key := settings.signing_key_file) is not None:
            signing_key.load_or_make(key)  # before the worker looks for it
        await serve(settings, token=token, start_worker=_starter(worker))
    except EngineError as error:
        return _end(error)
    except Exception:
        log.exception("the engine stops: something broke")
        return EngineError.exit_code
    return 0


def _settings(file: Path | None) -> config.Settings:
    settings = config.load(config.file(file), os.environ)
    _check_installed(settings.engine.compiler)
    return settings


def _end(error: EngineError) -> int:
    sys.stderr.write(f"{error}\n")
    return error.exit_code


def _starter(first: Process) -> Callable[[], Awaitable[Process]]:
    """Gives the process that runs already, and after that new ones."""
    waiting = [first]

    async def start() -> Process:
        return waiting.pop() if waiting else await child.start(child.WORKER, child.environ_of(os.environ))

    return start


def _check_installed(compiler: Compiler) -> None:
    try:
        check_installed(compiler)
    except ValueError as error:
        raise Misconfigured(f"{error}.") from None


def worker_arguments(settings: config.Settings) -> list[str]:
    """The worker's command line; its side is `engine/worker/options.py`."""
    engine = settings.engine
    return [
        *("--models", str(settings.models_folder.resolve())),
        *("--wildcards", str(settings.wildcards_folder.resolve())),
        *("--loras", str(settings.loras_folder.resolve())),
        *("--embeddings", str(settings.embeddings_folder.resolve())),
        *("--vaes", str(settings.vaes_folder.resolve())),
        *("--clip", str(settings.clip_folder.resolve())),
        *("--safety-checker", str(settings.safety_folder.resolve())),
        *("--controls", str(settings.controls_folder.resolve())),
        *("--upscalers", str(settings.upscalers_folder.resolve())),
        *("--faces", str(settings.faces_folder.resolve())),
        *("--tiny", str(settings.tiny_folder.resolve())),
        *("--previews", engine.previews),
        *("--decoder", engine.decoder),
        *("--device", engine.device),
        *("--dtype", engine.dtype),
        *("--threads", str(engine.threads)),
        *("--max-rows", "1" if engine.reproducible else str(engine.max_rows)),
        *("--speed", engine.speed),
        *("--compiler", engine.compiler),
        *("--caps", str(settings.caps_file.resolve())),
        *("--compiled", str(settings.compiled_folder.resolve())),
        *("--memory", engine.memory),
        *("--model-cache", engine.model_cache),
        *("--unload-minutes", str(engine.unload_minutes)),
        *(("--cpu-fallback",) if engine.cpu_fallback else ()),
        f"--watermark={engine.watermark}",  # it may begin with a dash
        *(("--signing-key", str(key.resolve())) if (key := settings.signing_key_file) else ()),
    ]


async def serve(
    settings: config.Settings, *, token: str, start_worker: Callable[[], Awaitable[Process]]
) -> None:
    """Compose and run the front until SIGTERM or SIGINT, then drain. Raises Unavailable."""
    worker = LocalWorker(
        start_worker,
        arguments=worker_arguments(settings),
        step_timeout_s=settings.engine.step_timeout_s,
        load_timeout_s=settings.engine.load_timeout_s,
        clock=time.monotonic,
    )
    companions = Companions(clip=settings.clip_folder, safety=settings.safety_folder)
    catalogue = Catalogue(
        registry=Registry(settings.models_folder, companions=companions),
        adapters=AdapterFolders.of(
            loras=settings.loras_folder,
            embeddings=settings.embeddings_folder,
            vaes=settings.vaes_folder,
            faces=settings.faces_folder,
        ),
        controls=ControlFolder(settings.controls_folder),
        upscalers=UpscalerFolder(settings.upscalers_folder),
        executor=worker,
        queue_capacity=settings.engine.queue,
        safety=settings.engine.safety,
    )
    front = Front(
        executor=worker,
        catalogue=catalogue,
        spool=Spool(
            settings.spool_folder.resolve(), keep_s=settings.engine.spool_hours * 3600, clock=time.time
        ),
        queue=FairQueue(capacity=settings.engine.queue),
        speed=settings.engine.speed,
    )
    stopping = _stop_on_signal()
    taken = _take_address(*settings.address)  # before the spool is touched: it may be another engine's
    await front.open()  # before anybody is answered: a finished job must be found, a model be known
    runner = await _listen(taken, front, catalogue, settings, token)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run(), name="worker")
            following = tasks.create_task(front.run(), name="front")
            await stopping.wait()
            log.info("stopping: what is being drawn has %g s", settings.engine.grace_s)
            await front.drain(settings.engine.grace_s)
            worker.stop()
            following.cancel()
    finally:
        await runner.cleanup()


def _take_address(host: str, port: int) -> socket.socket:
    """A socket that holds the address, and lets callers wait. Raises Unavailable where it is taken."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = error.strerror or "the address is not ours"
        raise Unavailable(f"The engine cannot listen on {host}:{port}: {reason}.") from None


async def _listen(
    taken: socket.socket, front: Front, catalogue: Catalogue, settings: config.Settings, token: str
) -> web.AppRunner:
    host, port = settings.address
    app = create_app(
        front,
        catalogue,
        token=token,
        hosts={host, urlsplit(settings.link.url).hostname or ""},
        heartbeat_s=HEARTBEAT_S / 2,  # so that no stream is silent for as long as that
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    await web.SockSite(runner, taken).start()
    log.info("listening on http://%s:%d", host, port)
    return runner


def _stop_on_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT. The second one has its usual effect: to end at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping

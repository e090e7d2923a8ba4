"""The worker's process: how it is started and ended. It imports next to nothing: `engine/__main__.py` says why."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence

WORKER = (sys.executable, "-m", "engine.worker")
MAX_FRAME_BYTES = 1024 * 1024  # of a line that it says
ENV_PREFIX = "DARKROOM_"  # of variables with our settings and secrets
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # without the way to the model hub
# torch's threads on a CPU wait awake for the slowest of them, for 300,000 turns. Where another program has one of the
# cores, that keeps the slowest from moving to a free one, and a picture takes fifty times as long.
SPIN = {"GOMP_SPINCOUNT": "1000"}


def environ_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment: without our secrets."""
    kept = {name: value for name, value in environ.items() if not name.startswith(ENV_PREFIX)}
    return SPIN | kept | OFFLINE | {"PYTHONUNBUFFERED": "1"}


async def start(argv: Sequence[str], environ: Mapping[str, str]) -> Process:
    """A process that leads a session of its own, with a pipe for each of its streams. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(environ),
        limit=MAX_FRAME_BYTES,
        start_new_session=True,  # Ctrl-C in a terminal is the front's to handle
    )


def kill(process: Process) -> None:
    """Kill it with whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def end(process: Process) -> None:
    """Kill it where it still runs, and forget what it said."""
    if process.returncode is None:
        kill(process)
        await process.communicate()

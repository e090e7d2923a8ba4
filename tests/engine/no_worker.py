"""An executor whose process is never started: for tests of what stands before it."""

from asyncio.subprocess import Process
from collections.abc import Callable

from engine.supervisor import LocalWorker


def no_worker(clock: Callable[[], float]) -> LocalWorker:
    return LocalWorker(_never, step_timeout_s=1, load_timeout_s=1, clock=clock)


async def _never() -> Process:
    raise AssertionError("it was started")

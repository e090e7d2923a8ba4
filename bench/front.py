"""How fast the engine's front answers while 500 jobs wait, 50 people follow theirs, and the worker draws.

The engine is a real process with the demo model; the worker takes what the CPU gives it.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from bench.first_picture import descendants
from bot.engine_client import EngineClient
from bot.own_engine import OwnEngine
from engine.wire import GenerationRequest, Sampler

JOBS, STREAMS, ASKED = 500, 50, 400
EVERY_S = 0.02
P99_GOAL_S, MEMORY_GOAL_MB = 0.02, 150
TOGETHER = 20  # jobs that are handed over at a time


async def main() -> int:
    os.environ["DARKROOM_ENGINE__QUEUE"] = "1000"
    with tempfile.TemporaryDirectory() as folder:
        own = OwnEngine(environment={"DARKROOM_PATHS__DATA": folder})
        async with own.running() as engine:
            await fill(engine)
            async with following(engine):
                waits = sorted(await ask(f"{engine.url}/healthz"))
                front = front_process()
                megabytes, torch = resident_bytes(front) / 1e6, has_torch(front)
    p50, p99 = statistics.median(waits), waits[int(0.99 * len(waits)) - 1]
    sys.stdout.write(
        f"/healthz with {JOBS} jobs in the queue and {STREAMS} streams open, asked {ASKED} times: p50"
        f" {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms (goal {1000 * P99_GOAL_S:g}); the front holds"
        f" {megabytes:.0f} MB (goal {MEMORY_GOAL_MB}) and has {'' if torch else 'not '}loaded torch\n"
    )
    return 0 if p99 < P99_GOAL_S and megabytes < MEMORY_GOAL_MB and not torch else 1


async def fill(engine: EngineClient) -> None:
    """Hand over the jobs of 50 owners, some at a time."""
    request = GenerationRequest(
        model="demo",
        prompt="a hamster with a brush",
        width=256,
        height=256,
        steps=50,
        guidance_scale=7.5,
        sampler=Sampler.DPMPP_2M,
        seed=1,
    )
    for first in range(0, JOBS, TOGETHER):
        await asyncio.gather(
            *(
                engine.put(f"job-{n}", request.model_copy(update={"owner": f"owner {n % STREAMS}"}), None)
                for n in range(first, first + TOGETHER)
            )
        )


@contextlib.asynccontextmanager
async def following(engine: EngineClient) -> AsyncIterator[None]:
    """The newest jobs' events are read for as long as the block runs. Raises RuntimeError where that ended before."""

    async def follow(number: int) -> None:
        async for _ in engine.events(f"job-{number}"):
            pass

    streams = [asyncio.create_task(follow(JOBS - 1 - n), name=f"stream {n}") for n in range(STREAMS)]
    try:
        yield
        if ended := [stream.get_name() for stream in streams if stream.done()]:
            raise RuntimeError(f"ended too early: {', '.join(ended)}")
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.wait(streams)


async def ask(url: str) -> list[float]:
    waits = []
    async with aiohttp.ClientSession() as session:
        for _ in range(ASKED):
            began = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
                answer.raise_for_status()
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(EVERY_S)
    return waits


def front_process() -> int:
    """The engine's front among our descendants: it was started as `python -m engine`, the worker as another module."""
    for pid in descendants(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"engine" in words:
            return pid
    raise ProcessLookupError("the engine's front is not running")


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def has_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

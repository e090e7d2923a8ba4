"""The first picture without a chat: seconds from a cold start, seconds once warm, and memory at its peak.

The demo model at its own size, 20 steps, on as many cores as the machine gives. A cold start is all of `darkroom
generate`, from the command to its end, with the libraries' files in memory. Warm is an engine that has drawn before.
Memory is the sum of what its processes and this one held at most, as the kernel counts it (VmHWM): more than was ever
held at once.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bot.engine_client import EngineClient
from bot.generate import generate, progress_bar
from bot.given import Given
from bot.own_engine import OwnEngine
from engine.wire import GenerationRequest

COLD_GOAL_S, WARM_GOAL_S, MEMORY_GOAL_GB = 6.0, 3.0, 1.5
COLD, WARM = 3, 5
PROMPT = "a hamster on a blue background"


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "hamster.png"
        cold = [await from_nothing(out) for _ in range(1 + COLD)][1:]  # the first reads the files
        own = OwnEngine(environment={"DARKROOM_PATHS__DATA": folder})
        async with own.running() as engine:
            request = await first_request(engine)
            await draw(engine, request, out)
            warm = [await draw(engine, request.model_copy(update={"seed": n}), out) for n in range(WARM)]
            memory = sum(peak_bytes(pid) for pid in descendants(os.getpid())) / 1e9
    sys.stdout.write(
        f"{PROMPT}, 256 × 256, 20 steps: {statistics.median(cold):.1f} s from a cold start"
        f" ({min(cold):.1f} to {max(cold):.1f}, median of {COLD}, goal {COLD_GOAL_S:g}),"
        f" {statistics.median(warm):.2f} s warm (median of {WARM}, goal {WARM_GOAL_S:g}),"
        f" peak memory {memory:.2f} GB (goal {MEMORY_GOAL_GB:g})\n"
    )
    return (
        0
        if statistics.median(cold) <= COLD_GOAL_S
        and statistics.median(warm) <= WARM_GOAL_S
        and memory <= MEMORY_GOAL_GB
        else 1
    )


async def first_request(engine: EngineClient) -> GenerationRequest:
    model = (await engine.capabilities()).models[0]
    fields = {**model.defaults.model_dump(), "steps": 20, "model": model.name, "seed": 99, "strength": None}
    return GenerationRequest.model_validate({**fields, "prompt": PROMPT})


async def from_nothing(out: Path) -> float:
    """Seconds that `darkroom generate` takes, run in the picture's folder, where no settings are."""
    began = time.monotonic()
    argv = (
        sys.executable,
        "-m",
        "bot.cli",
        "generate",
        "--prompt",
        PROMPT,
        "--steps",
        "20",
        "--out",
        str(out),
    )
    process = await asyncio.create_subprocess_exec(*argv, cwd=out.parent, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError("darkroom generate drew nothing")
    return time.monotonic() - began


async def draw(engine: EngineClient, request: GenerationRequest, out: Path) -> float:
    began = time.monotonic()
    with progress_bar() as progress:
        await generate(engine=engine, request=request, given=Given(), out=out, progress=progress)
    return time.monotonic() - began


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in descendants(int(child)))]


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(kibibytes)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""`python -m bench`: every benchmark, one after the other, within so many minutes.

Parts that always do the same come first, each with a limit after which it is ended. Those that can do more or less
share what is then left, and are told so. A goal that was missed does not keep the others from running.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.budget import Budget

MINUTES = 9.0  # under ten, with what it takes to notice that something takes too long
GRACE_S = 10.0  # to end before being killed
DONE = "done"
OVERDRAWN_S = 20.0  # what a part that knows its minutes may take more


@dataclass(frozen=True)
class Part:
    """`words` follow `python`. It is ended after `at_most_s`, or has a `share` of the minutes that are left."""

    name: str
    words: Sequence[str]
    at_most_s: float | None = None
    share: float | None = None


ALWAYS_THE_SAME = (
    Part("first picture", ("bench/first_picture.py",), 60),
    Part("first answer", ("bench/acknowledgement.py",), 60),
    Part("crowd", ("bench/crowd.py",), 60),
    Part("front", ("-m", "bench.front"), 60),
    Part("page", ("-m", "bench.page"), 75),
    Part("provenance", ("-m", "bench.provenance"), 45),
    Part("speed-ups", ("-m", "bench.speedups"), 75),
)
OVERHEAD = Part("overhead", ("-m", "bench.overhead"), share=0.3)
SERVING = Part("serving", ("-m", "bench.serving"), share=1.0)
SERVING_ON_A_GPU = Part("serving", ("-m", "bench.serving", "--gpu"))  # takes what full size takes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all, or one; 1 where a goal was missed or a part did not end."""
    options = _parser().parse_args(arguments)
    budget = Budget(options.minutes)
    parts = [*ALWAYS_THE_SAME, OVERHEAD, SERVING_ON_A_GPU if options.gpu else SERVING]
    ends = [(part.name, *run(part, budget)) for part in parts if options.only in (None, part.name)]
    sys.stdout.write(f"\n{budget.minutes - budget.left / 60:.1f} of {budget.minutes:g} minutes:\n")
    sys.stdout.writelines(f"{name}: {end}, {seconds:.0f} s\n" for name, end, seconds in ends)
    return 0 if all(end == DONE for _, end, _ in ends) else 1


def run(part: Part, budget: Budget) -> tuple[str, float]:
    """What became of a part, in words, and how many seconds it took. Its own words go where ours go."""
    sys.stdout.write(f"\n== {part.name}\n")
    sys.stdout.flush()
    words, at_most_s = [*part.words], part.at_most_s
    if part.share is not None:
        minutes = budget.part(part.share).minutes
        words += ["--minutes", f"{minutes:.2f}"]
        at_most_s = 60 * minutes + OVERDRAWN_S
    began = time.monotonic()
    with started(words) as process:
        try:
            end = DONE if process.wait(at_most_s) == 0 else "a goal was missed, or it failed"
        except subprocess.TimeoutExpired:
            end = f"ended after {at_most_s:.0f} s, which is all it may take"
            sys.stdout.write(f"{part.name}: {end}\n")
    return end, time.monotonic() - began


@contextlib.contextmanager
def started(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A Python of its own, which ends with the block: as by Ctrl-C, so that it stops what it started, or killed."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # what was said so far is seen if it is ended
    process = subprocess.Popen([sys.executable, "-m", "bench.part", *words], env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        process.kill()
        process.wait()


def _parser() -> argparse.ArgumentParser:
    names = [part.name for part in (*ALWAYS_THE_SAME, OVERHEAD, SERVING)]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all of it")
    parser.add_argument("--only", choices=names, help="this part")
    parser.add_argument(
        "--gpu", action="store_true", help="full-size models, which take as long as they take"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

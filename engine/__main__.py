"""`python -m engine [--config FILE]`: the front. It starts the worker by itself, before all else.

Exit codes are those of sysexits.h: 0 after SIGTERM, 69 where the port is taken, 70 where something broke,
71 where the machine starts no process, 78 for a wrong configuration.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import child


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine", description="Darkroom's drawing process.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: config.toml)")
    parser.add_argument("--check", action="store_true", help="read the settings, say what is wrong, and end")
    options = parser.parse_args(arguments)
    if options.check:
        from engine.program import check

        return check(options.config)
    return asyncio.run(_run(options.config))


async def _run(config: Path | None) -> int:
    """The worker imports for seconds, and what it is to do it needs to know only then: it begins before we import."""
    _end_on_signal()
    try:
        worker = await child.start(child.WORKER, child.environ_of(os.environ))
        try:
            from engine.program import run

            return await run(config, worker)
        finally:
            await child.end(worker)
    except asyncio.CancelledError:
        return 0
    except OSError as error:
        sys.stderr.write(f"The engine cannot start its worker: {error.strerror}.\n")
        return os.EX_OSERR


def _end_on_signal() -> None:
    """Until the front listens to signals itself."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # at once: taking the libraries apart takes a tenth of a second, for which somebody waits

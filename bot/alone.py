"""One bot for one data folder: two would carry the same jobs and trip over each other."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bot.errors import Misconfigured


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the data folder for this process; the kernel lets go of it however the process ends.

    Raises Misconfigured where another bot holds it.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)  # prompts and tokens are in there
    with (data / "bot.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Misconfigured(
                f"Another bot runs on the folder {data} (process {holder}): stop it, or set paths.data."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield

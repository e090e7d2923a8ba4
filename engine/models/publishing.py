"""A finished file gets its name."""

import os
from contextlib import suppress
from pathlib import Path


def publish(aside: Path, target: Path) -> None:
    """Give a whole file, on the same disk, its name. Never over another: raises FileExistsError."""
    with suppress(OSError):
        os.link(aside, target)
        return
    if target.exists():
        raise FileExistsError(target.name)
    aside.rename(target)  # on disks without links

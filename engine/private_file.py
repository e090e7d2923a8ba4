"""Secrets in files: complete when they appear, for their owner alone, and never written over."""

import contextlib
import os
import secrets
import time
from pathlib import Path

ABANDONED_S = 60.0  # what a killed program left aside holds a secret too


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone; where it is there already it stays as it is. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def create(path: Path, text: str) -> None:
    """Make the file with mode 0600; where it is there already it stays as it is. Raises OSError."""
    make_folder(path.parent)
    for left in path.parent.glob(f"{path.name}.{16 * '[0-9a-f]'}"):
        with contextlib.suppress(FileNotFoundError):  # it was not abandoned: its program is just done with it
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                left.unlink()
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename, never over what another program just made
    except FileExistsError:
        pass
    finally:
        aside.unlink()

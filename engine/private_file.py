"""Secrets in files: complete when they appear, for their owner alone, and never written over."""

import os
import secrets
from pathlib import Path


def create(path: Path, text: str) -> None:
    """Make the file with mode 0600; where it is there already it stays as it is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
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

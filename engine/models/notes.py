"""What the engine notes for itself in a hidden file of the models' folder: a JSON object that may be lost."""

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024 * 1024


def read_notes(file: Path) -> dict[str, Any]:
    """An empty object where the file is missing or damaged."""
    try:
        with file.open("rb") as stream:
            noted = json.loads(stream.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def write_notes(file: Path, noted: dict[str, Any]) -> None:
    """Written aside and renamed. Where the folder is read-only, nothing is kept."""
    aside = ""
    try:
        handle, aside = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(handle, "w") as stream:
            json.dump(noted, stream, indent=1)
        Path(aside).replace(file)
    except OSError:
        log.debug("%s could not be kept", file.name, exc_info=True)
        if aside:
            Path(aside).unlink(missing_ok=True)

"""A JSON object from a model's folder, which somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from engine.models.fault import Corrupt

MAX_JSON_BYTES = 1024 * 1024


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Raises Corrupt where the file is missing, too long, or no JSON object."""
    try:
        text = _beginning(folder / name)
        content = json.loads(text) if len(text) <= MAX_JSON_BYTES else None
    except (OSError, ValueError, RecursionError):
        raise Corrupt(f"its {name} is missing or damaged") from None
    if len(text) > MAX_JSON_BYTES:
        raise Corrupt(f"its {name} is too long")
    if not isinstance(content, dict):
        raise Corrupt(f"its {name} is damaged")
    return content


def _beginning(path: Path) -> bytes:
    """One byte more than may be read, at most. Raises OSError."""
    if not path.is_file():  # a pipe would be waited on for ever
        raise FileNotFoundError(path)
    with path.open("rb") as stream:
        return stream.read(MAX_JSON_BYTES + 1)

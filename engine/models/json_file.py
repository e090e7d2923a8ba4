"""A JSON object from a model's folder, which somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from engine.models.fault import Corrupt

MAX_JSON_BYTES = 1024 * 1024


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Raises Corrupt where the file is missing, too long, or no JSON object."""
    path = folder / name
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise Corrupt(f"its {name} is too long")
        content = json.loads(path.read_bytes())
    except Corrupt:
        raise
    except (OSError, ValueError, RecursionError):
        raise Corrupt(f"its {name} is missing or damaged") from None
    if not isinstance(content, dict):
        raise Corrupt(f"its {name} is damaged")
    return content

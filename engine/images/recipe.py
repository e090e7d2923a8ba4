"""A recipe: how a picture was made, as far as its file says. Whoever wrote the file may have written anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`settings` has A1111's names (`Steps`, `Sampler`, `Seed`, …) whatever tool wrote them; values are texts."""

    made_with: str
    prompt: str
    negative_prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def json_object(text: str) -> dict[str, Any]:
    """A JSON object from a stranger; empty for everything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also for numbers of thousands of digits
        return {}
    return value if isinstance(value, dict) else {}


def settings(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """The plain ones of `values`, under the names that `names` gives them."""
    return {
        ours: str(values[theirs])
        for theirs, ours in names.items()
        if isinstance(values.get(theirs), str | int | float) and values[theirs] != ""
    }


def text(value: Any) -> str:
    """`value` where it is text."""
    return value if isinstance(value, str) else ""

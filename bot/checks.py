"""One value of a request at a time: within its limits, or a sentence that names field, limit and value. Pure."""

from typing import TypeVar

from bot.errors import Refused
from engine.wire import Limits

T = TypeVar("T", int, float)


def between(field: str, value: T, low: float, high: float) -> T:
    """`value` itself. Raises Refused."""
    if not low <= value <= high:  # written so that NaN is refused too
        raise Refused(f"{field} must be between {low:.10g} and {high:.10g}; it was {value:.10g}.")
    return value


def prompt(text: str, limits: Limits) -> str:
    """Clean, and with something in it. Raises Refused."""
    if not any(char.isprintable() and not char.isspace() for char in text):
        raise Refused("prompt must not be empty.")
    return prose("prompt", text, limits)


def prose(field: str, text: str, limits: Limits) -> str:
    """What can be stored and sent on: neither NUL nor half a surrogate pair. Raises Refused."""
    if len(text) > limits.prompt_chars:
        raise Refused(f"{field} must be at most {limits.prompt_chars} characters; it was {len(text)}.")
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def quoted(text: str, most: int = 60) -> str:
    """What a person typed, in quotes and cut where it is long."""
    return f"'{text}'" if len(text) <= most else f"'{text[: most - 1]}…'"

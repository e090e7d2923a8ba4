"""What a button can ask for, and the id that says so."""

from enum import StrEnum


class Action(StrEnum):
    AGAIN = "again"
    VARIATION = "variation"
    EDIT = "edit"
    UPSCALE = "upscale"
    OUT = "out"
    LEFT = "left"
    UP = "up"
    DOWN = "down"
    RIGHT = "right"
    DRAW = "draw"  # what was described
    CANCEL = "cancel"
    DELETE = "delete"


def custom_id(action: Action, job_id: str, index: int | None = None) -> str:
    """The id that Discord keeps with a button and sends back when it is pressed; at most 100 characters."""
    return f"darkroom:{action}:{job_id}" + ("" if index is None else f":{index}")

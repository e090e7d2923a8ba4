"""Which task a person's options ask for, where they do not follow from a mask or margins. Pure."""

from bot.checks import between
from bot.errors import Refused
from engine.wire import DEFAULT_NOISE_LEVEL, Limits, Task, upscaled_size

NAMED = (Task.DEPTH2IMG, Task.UPSCALE)  # all others are told by what was given


def named(text: str | None, *, has_depth: bool) -> Task | None:
    """The task that was named, or that a depth image asks for; None where neither. Raises Refused."""
    if text is None:
        return Task.DEPTH2IMG if has_depth else None
    task = next((task for task in NAMED if task == text.strip().casefold()), None)
    if task is None:
        raise Refused(f"task must be one of {', '.join(NAMED)}, or left out; it was '{text:.40}'.")
    if has_depth and task is not Task.DEPTH2IMG:
        raise Refused(f"depth belongs to {Task.DEPTH2IMG}; the task was {task}.")
    return task


def size_to_upscale(picture: tuple[int, int] | None, size: str | None, limits: Limits) -> tuple[int, int]:
    """The width and height of a request to upscale a picture of (width, height). Raises Refused."""
    if picture is None:
        raise Refused("upscale needs an image to start from.")
    if size is not None:
        raise Refused("size does not go with upscale: the result has four times the picture's own.")
    width, height = picture
    if width * height > limits.upscale_pixels or max(picture) > limits.max_side:
        raise Refused(
            f"image: to be upscaled it must have at most {limits.upscale_pixels} pixels and {limits.max_side} a side;"
            f" it was {width} x {height}."
        )
    return upscaled_size(picture)


def noise_level(value: int | None, task: Task, limits: Limits) -> int:
    """Raises Refused."""
    if value is None:
        return DEFAULT_NOISE_LEVEL
    if task is not Task.UPSCALE:
        raise Refused("noise_level belongs to upscale.")
    return between("noise_level", value, 0, limits.noise_level)

"""On which steps guidance acts: from a person's words to fractions of the steps. Pure."""

from bot.errors import Refused

Interval = tuple[float, float | None]  # without an end it is the model's own
NOT_SAID: Interval = (0.0, None)


def interval_of(words: str | None) -> Interval:
    """`0.2-0.8` as (0.2, 0.8). Raises Refused."""
    if words is None:
        return NOT_SAID
    try:
        start, end = (float(part) for part in words.split("-"))
    except ValueError:
        start, end = 0.0, 0.0
    if not 0 <= start < end <= 1:
        raise Refused(
            "guidance_interval must be two fractions of the steps from 0 to 1, such as 0.2-0.8;"
            f" it was '{words:.40}'."
        )
    return start, end

"""May this person queue this now? Pure: the numbers are handed in."""

from datetime import timedelta

from bot.config import Limits
from bot.errors import Refused

QUARANTINE = timedelta(days=1)


def check(limits: Limits, *, mine: int, in_all: int, quarantined: bool) -> None:
    """Raise Refused, naming the limit and the number, where a new job is one too many.

    `mine` and `in_all` count the jobs that wait or are being drawn, of this person and of everybody.
    `quarantined` says that the same request stopped the engine again and again within the last day.
    """
    if quarantined:
        raise Refused(
            f"This request stopped the engine {limits.crashes} times within the last day, so it is not tried"
            " again today. Change the prompt, the size or the model."
        )
    if mine >= limits.jobs_per_person:
        raise Refused(
            f"You have {_pictures(mine)} waiting, and {limits.jobs_per_person} at a time is the limit."
            " Wait for one of them, or cancel one."
        )
    if in_all >= limits.jobs_in_all:
        raise Refused(
            f"{in_all} pictures are waiting, and {limits.jobs_in_all} in all is the limit."
            " Try again in a few minutes."
        )


def _pictures(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"

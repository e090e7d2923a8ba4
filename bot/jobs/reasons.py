"""Why a job waits, is drawn again, or ends without a picture: the sentences a person reads. Pure."""

from engine.wire import ErrorBody

ENGINE_AWAY = "The engine is away. Your place is kept, and drawing goes on when it is back."
ENGINE_FULL = "The engine's queue is full. Your place is kept."
ENGINE_LOST = "The engine stopped while drawing this."
CANCELLED = "Cancelled."
SHUTTING_DOWN = "I am restarting. Ask again in a minute."


def again(attempt: int, attempts: int) -> str:
    """The `attempt`-th try of at most `attempts` begins."""
    return f"The engine stopped while drawing this. Drawing again, try {attempt} of {attempts}."


def refused(error: ErrorBody) -> str:
    """What the engine said, with its hint."""
    return f"{error.message} {error.hint}" if error.hint else error.message


def quarantined(crashes: int) -> str:
    times = "once" if crashes == 1 else f"{crashes} times"
    return f"The engine stopped {times} while drawing this, so it is not tried again."


def undeliverable(why: str) -> str:
    return f"The picture is drawn but could not be posted ({why}). It is in /history."


def expired(hours: float) -> str:
    return f"This waited for {hours:g} hours, the longest that is allowed, and was given up."


def compressed(pictures: int, limit: int) -> str:
    """`limit` in bytes."""
    what = "The picture was" if pictures == 1 else f"{pictures} pictures were"
    return f"{what} compressed to fit the limit of {limit / 2**20:.3g} MiB here."


def alt_text(prompt: str) -> str:
    """A description for people who cannot see the picture, at most 1000 characters."""
    words = " ".join(prompt.split())
    return _shortened(f"Picture drawn from the prompt: {words}" if words else "Picture without a prompt")


def described(description: str) -> str:
    """The same for a picture that was described."""
    return _shortened(f"Picture described as: {' '.join(description.split())}")


def _shortened(text: str, limit: int = 1000) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"

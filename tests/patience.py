"""How long tests wait for what must come, and what stands still until they move it."""

import asyncio
from collections.abc import Callable

DEADLINE_S = 30.0  # only what fails waits so long: generous, because every core is busy with other tests
LOOK_EVERY_S = 0.005


async def until(condition: Callable[[], object], *, within: float = DEADLINE_S) -> None:
    """Wait for what no event tells, such as what another process brings about. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # there is nothing else to wait for
            await asyncio.sleep(LOOK_EVERY_S)


class Clock:
    """Seconds, which stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

"""How long 200 people wait for the bot's first answer when each asks for a picture within the same ten seconds.

Discord gives a bot three seconds, then it tells the person that the application did not respond. Everything is
real but Discord's servers: the bot and the engine are processes of their own on this machine.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from bot.playground.client import Interaction, Person
from bot.trial import Trial, start_trial

CROWD = 200
WITHIN_S = 10.0
ACKNOWLEDGED_S = 3.0
QUIET = {"DARKROOM_LOG__LEVEL": "ERROR"}


async def main() -> int:
    with tempfile.TemporaryDirectory() as data:
        async with start_trial(data=Path(data), models=Path(data) / "models", environment=QUIET) as trial:
            await trial.ready()
            names = [f"person{number}" for number in range(CROWD)]
            await let_in(trial, names)
            seen = await asyncio.gather(*(ask(trial, name, number) for number, name in enumerate(names)))
    waits = sorted(each.acknowledged_after for each in seen if each.acknowledged_after is not None)
    late = CROWD - sum(wait < ACKNOWLEDGED_S for wait in waits)
    p50, p99 = (statistics.quantiles(waits, n=100)[n - 1] for n in (50, 99)) if len(waits) > 1 else (0.0, 0.0)
    sys.stdout.write(
        f"acknowledgement of {CROWD} people within {WITHIN_S:g} s, all asking for pictures: p50 {1000 * p50:.0f} ms, "
        f"p99 {1000 * p99:.0f} ms, longest {1000 * max(waits, default=0):.0f} ms, too late or never {late} (goal: 0)\n"
    )
    return 1 if late else 0


async def let_in(trial: Trial, names: list[str]) -> None:
    async with Person(trial.playground.base) as person:
        for name in names:
            await person.change_world("people", name=name)
            await person.change_world("members", user=name)


async def ask(trial: Trial, name: str, number: int) -> Interaction:
    """What became of it 3 seconds after it was sent: whoever looks more often makes everybody wait."""
    await asyncio.sleep(number * WITHIN_S / CROWD)
    async with Person(trial.playground.base, user=name) as person:
        asked = await person.slash("imagine", {"prompt": f"a picture for {name}", "steps": 8})
        await asyncio.sleep(ACKNOWLEDGED_S)
        return await person.look(asked)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

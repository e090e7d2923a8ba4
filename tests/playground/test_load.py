"""Many people at once: nobody is lost, nobody gets somebody else's answer. bench/crowd.py measures the real bot."""

import asyncio
from collections import Counter

import pytest

from bot.playground.client import Person
from bot.playground.clock import Clock
from bot.playground.server import Playground

CROWD = 200
MOMENT = 1_800_000_000.0  # seconds since 1970


@pytest.fixture
def clock() -> Clock:
    """Time stands still: how fast this machine is decides nothing here."""
    return Clock(now=lambda: MOMENT)


@pytest.fixture
def names(playground: Playground) -> list[str]:
    """A crowd that has joined the server."""
    names = [f"person{number}" for number in range(CROWD)]
    (guild,) = playground.state.guilds.values()
    for name in names:
        playground.state.add_member(guild, playground.state.add_person(name))
    return names


@pytest.mark.usefixtures("bot")
async def test_200_people_who_ask_at_once_are_all_answered(
    playground: Playground, alice: Person, names: list[str]
) -> None:
    async def ask(name: str) -> str:
        async with Person(playground.base, user=name) as person:
            return (await person.slash("imagine", {"prompt": f"a picture for {name}"})).id

    asked = await asyncio.gather(*map(ask, names))
    async with asyncio.timeout(60):
        while sum(bool(message.attachments) for message in playground.state.messages.values()) < CROWD:
            await playground.state.changes.wait(playground.state.changes.count, timeout=1)
    answered = {message["interaction_metadata"]["id"]: message for message in await alice.messages()}
    assert list(Counter(asked).values()) == [1] * CROWD
    for name, interaction in zip(names, asked, strict=True):
        assert answered[interaction]["content"].startswith(f"a picture for {name} in ")
        assert answered[interaction]["interaction_metadata"]["user"]["username"] == name

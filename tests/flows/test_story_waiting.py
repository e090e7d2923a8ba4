"""Who asks for very much. In a trial of its own: its answers use up what Discord allows a channel for a minute."""

import pytest

from bot.playground.client import Person
from bot.trial import is_final
from tests.flows.conftest import DEADLINE_S, QUICK

pytestmark = pytest.mark.flow


async def test_a_person_with_enough_waiting_is_asked_to_wait(alice: Person) -> None:
    asked = [
        await alice.slash("imagine", QUICK | {"steps": 150, "size": "512x512", "seed": n}) for n in range(31)
    ]
    refused = await alice.wait_message(asked[-1], is_final, timeout=DEADLINE_S)
    assert "30" in refused["content"]
    for each in asked[:-1]:
        message = await alice.wait_message(each, timeout=DEADLINE_S)
        if not is_final(message):
            await alice.press(message, "Cancel")

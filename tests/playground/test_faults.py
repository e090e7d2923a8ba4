"""Faults on purpose: each kind as discord.py or a plain client meets it."""

import aiohttp
import pytest

from bot.playground.client import NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api


@pytest.fixture
def channel(playground: Playground) -> str:
    return f"/channels/{next(iter(playground.state.channels))}"


async def test_an_error_before_means_that_nothing_happened(api: Api, alice: Person, channel: str) -> None:
    await alice.fault("error", method="POST", path="/channels/*/messages", status=503, times=2)
    for _ in range(2):
        assert (await api("POST", f"{channel}/messages", {"content": "x"}))[0] == 503
    assert await alice.messages() == []
    assert (await api("POST", f"{channel}/messages", {"content": "x"}))[0] == 200


async def test_an_error_after_means_that_it_happened(api: Api, alice: Person, channel: str) -> None:
    await alice.fault("error_after", method="POST", path="/channels/*", status=502)
    assert (await api("POST", f"{channel}/messages", {"content": "x"}))[0] == 502
    assert len(await alice.messages()) == 1


async def test_a_lost_reply_closes_the_connection_after_it_happened(
    api: Api, alice: Person, channel: str
) -> None:
    await alice.fault("lost", method="POST")
    with pytest.raises(aiohttp.ClientConnectionError):
        await api("POST", f"{channel}/messages", {"content": "x"})
    assert len(await alice.messages()) == 1


async def test_a_delay_only_delays(api: Api, alice: Person, playground: Playground, channel: str) -> None:
    await alice.fault("delay", seconds=0.01)
    assert (await api("GET", channel))[0] == 200
    assert playground.faults.rules == []


@pytest.mark.parametrize("scope", ["user", "global", "shared"])
@pytest.mark.parametrize("via", [True, False])
async def test_a_rate_limit_names_its_scope(
    playground: Playground, alice: Person, channel: str, scope: str, via: bool
) -> None:
    await alice.fault("rate_limit", seconds=1.5, scope=scope, via=via)
    headers = {"Authorization": f"Bot {playground.token}"}
    async with (
        aiohttp.ClientSession(playground.base, headers=headers) as http,
        http.get(f"/api/v10{channel}") as response,
    ):
        body = await response.json()
        assert (response.status, body["retry_after"], body["global"]) == (429, 1.5, scope == "global")
        assert response.headers["X-RateLimit-Scope"] == scope
        assert ("Via" in response.headers) is via


async def test_a_fault_with_an_unknown_kind_is_refused(alice: Person) -> None:
    with pytest.raises(NotPossible, match="kind: Input should be"):
        await alice.fault("earthquake")

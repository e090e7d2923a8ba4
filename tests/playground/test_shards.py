"""Several sessions that share the bot's guilds, and how often sessions may begin."""

import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.playground.conftest import Api
from tests.playground.gateway_client import connect

EVERYTHING = 1 | 1 << 9 | 1 << 12 | 1 << 15


@pytest.fixture
def guilds(playground: Playground) -> list[str]:
    """Three servers with the bot, on both shards of two."""
    state = playground.state
    home = int(state.guild_id)
    ids = [str(home + (step << 22)) for step in (1, 2)]
    for number, id in enumerate(ids):
        state.add_guild(f"Guild {number}", [state.people["alice"], state.bot], id=id)
    return [state.guild_id, *ids]


async def test_each_shard_carries_its_guilds_and_the_first_the_direct_messages(
    playground: Playground, guilds: list[str], alice: Person
) -> None:
    playground.session_starts.pause_s = 0
    async with connect(playground) as first, connect(playground) as second:
        even, odd = await first.ready(EVERYTHING, shard=[0, 2]), await second.ready(EVERYTHING, shard=[1, 2])
        assert (even["shard"], odd["shard"]) == ([0, 2], [1, 2])
        by_shard = [[each["id"] for each in ready["guilds"]] for ready in (even, odd)]
        assert by_shard == [[id for id in guilds if (int(id) >> 22) % 2 == shard] for shard in (0, 1)]
        home = by_shard[1] if playground.state.guild_id in by_shard[1] else by_shard[0]
        alice.channel = "dm"
        await alice.say("to the first")
        assert (await first.next())["d"]["content"] == "to the first"
        alice.channel = "general"
        await alice.say("to the home")
        carrier = second if home is by_shard[1] else first
        assert (await carrier.next())["d"]["content"] == "to the home"
        for socket in (first, second):
            await socket.send(1)
            assert (await socket.next())["op"] == 11


@pytest.mark.usefixtures("guilds")
async def test_too_many_guilds_need_more_shards(playground: Playground) -> None:
    playground.gateway.guilds_per_shard = 2
    async with connect(playground) as socket:
        await socket.send(2, {"token": playground.token, "intents": 1, "properties": {}})
        assert await socket.closed() == 4011


async def test_a_second_session_within_5_seconds_is_invalid(playground: Playground) -> None:
    async with connect(playground) as first, connect(playground) as second:
        await first.ready()
        assert (await second.identify())["op"] == 9
        playground.clock.move(5)
        await second.ready()


async def test_shards_of_different_groups_begin_together(playground: Playground, alice: Person) -> None:
    await alice.rate_limits(max_concurrency=2)
    async with connect(playground) as first, connect(playground) as second, connect(playground) as third:
        await first.ready(shard=[0, 4])
        await second.ready(shard=[1, 4])
        assert (await third.identify(shard=[2, 4]))["op"] == 9


async def test_session_starts_are_counted_and_told(playground: Playground, api: Api) -> None:
    playground.session_starts.pause_s = 0
    async with connect(playground) as socket:
        await socket.ready()
    _, answer = await api("GET", "/gateway/bot")
    limit = answer["session_start_limit"]
    assert (limit["total"], limit["remaining"], limit["max_concurrency"]) == (1000, 999, 1)
    assert 0 < limit["reset_after"] <= 24 * 3600 * 1000


async def test_after_a_thousand_starts_the_token_is_wrong_for_the_rest_of_the_day(
    playground: Playground,
) -> None:
    starts = playground.session_starts
    starts.pause_s = 0
    async with connect(playground) as old, connect(playground) as new:
        await old.ready()
        for _ in range(999):
            assert not starts.used_up()
        await new.send(2, {"token": playground.token, "intents": 1, "properties": {}})
        assert await new.closed() == 4004
        assert await old.closed() == 4004
    playground.clock.move(24 * 3600)
    async with connect(playground) as socket:
        await socket.ready()

"""Reactions and pins, and messages deleted in one go."""

from urllib.parse import quote

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api

THUMB = quote("👍")


@pytest.fixture
def general(playground: Playground) -> str:
    playground.rate_limits.enabled = False
    return f"/channels/{playground.state.channel('general', playground.state.bot).id}"


def shown(message: Json) -> dict[str, tuple[int, bool]]:
    return {each["emoji"]["name"]: (each["count"], each["me"]) for each in message.get("reactions", [])}


async def test_reactions_are_counted_and_taken_back(
    api: Api, alice: Person, bob: Person, general: str
) -> None:
    said = await alice.say("x")
    path = f"{general}/messages/{said['id']}"
    await bob.react(said, "👍")
    for _ in range(2):
        assert (await api("PUT", f"{path}/reactions/{THUMB}/@me"))[0] == 204
    assert shown((await api("GET", path))[1]) == {"👍": (2, True)}
    assert shown((await alice.messages())[0]) == {"👍": (2, False)}
    _, users = await api("GET", f"{path}/reactions/{THUMB}?limit=1")
    assert [each["username"] for each in users] == ["darkroom"]  # type: ignore[index]  # a list here
    await api("DELETE", f"{path}/reactions/{THUMB}/@me")
    assert shown(await bob.react(said, "👍", remove=True)) == {}


async def test_the_bot_clears_reactions_of_others(
    api: Api, bob: Person, general: str, playground: Playground
) -> None:
    said = await bob.say("x")
    path = f"{general}/messages/{said['id']}/reactions"
    for emoji in "👍🎉🌵":
        await bob.react(said, emoji)
    bob_id = playground.state.people["bob"].id
    assert (await api("DELETE", f"{path}/{THUMB}/{bob_id}"))[0] == 204
    assert (await api("DELETE", f"{path}/{quote('🎉')}"))[0] == 204
    assert set(shown((await bob.messages())[0])) == {"🌵"}
    assert (await api("DELETE", path))[0] == 204
    assert "reactions" not in (await bob.messages())[0]


@pytest.mark.parametrize("emoji", ["smile", "party:123456789012345678", "1", "é"])
async def test_an_emoji_that_nobody_has_is_unknown(api: Api, alice: Person, general: str, emoji: str) -> None:
    said = await alice.say("x")
    _, answer = await api("PUT", f"{general}/messages/{said['id']}/reactions/{emoji}/@me")
    assert answer["code"] == 10014


async def test_a_message_takes_twenty_kinds(alice: Person) -> None:
    said = await alice.say("x")
    for number in range(20):
        await alice.react(said, chr(0x1F400 + number))
    with pytest.raises(NotPossible, match="Maximum number of reactions"):
        await alice.react(said, "👍")


async def test_joining_a_reaction_needs_no_permission_and_a_new_one_does(
    api: Api, alice: Person, general: str
) -> None:
    said = await alice.say("x")
    await alice.react(said, "👍")
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["ADD_REACTIONS"])
    path = f"{general}/messages/{said['id']}/reactions"
    assert (await api("PUT", f"{path}/{THUMB}/@me"))[0] == 204
    assert (await api("PUT", f"{path}/{quote('🎉')}/@me"))[1]["code"] == 50013


@pytest.mark.parametrize("route", ["messages/pins", "pins"])
async def test_a_pin_is_listed_and_announced(api: Api, alice: Person, general: str, route: str) -> None:
    said = await alice.say("keep")
    assert (await api("PUT", f"{general}/{route}/{said['id']}"))[0] == 204
    pinned, line = await alice.messages()
    assert (pinned["pinned"], line["type"], line["message_reference"]["message_id"]) == (True, 6, said["id"])
    _, listed = await api("GET", f"{general}/messages/pins")
    assert [each["message"]["id"] for each in listed["items"]] == [said["id"]]
    _, older = await api("GET", f"{general}/pins")
    assert [each["id"] for each in older] == [said["id"]]  # type: ignore[index]  # a list here
    assert (await api("DELETE", f"{general}/{route}/{said['id']}"))[0] == 204
    assert (await api("GET", f"{general}/messages/pins"))[1]["items"] == []


async def test_a_deleted_message_is_pinned_no_more(api: Api, alice: Person, general: str) -> None:
    said = await alice.pin(await alice.say("keep"))
    await alice.delete(said)
    assert (await api("GET", f"{general}/messages/pins"))[1] == {"items": [], "has_more": False}


async def test_many_messages_are_deleted_in_one_go(api: Api, alice: Person, general: str) -> None:
    ids = [(await alice.say(f"{n}"))["id"] for n in range(3)]
    assert (await api("POST", f"{general}/messages/bulk-delete", {"messages": [*ids[:2], "1"]}))[0] == 204
    assert [each["id"] for each in await alice.messages()] == ids[2:]


async def test_bulk_deletion_spares_what_is_older_than_two_weeks(
    api: Api, alice: Person, general: str, playground: Playground
) -> None:
    ids = [(await alice.say(f"{n}"))["id"] for n in range(2)]
    playground.clock.move(15 * 24 * 3600)
    status, answer = await api("POST", f"{general}/messages/bulk-delete", {"messages": ids})
    assert (status, answer["code"], len(await alice.messages())) == (400, 50034, 2)


@pytest.mark.parametrize("ids", [["1"], [], "x", [str(n) for n in range(101)]])
async def test_bulk_deletion_takes_2_to_100_messages(api: Api, general: str, ids: object) -> None:
    assert (await api("POST", f"{general}/messages/bulk-delete", {"messages": ids}))[1]["code"] == 50035


async def test_people_delete_their_own_messages(alice: Person, bob: Person) -> None:
    said = await alice.say("x")
    with pytest.raises(NotPossible, match="bob may not delete messages of others"):
        await bob.delete(said)
    await alice.delete(said)
    assert await alice.messages() == []

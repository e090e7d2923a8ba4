"""Threads: starting, writing, archiving, members."""

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api


@pytest.fixture
def general(playground: Playground) -> str:
    playground.rate_limits.enabled = False
    return f"/channels/{playground.state.channel('general', playground.state.bot).id}"


async def start(api: Api, general: str, **more: object) -> Json:
    status, thread = await api("POST", f"{general}/threads", {"name": "sketches", "type": 11, **more})
    assert status == 201
    return thread


async def test_a_thread_at_a_message_has_the_messages_id(api: Api, alice: Person, general: str) -> None:
    said = await alice.say("look")
    path = f"{general}/messages/{said['id']}/threads"
    status, thread = await api("POST", path, {"name": "about it", "auto_archive_duration": 60})
    assert (status, thread["id"], thread["type"]) == (201, said["id"], 11)
    assert thread["thread_metadata"]["auto_archive_duration"] == 60
    _, message = await api("GET", f"{general}/messages/{said['id']}")
    assert (message["thread"]["name"], message["flags"] & 32) == ("about it", 32)
    assert (await api("POST", path, {"name": "again"}))[1]["code"] == 160004


async def test_a_public_thread_is_announced_and_a_private_one_is_not(
    api: Api, alice: Person, bob: Person, general: str
) -> None:
    await start(api, general)
    await start(api, general, name="secret", type=12)
    assert [(each["type"], each["content"]) for each in await alice.messages()] == [(18, "sketches")]
    bob.channel = "secret"
    with pytest.raises(NotPossible, match="bob sees no channel called 'secret'"):
        await bob.messages()


async def test_who_writes_into_a_thread_is_in_it(api: Api, bob: Person, general: str) -> None:
    thread = await start(api, general)
    bob.channel = "sketches"
    await bob.say("hello")
    _, now = await api("GET", f"/channels/{thread['id']}")
    assert (now["message_count"], now["member_count"]) == (1, 2)
    _, members = await api("GET", f"/channels/{thread['id']}/thread-members")
    assert len(members) == 2


async def test_writing_opens_an_archived_thread_and_editing_does_not(
    api: Api, bob: Person, general: str
) -> None:
    path = f"/channels/{(await start(api, general))['id']}"
    _, own = await api("POST", f"{path}/messages", {"content": "x"})
    _, closed = await api("PATCH", path, {"archived": True})
    assert closed["thread_metadata"]["archived"]
    assert (await api("PATCH", f"{path}/messages/{own['id']}", {"content": "y"}))[1]["code"] == 50083
    assert (await api("PATCH", path, {"name": "other"}))[1]["code"] == 50083
    bob.channel = "sketches"
    await bob.say("still here")
    assert not (await api("GET", path))[1]["thread_metadata"]["archived"]


async def test_nobody_writes_into_a_locked_thread_without_managing_threads(
    api: Api, alice: Person, bob: Person, general: str
) -> None:
    path = f"/channels/{(await start(api, general))['id']}"
    await api("PATCH", path, {"locked": True})
    bob.channel = "sketches"
    with pytest.raises(NotPossible, match="bob may not write after it was locked in sketches"):
        await bob.say("x")
    assert (await api("POST", f"{path}/messages", {"content": "x"}))[0] == 200
    await alice.change_world("roles/permissions", role="darkroom", deny=["MANAGE_THREADS"])
    assert (await api("POST", f"{path}/messages", {"content": "x"}))[1]["code"] == 160005
    assert (await api("PATCH", path, {"locked": False}))[1]["code"] == 50013


async def test_members_join_and_leave(api: Api, playground: Playground, general: str) -> None:
    bob = playground.state.people["bob"].id
    path = f"/channels/{(await start(api, general, type=12))['id']}/thread-members"
    assert (await api("PUT", f"{path}/{bob}"))[0] == 204
    assert (await api("GET", f"{path}/{bob}"))[1]["user_id"] == bob
    assert (await api("DELETE", f"{path}/{bob}"))[0] == 204
    assert (await api("GET", f"{path}/{bob}"))[1]["code"] == 10007
    assert (await api("PUT", f"{path}/1"))[1]["code"] == 10007
    assert (await api("DELETE", f"{path}/@me"))[0] == 204


async def test_open_and_archived_threads_are_listed_apart(
    api: Api, playground: Playground, general: str
) -> None:
    first, second = await start(api, general), await start(api, general, name="other")
    await api("PATCH", f"/channels/{first['id']}", {"archived": True})
    _, active = await api("GET", f"/guilds/{playground.state.guild_id}/threads/active")
    _, archived = await api("GET", f"{general}/threads/archived/public")
    assert [each["id"] for each in active["threads"]] == [second["id"]]
    assert [each["id"] for each in archived["threads"]] == [first["id"]]


async def test_a_deleted_thread_is_gone_with_its_messages(api: Api, alice: Person, bob: Person) -> None:
    thread = await bob.start_thread("bob's")
    await api("POST", f"/channels/{thread['id']}/messages", {"content": "x"})
    assert (await api("DELETE", f"/channels/{thread['id']}"))[0] == 200
    assert (await api("GET", f"/channels/{thread['id']}/messages"))[1]["code"] == 10003
    assert thread["id"] not in [each["id"] for each in (await alice.world())["channels"]]


async def test_a_conversation_has_no_threads(api: Api, playground: Playground) -> None:
    bob = playground.state.people["bob"]
    _, channel = await api("POST", "/users/@me/channels", {"recipient_id": bob.id})
    _, sent = await api("POST", f"/channels/{channel['id']}/messages", {"content": "x"})
    path = f"/channels/{channel['id']}/messages/{sent['id']}/threads"
    assert (await api("POST", path, {"name": "x"}))[0] in (400, 403)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": "x", "auto_archive_duration": 5}]
)
async def test_a_malformed_thread_is_refused(api: Api, general: str, body: Json) -> None:
    status, answer = await api("POST", f"{general}/threads", body)
    assert (status, answer["code"]) == (400, 50035)

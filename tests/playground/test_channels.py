"""Messages without an interaction: nonces, history, direct messages, mentions."""

import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.playground.conftest import Api


@pytest.fixture
def channel(playground: Playground) -> str:
    return f"/channels/{next(iter(playground.state.channels))}"


async def test_the_same_nonce_is_answered_with_the_same_message(
    api: Api, alice: Person, channel: str
) -> None:
    body = {"content": "x", "nonce": "job-1", "enforce_nonce": True}
    _, first = await api("POST", f"{channel}/messages", body)
    _, second = await api("POST", f"{channel}/messages", body)
    assert first["id"] == second["id"]
    assert first["nonce"] == "job-1"
    assert len(await alice.messages()) == 1


async def test_a_nonce_is_remembered_for_minutes_only(api: Api, playground: Playground, channel: str) -> None:
    body = {"content": "x", "nonce": 7, "enforce_nonce": True}
    _, first = await api("POST", f"{channel}/messages", body)
    playground.clock.move(600)
    _, second = await api("POST", f"{channel}/messages", body)
    assert first["id"] != second["id"]


async def test_without_enforcement_a_nonce_is_only_an_echo(api: Api, alice: Person, channel: str) -> None:
    for _ in range(2):
        await api("POST", f"{channel}/messages", {"content": "x", "nonce": "n"})
    assert len(await alice.messages()) == 2


async def test_history_comes_newest_first_in_pages(api: Api, channel: str) -> None:
    ids = [(await api("POST", f"{channel}/messages", {"content": f"{n}"}))[1]["id"] for n in range(4)]

    async def page(query: str) -> list[str]:
        _, messages = await api("GET", f"{channel}/messages?{query}")
        return [message["content"] for message in messages]  # type: ignore[index]  # a list here

    assert await page("limit=2") == ["3", "2"]
    assert await page(f"limit=2&before={ids[2]}") == ["1", "0"]
    assert await page(f"limit=2&after={ids[0]}") == ["2", "1"]
    assert (await api("GET", f"{channel}/messages?limit=101"))[1]["code"] == 50035


async def test_own_messages_can_be_edited_and_others_cannot(api: Api, alice: Person, channel: str) -> None:
    _, own = await api("POST", f"{channel}/messages", {"content": "x"})
    assert (await api("PATCH", f"{channel}/messages/{own['id']}", {"content": "y"}))[1]["content"] == "y"
    said = await alice.say("mine")
    status, answer = await api("PATCH", f"{channel}/messages/{said['id']}", {"content": "y"})
    assert (status, answer["code"]) == (403, 50005)
    assert (await api("DELETE", f"{channel}/messages/{own['id']}"))[0] == 204
    assert [message["content"] for message in await alice.messages()] == ["mine"]


async def test_a_direct_message_is_seen_by_its_recipient(api: Api, playground: Playground) -> None:
    bob = playground.state.people["bob"]
    _, channel = await api("POST", "/users/@me/channels", {"recipient_id": bob.id})
    await api("POST", f"/channels/{channel['id']}/messages", {"content": "psst"})
    async with Person(playground.base, user="bob", channel="dm") as person:
        assert [message["content"] for message in await person.messages()] == ["psst"]
    async with Person(playground.base, user="alice", channel="dm") as person:
        assert await person.messages() == []


async def test_a_prompt_pings_nobody_who_is_not_allowed(
    api: Api, playground: Playground, channel: str
) -> None:
    content = f"<@{playground.state.people['bob'].id}> @everyone"
    _, loud = await api("POST", f"{channel}/messages", {"content": content})
    assert ([user["username"] for user in loud["mentions"]], loud["mention_everyone"]) == (["bob"], True)
    quiet = {"content": content, "allowed_mentions": {"parse": []}}
    _, message = await api("POST", f"{channel}/messages", quiet)
    assert (message["mentions"], message["mention_everyone"]) == ([], False)


async def test_links_to_files_expire_and_are_refreshed(
    api: Api, alice: Person, playground: Playground, channel: str, picture: bytes
) -> None:
    _, sent = await api.upload("POST", f"{channel}/messages", "{}", {"files[0]": ("a.png", picture)})
    old = sent["attachments"][0]["url"]
    assert await alice.download(old) == picture
    playground.clock.move(25 * 3600)
    with pytest.raises(Exception, match="404"):
        await alice.download(old)
    _, fresh = await api("GET", f"{channel}/messages/{sent['id']}")
    assert await alice.download(fresh["attachments"][0]["url"]) == picture


@pytest.mark.parametrize("twist", ["hm=00", "ex=zz", ""])
async def test_a_link_with_a_wrong_signature_is_gone(
    api: Api, alice: Person, channel: str, picture: bytes, twist: str
) -> None:
    _, sent = await api.upload("POST", f"{channel}/messages", "{}", {"files[0]": ("a.png", picture)})
    with pytest.raises(Exception, match="404"):
        await alice.download(sent["attachments"][0]["url"].partition("?")[0] + "?" + twist)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/channels/1", 404, 10003),
        ("GET", "/nowhere", 404, 0),
        ("PUT", "/users/@me", 405, 0),
        ("GET", "/users/1", 404, 10013),
        ("POST", "/webhooks/1/token", 404, 10015),
    ],
)
async def test_what_does_not_exist_is_answered_as_discord_does(
    api: Api, method: str, path: str, status: int, code: int
) -> None:
    assert await api(method, path) == (
        status,
        {"code": code, "message": (await api(method, path))[1]["message"]},
    )

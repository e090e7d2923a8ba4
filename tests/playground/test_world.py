"""The world changes, and discord.py is told: servers, members, roles, channels, threads, reactions."""

import asyncio
from collections.abc import AsyncIterator

import discord
import pytest

from bot.playground.client import NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api, StartBot


class Watcher(discord.Client):
    """A bot that asks for every event and does nothing."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.all(), guild_ready_timeout=0.05)
        self.ready = asyncio.Event()

    async def on_ready(self) -> None:
        self.ready.set()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the pause of five seconds between two IDENTIFYs."""


@pytest.fixture
async def watcher(start_bot: StartBot, playground: Playground) -> AsyncIterator[Watcher]:
    del start_bot  # it points discord.py at the playground
    playground.rate_limits.enabled = False
    watcher = Watcher()
    running = asyncio.create_task(watcher.start(playground.token), name="watcher")
    await asyncio.wait_for(watcher.ready.wait(), 10)
    yield watcher
    await watcher.close()
    await asyncio.wait_for(running, 5)


def home(watcher: Watcher, playground: Playground) -> discord.Guild:
    guild = watcher.get_guild(int(playground.state.guild_id))
    assert guild
    return guild


async def test_a_server_appears_and_the_bot_is_removed_and_comes_back(
    watcher: Watcher, alice: Person
) -> None:
    joined = watcher.wait_for("guild_join", timeout=5)
    await alice.change_world("guilds", name="Studio", people=["bob"])
    guild = await joined
    assert (guild.name, guild.member_count, [each.name for each in guild.channels]) == (
        "Studio",
        2,
        ["general"],
    )
    removed = watcher.wait_for("guild_remove", timeout=5)
    await alice.change_world("members", guild="Studio", user="darkroom", member=False)
    assert (await removed).id == guild.id
    assert len(watcher.guilds) == 1
    again = watcher.wait_for("guild_join", timeout=5)
    await alice.change_world("members", guild="Studio", user="darkroom")
    assert (await again).id == guild.id


async def test_people_come_and_go(watcher: Watcher, alice: Person) -> None:
    await alice.change_world("people", name="carol")
    joined = watcher.wait_for("member_join", timeout=5)
    await alice.change_world("members", user="carol")
    assert (await joined).name == "carol"
    left = watcher.wait_for("member_remove", timeout=5)
    await alice.change_world("members", user="carol", member=False)
    assert (await left).name == "carol"


async def test_roles_are_made_given_taken_and_deleted(
    watcher: Watcher, alice: Person, playground: Playground
) -> None:
    made = watcher.wait_for("guild_role_create", timeout=5)
    await alice.change_world("roles", name="artists", permissions=["ban_members"], color=0xFF8800)
    role = await made
    assert (role.permissions.ban_members, role.color.value) == (True, 0xFF8800)
    bob = home(watcher, playground).get_member_named("bob")
    assert bob
    given = watcher.wait_for("member_update", timeout=5)
    await alice.change_world("roles/members", role="artists", user="bob")
    assert [each.name for each in (await given)[1].roles] == ["@everyone", "artists"]
    changed = watcher.wait_for("guild_role_update", timeout=5)
    await alice.change_world("roles/permissions", role="artists", deny=["BAN_MEMBERS"])
    assert not (await changed)[1].permissions.ban_members
    taken = watcher.wait_for("member_update", timeout=5)
    await alice.change_world("roles/members", role="artists", user="bob", take=True)
    assert [each.name for each in (await taken)[1].roles] == ["@everyone"]
    deleted = watcher.wait_for("guild_role_delete", timeout=5)
    await alice.change_world("roles/delete", role="artists")
    assert (await deleted).name == "artists"


async def test_discord_py_computes_the_same_permissions(
    watcher: Watcher, alice: Person, playground: Playground
) -> None:
    await alice.change_world("roles", name="artists", permissions=["MANAGE_MESSAGES"])
    await alice.change_world("roles/members", role="artists", user="bob")
    await alice.change_world("overwrites", channel="general", who="artists", allow=["MANAGE_CHANNELS"])
    await alice.change_world("overwrites", channel="general", who="everyone", deny=["SEND_MESSAGES"])
    updated = watcher.wait_for("guild_channel_update", timeout=5)
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["EMBED_LINKS"])
    await updated
    ours = playground.state.channel("general", playground.state.bot)
    theirs = home(watcher, playground).get_channel(int(ours.id))
    assert isinstance(theirs, discord.TextChannel)
    for member in theirs.guild.members:
        user = playground.state.user(str(member.id))
        assert user
        known = discord.Permissions.all().value & ~discord.Permissions.voice().value
        assert theirs.permissions_for(member).value & known == int(ours.permissions(user)) & known, user.name


async def test_channels_are_made_changed_and_deleted(watcher: Watcher, alice: Person, api: Api) -> None:
    made = watcher.wait_for("guild_channel_create", timeout=5)
    await alice.change_world("channels", name="gallery", nsfw=True, topic="pictures")
    channel = await made
    assert isinstance(channel, discord.TextChannel)
    assert (channel.name, channel.nsfw, channel.topic) == ("gallery", True, "pictures")
    changed = watcher.wait_for("guild_channel_update", timeout=5)
    assert (await api("PATCH", f"/channels/{channel.id}", {"name": "museum", "topic": None}))[0] == 200
    assert ((await changed)[1].name, channel.topic) == ("museum", None)
    deleted = watcher.wait_for("guild_channel_delete", timeout=5)
    await alice.change_world("channels/delete", channel="museum")
    assert (await deleted).id == channel.id
    status, answer = await api("POST", f"/channels/{channel.id}/messages", {"content": "x"})
    assert (status, answer["code"]) == (404, 10003)


async def test_a_deleted_channel_takes_its_threads_and_messages_along(
    alice: Person, playground: Playground
) -> None:
    await alice.say("x")
    await alice.start_thread("inside")
    world = await alice.change_world("channels/delete", channel="general")
    assert [each["name"] for each in world["channels"]] == ["after-dark", "@alice", "@bob"]
    assert not playground.state.messages


async def test_threads_reactions_pins_and_deletions_are_told(
    watcher: Watcher, alice: Person, bob: Person, api: Api
) -> None:
    events = ["thread_create", "reaction_add", "reaction_remove", "guild_channel_pins_update"]
    waiting = {name: watcher.wait_for(name, timeout=5) for name in events}
    gone = watcher.wait_for("raw_bulk_message_delete", timeout=5)
    seen = watcher.wait_for("message", timeout=5)
    said = await alice.say("look")
    await seen
    await bob.start_thread("about it", said)
    await bob.react(said, "👍")
    await bob.react(said, "👍", remove=True)
    await alice.pin(said)
    assert (await waiting["thread_create"]).name == "about it"
    reaction, who = await waiting["reaction_add"]
    assert (str(reaction.emoji), who.name) == ("👍", "bob")
    await waiting["reaction_remove"]
    await waiting["guild_channel_pins_update"]
    other = await alice.say("more")
    path = f"/channels/{said['channel_id']}/messages/bulk-delete"
    await api("POST", path, {"messages": [said["id"], other["id"]]})
    assert (await gone).message_ids == {int(said["id"]), int(other["id"])}


async def test_a_thread_that_closes_and_its_members_are_told(watcher: Watcher, alice: Person) -> None:
    made = watcher.wait_for("thread_create", timeout=5)
    await alice.start_thread("sketches")
    thread = await made
    joined = watcher.wait_for("thread_join", timeout=5)
    await thread.join()
    assert (await joined).me
    changed = watcher.wait_for("thread_update", timeout=5)
    await thread.edit(archived=True)
    assert (await changed)[1].archived
    deleted = watcher.wait_for("raw_thread_delete", timeout=5)
    await thread.delete()
    assert (await deleted).thread_id == thread.id


async def test_what_the_bot_does_not_see_it_is_not_told(
    watcher: Watcher, alice: Person, playground: Playground
) -> None:
    del watcher
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["VIEW_CHANNEL"])
    before = playground.traffic.entries[-1].number
    said = await alice.say("secret")
    await alice.react(said, "👍")
    await alice.pin(said)
    await alice.start_thread("hidden")
    await alice.delete(said)
    assert playground.traffic.since(before) == []


async def test_the_bot_reads_servers_members_and_roles(
    api: Api, alice: Person, playground: Playground
) -> None:
    await alice.change_world("roles", name="artists")
    guild = playground.state.guild_id
    bob = playground.state.people["bob"].id
    role = playground.state.guild("Playground").role("artists")
    assert role
    path = f"/guilds/{guild}"
    assert (await api("GET", f"{path}?with_counts=true"))[1]["approximate_member_count"] == 3
    assert len((await api("GET", f"{path}/members?limit=2"))[1]) == 2
    _, found = await api("GET", f"{path}/members/search?query=bo")
    assert [each["user"]["username"] for each in found] == ["bob"]  # type: ignore[index]  # a list here
    assert (await api("PUT", f"{path}/members/{bob}/roles/{role.id}"))[0] == 204
    assert (await api("GET", f"{path}/members/{bob}"))[1]["roles"] == [role.id]
    assert (await api("DELETE", f"{path}/members/{bob}/roles/{role.id}"))[0] == 204
    assert (await api("PUT", f"{path}/members/{bob}/roles/{guild}"))[1]["code"] == 50013
    assert (await api("PUT", f"{path}/members/{bob}/roles/1"))[1]["code"] == 10011
    assert (await api("GET", f"{path}/members/1"))[1]["code"] == 10013
    assert (await api("DELETE", f"/users/@me/guilds/{guild}"))[0] == 204
    assert not (await api("GET", "/users/@me/guilds"))[1]
    assert (await api("GET", path))[1]["code"] == 10004


@pytest.mark.parametrize(
    ("what", "body", "sentence"),
    [
        ("people", {"name": "bob"}, "There is a person called 'bob' already."),
        ("people", {"name": "No spaces"}, "name: String should match pattern"),
        ("guilds", {"name": "Playground"}, "There is a server called 'Playground' already."),
        ("guilds", {"name": "x", "people": ["mallory"]}, "There is no person called 'mallory' here"),
        ("members", {"guild": "x", "user": "bob"}, "There is no server called 'x'; there are Playground."),
        ("members", {"user": "alice", "member": False}, "alice owns Playground and cannot leave it."),
        ("channels/delete", {"channel": "x"}, "There is no channel called 'x'."),
        ("channels/delete", {"channel": "@bob"}, "@bob cannot be deleted."),
        ("overwrites", {"channel": "general", "who": "x"}, "There is no role called 'x' in Playground"),
        ("overwrites", {"channel": "@bob", "who": "bob"}, "@bob has no permissions of its own."),
        ("roles", {"name": "everyone"}, "There is a role called 'everyone' in Playground already."),
        ("roles/delete", {"role": "darkroom"}, "The role darkroom cannot be deleted."),
        ("roles/members", {"role": "everyone", "user": "bob"}, "The role @everyone cannot be given."),
        ("roles/permissions", {"role": "everyone", "allow": ["FLY"]}, "There is no permission called 'FLY'"),
        ("conversations", {"people": ["alice"]}, "A conversation needs two people."),
        ("command-permissions", {"command": "1", "permissions": []}, "There is no command 1."),
        ("installs", {"user": "bob", "colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
async def test_a_world_that_cannot_be_is_refused_with_a_sentence(
    alice: Person, what: str, body: dict[str, object], sentence: str
) -> None:
    before = await alice.world()
    with pytest.raises(NotPossible) as refused:
        await alice.change_world(what, **body)
    assert str(refused.value).startswith(sentence)
    assert {**await alice.world(), "now": 0} == {**before, "now": 0}

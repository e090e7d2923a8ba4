"""Discord's permission maths, and what the API refuses because of it."""

from collections.abc import Awaitable, Callable

import pytest

from bot.playground import shapes
from bot.playground.client import Json, NotPossible, Person
from bot.playground.clock import Clock
from bot.playground.guilds import Channel, ChannelType, Guild, Thread, User
from bot.playground.permissions import ALL, NONE, Overwrite, OverwriteType, Permissions
from bot.playground.server import Playground
from bot.playground.state import State
from bot.playground.world import World
from tests.playground.conftest import Api, Asked

P = Permissions


def _nobody(event: str, data: Json) -> None:
    """Listens to what the gateway would tell."""


class Place:
    """A server of alice's, with bob and a role in it, and one channel; nobody listens."""

    def __init__(self) -> None:
        self.state = State(Clock())
        self.world = World(state=self.state, publish=_nobody)
        self.guild: Guild = self.state.guild("Playground")
        self.channel: Channel = self.state.channel("general", self.state.bot)
        self.role = self.world.add_role(self.guild, "artists")
        self.alice, self.bob = self.state.people["alice"], self.state.people["bob"]
        self.world.give_role(self.guild, self.guild.members[self.bob.id], self.role)

    def set(self, id: str, *, allow: P = NONE, deny: P = NONE) -> None:
        kind = OverwriteType.ROLE if id in self.guild.roles else OverwriteType.MEMBER
        self.world.set_overwrite(self.channel, Overwrite(id=id, type=kind, allow=allow, deny=deny))

    def may(self, permission: P, user: User | None = None) -> bool:
        return permission in self.channel.permissions(user or self.bob)


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_denial_for_everybody_is_undone_by_a_role_and_that_by_a_member(place: Place) -> None:
    place.set(place.guild.id, deny=P.SEND_MESSAGES)
    assert not place.may(P.SEND_MESSAGES)
    place.set(place.role.id, allow=P.SEND_MESSAGES)
    assert place.may(P.SEND_MESSAGES)
    place.set(place.bob.id, deny=P.SEND_MESSAGES)
    assert not place.may(P.SEND_MESSAGES)


def test_among_roles_one_that_allows_is_enough(place: Place) -> None:
    critics = place.world.add_role(place.guild, "critics")
    place.world.give_role(place.guild, place.guild.members[place.bob.id], critics)
    place.set(place.role.id, deny=P.ATTACH_FILES)
    place.set(critics.id, allow=P.ATTACH_FILES)
    assert place.may(P.ATTACH_FILES)


def test_who_does_not_see_a_channel_may_do_nothing_there(place: Place) -> None:
    place.set(place.guild.id, deny=P.VIEW_CHANNEL)
    assert place.channel.permissions(place.bob) == NONE


def test_who_may_not_send_may_not_attach_either(place: Place) -> None:
    place.set(place.guild.id, deny=P.SEND_MESSAGES)
    assert not place.may(P.ATTACH_FILES | P.EMBED_LINKS)
    assert place.may(P.READ_MESSAGE_HISTORY)


def test_owners_and_administrators_may_do_everything_whatever_a_channel_denies(place: Place) -> None:
    place.set(place.guild.id, deny=P.VIEW_CHANNEL)
    assert place.channel.permissions(place.alice) == ALL
    place.world.permit(place.guild, place.role, P.ADMINISTRATOR)
    assert place.channel.permissions(place.bob) == ALL


def test_a_stranger_may_do_nothing(place: Place) -> None:
    carol = place.world.add_person("carol")
    assert place.channel.permissions(carol) == NONE


def test_a_thread_asks_its_parent_and_has_its_own_permission_to_send(place: Place) -> None:
    thread = Thread(place.channel, place.alice, created_at="", changed_at="")
    inside = Channel("1", ChannelType.PUBLIC_THREAD, "inside", guild=place.guild, thread=thread)
    place.set(place.guild.id, deny=P.SEND_MESSAGES)
    assert P.ATTACH_FILES in inside.permissions(place.bob)
    place.set(place.guild.id, deny=P.SEND_MESSAGES_IN_THREADS)
    assert P.ATTACH_FILES not in inside.permissions(place.bob)
    thread.private = True
    assert inside.permissions(place.bob) == NONE
    assert inside.seen_by(place.alice)


def test_an_unknown_permission_is_named() -> None:
    with pytest.raises(NotPossible, match="There is no permission called 'FLY'"):
        P.named(["FLY"])


@pytest.fixture
def general(playground: Playground) -> str:
    playground.rate_limits.enabled = False
    return f"/channels/{playground.state.channel('general', playground.state.bot).id}"


@pytest.mark.parametrize(
    ("denied", "body"),
    [
        ("SEND_MESSAGES", {"content": "x"}),
        ("EMBED_LINKS", {"embeds": [{"title": "x"}]}),
        ("SEND_POLLS", {"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "!"}}]}}),
    ],
)
async def test_what_a_message_needs_is_asked_for(
    api: Api, alice: Person, general: str, denied: str, body: Json
) -> None:
    assert (await api("POST", f"{general}/messages", body))[0] == 200
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=[denied])
    status, answer = await api("POST", f"{general}/messages", body)
    assert (status, answer["code"]) == (403, 50013)


async def test_a_file_needs_its_permission(api: Api, alice: Person, general: str, picture: bytes) -> None:
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["ATTACH_FILES"])
    files = {"files[0]": ("a.png", picture)}
    status, answer = await api.upload("POST", f"{general}/messages", "{}", files)
    assert (status, answer["code"]) == (403, 50013)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/messages"),
        ("POST", "/messages"),
        ("GET", "/messages/1"),
        ("POST", "/typing"),
        ("POST", "/threads"),
        ("GET", "/messages/pins"),
        ("DELETE", ""),
    ],
)
async def test_a_channel_that_the_bot_does_not_see_is_out_of_reach(
    api: Api, alice: Person, general: str, method: str, path: str
) -> None:
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["VIEW_CHANNEL"])
    body = {"content": "x", "name": "x"} if method == "POST" else None
    status, answer = await api(method, general + path, body)
    assert (status, answer["code"]) == (403, 50001)


async def test_without_the_history_a_channel_is_empty(api: Api, alice: Person, general: str) -> None:
    said = await alice.say("before")
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["READ_MESSAGE_HISTORY"])
    status, messages = await api("GET", f"{general}/messages?limit=5")
    assert (status, len(messages)) == (200, 0)
    assert (await api("GET", f"{general}/messages/{said['id']}"))[1]["code"] == 50013


async def test_messages_of_others_are_deleted_with_permission_only(
    api: Api, alice: Person, bob: Person, general: str
) -> None:
    said = await bob.say("x")
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["MANAGE_MESSAGES"])
    assert (await api("DELETE", f"{general}/messages/{said['id']}"))[1]["code"] == 50013
    await alice.change_world("overwrites", channel="general", who="darkroom")
    assert (await api("DELETE", f"{general}/messages/{said['id']}"))[0] == 204


async def test_an_interaction_is_answered_where_the_bot_may_not_send(
    ask: Callable[[], Awaitable[Asked]], alice: Person
) -> None:
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["VIEW_CHANNEL"])
    status, answer = await (await ask()).callback(4, {"content": "here"})
    assert (status, answer["resource"]["message"]["content"]) == (200, "here")


async def test_an_interaction_tells_what_the_bot_and_the_person_may_do(
    ask: Callable[[], Awaitable[Asked]], alice: Person, playground: Playground
) -> None:
    await alice.change_world("overwrites", channel="general", who="darkroom", deny=["ATTACH_FILES"])
    shape = shapes.interaction((await ask()).act, playground.state)
    assert P.ATTACH_FILES not in P(int(shape["app_permissions"]))
    assert P(int(shape["member"]["permissions"])) == ALL


@pytest.mark.parametrize(
    ("denied", "sentence"),
    [
        ("SEND_MESSAGES", "bob may not send messages in general."),
        ("ADD_REACTIONS", "bob may not add reactions in general."),
        ("PIN_MESSAGES", "bob may not pin messages in general."),
        ("CREATE_PUBLIC_THREADS", "bob may not start threads in general."),
    ],
)
async def test_people_are_refused_too(bob: Person, alice: Person, denied: str, sentence: str) -> None:
    said = await alice.say("x")
    await alice.change_world("overwrites", channel="general", who="everyone", deny=[denied])
    acts = {
        "SEND_MESSAGES": lambda: bob.say("y"),
        "ADD_REACTIONS": lambda: bob.react(said, "👍"),
        "PIN_MESSAGES": lambda: bob.pin(said),
        "CREATE_PUBLIC_THREADS": lambda: bob.start_thread("talk"),
    }
    with pytest.raises(NotPossible) as refused:
        await acts[denied]()
    assert str(refused.value) == sentence


async def test_nobody_finds_a_channel_that_they_do_not_see(alice: Person, bob: Person) -> None:
    await alice.change_world("overwrites", channel="general", who="bob", deny=["VIEW_CHANNEL"])
    with pytest.raises(NotPossible, match="bob sees no channel called 'general'"):
        await bob.messages()


async def test_the_bot_sets_and_removes_overwrites(api: Api, general: str, playground: Playground) -> None:
    bob = playground.state.people["bob"].id
    body = {"type": 1, "allow": 0, "deny": int(P.ATTACH_FILES)}
    assert (await api("PUT", f"{general}/permissions/{bob}", body))[0] == 204
    _, channel = await api("GET", general)
    assert channel["permission_overwrites"] == [
        {"id": bob, "type": 1, "allow": "0", "deny": P.ATTACH_FILES.text}
    ]
    assert (await api("DELETE", f"{general}/permissions/{bob}"))[0] == 204
    assert (await api("DELETE", f"{general}/permissions/{bob}"))[1]["code"] == 10009
    beyond = {"type": 1, "allow": int(P.BAN_MEMBERS)}
    assert (await api("PUT", f"{general}/permissions/{bob}", beyond))[1]["code"] == 50013
    assert (await api("PUT", f"{general}/permissions/{bob}", {"type": 1, "allow": "x"}))[1]["code"] == 50035


async def test_who_takes_no_direct_messages_is_not_written_to(
    api: Api, alice: Person, playground: Playground
) -> None:
    bob = playground.state.people["bob"]
    _, channel = await api("POST", "/users/@me/channels", {"recipient_id": bob.id})
    await alice.change_world("direct-messages", user="bob", open=False)
    path = f"/channels/{channel['id']}/messages"
    assert (await api("POST", path, {"content": "x"}))[1]["code"] == 50007
    await alice.change_world("direct-messages", user="bob", open=True)
    assert (await api("POST", path, {"content": "x"}))[0] == 200
    await alice.change_world("members", user="bob", member=False)
    assert (await api("POST", path, {"content": "x"}))[1]["code"] == 50007

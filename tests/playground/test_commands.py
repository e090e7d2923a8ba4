"""Registering commands: scopes, limits, translations, and who is offered what."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api

Register = Callable[..., Awaitable[Json]]


@pytest.fixture
def scope(playground: Playground) -> str:
    playground.rate_limits.enabled = False
    return f"/applications/{playground.state.application_id}"


@pytest.fixture
def register(api: Api, scope: str) -> Register:
    """Registers one command, global unless `guild` says otherwise."""

    async def register(name: str, *, guild: str | None = None, **more: object) -> Json:
        place = f"{scope}/guilds/{guild}" if guild else scope
        status, command = await api("POST", f"{place}/commands", {"name": name, "description": "x", **more})
        assert status == 201
        return command

    return register


async def offered(person: Person, channel: str) -> set[str]:
    person.channel = channel
    return {command["name"] for command in await person.commands()}


async def test_a_command_is_created_once_changed_renamed_and_deleted(
    api: Api, scope: str, register: Register
) -> None:
    first = await register("draw")
    status, again = await api("POST", f"{scope}/commands", {"name": "draw", "description": "y"})
    assert (status, again["id"], again["description"]) == (200, first["id"], "y")
    assert again["version"] != first["version"]
    path = f"{scope}/commands/{first['id']}"
    assert (await api("PATCH", path, {"name": "paint"}))[1]["name"] == "paint"
    await register("other")
    assert (await api("PATCH", path, {"name": "other"}))[1]["code"] == 50035
    assert (await api("GET", path))[1]["name"] == "paint"
    assert (await api("DELETE", path))[0] == 204
    assert (await api("GET", path))[1]["code"] == 10063


async def test_overwriting_keeps_ids_and_drops_what_is_not_named(
    api: Api, scope: str, register: Register
) -> None:
    first = await register("draw")
    await register("gone")
    bodies = [{"name": name, "description": "x"} for name in ("draw", "new")]
    _, now = await api("PUT", f"{scope}/commands", bodies)
    assert [each["name"] for each in now] == ["draw", "new"]  # type: ignore[index]  # a list here
    _, listed = await api("GET", f"{scope}/commands")
    assert listed[0]["id"] == first["id"]  # type: ignore[index]  # a list here


async def test_translations_are_kept_and_listed_only_on_demand(
    api: Api, scope: str, register: Register
) -> None:
    option = {"type": 3, "name": "prompt", "description": "x", "description_localizations": {"de": "Was"}}
    made = await register("draw", name_localizations={"de": "malen"}, options=[option])
    assert (made["name_localizations"], made["options"]) == ({"de": "malen"}, [option])
    plain: Any = (await api("GET", f"{scope}/commands"))[1]
    assert "name_localizations" not in plain[0]
    assert "description_localizations" not in plain[0]["options"][0]
    full: Any = (await api("GET", f"{scope}/commands?with_localizations=true"))[1]
    assert full == [made]


@pytest.mark.parametrize(
    "more",
    [
        {"name_localizations": {"klingon": "x"}},
        {"name_localizations": {"de": "x" * 33}},
        {"description_localizations": {"de": ""}},
        {"default_member_permissions": "everything"},
        {"contexts": []},
        {"integration_types": [2]},
    ],
)
async def test_a_malformed_command_is_refused(api: Api, scope: str, more: Json) -> None:
    status, answer = await api("POST", f"{scope}/commands", {"name": "draw", "description": "x", **more})
    assert (status, answer["code"]) == (400, 50035)


async def test_there_is_room_for_a_hundred_commands_and_fifteen_menus(api: Api, scope: str) -> None:
    slash = [{"name": f"c{n}", "description": "x"} for n in range(100)]
    menus = [{"name": f"m{n}", "type": kind} for n in range(15) for kind in (2, 3)]
    assert (await api("PUT", f"{scope}/commands", slash + menus))[0] == 200
    for extra in (
        {"name": "more", "description": "x"},
        {"name": "more", "type": 2},
        {"name": "more", "type": 3},
    ):
        assert (await api("POST", f"{scope}/commands", extra))[1]["code"] == 30032
    known = {"name": "c0", "description": "changed"}
    assert (await api("POST", f"{scope}/commands", known))[0] == 200


async def test_two_hundred_commands_are_created_a_day(api: Api, scope: str, playground: Playground) -> None:
    for round in range(2):
        bodies = [{"name": f"c{round}-{n}", "description": "x"} for n in range(100)]
        assert (await api("PUT", f"{scope}/commands", bodies))[0] == 200
    one_more = [{"name": "more", "description": "x"}]
    assert (await api("PUT", f"{scope}/commands", one_more))[1]["code"] == 30034
    playground.clock.move(24 * 3600 + 1)
    assert (await api("PUT", f"{scope}/commands", one_more))[0] == 200


async def test_a_servers_command_is_offered_there_alone(
    alice: Person, register: Register, playground: Playground
) -> None:
    await alice.change_world("guilds", name="Studio")
    made = await register("local", guild=playground.state.guild("Studio").id, contexts=[1])
    assert (made["contexts"], made["integration_types"]) == (None, [0])
    await register("everywhere")
    assert await offered(alice, "Playground/general") == {"everywhere"}
    assert await offered(alice, "Studio/general") == {"everywhere", "local"}
    assert await offered(alice, "dm") == {"everywhere"}


async def test_a_server_without_the_bot_takes_no_commands(api: Api, alice: Person, scope: str) -> None:
    world = await alice.change_world("guilds", name="Elsewhere", bot=False)
    path = f"{scope}/guilds/{world['guilds'][-1]['id']}/commands"
    assert (await api("GET", path))[1]["code"] == 50001
    assert (await api("GET", "/applications/1/commands"))[1]["code"] == 50001


async def test_default_member_permissions_hide_a_command(
    alice: Person, bob: Person, register: Register
) -> None:
    await register("purge", default_member_permissions=str(1 << 13))
    await register("admin", default_member_permissions="0")
    assert await offered(alice, "general") == {"purge", "admin"}
    assert await offered(bob, "general") == set()
    assert await offered(bob, "dm") == {"purge", "admin"}
    bob.channel = "general"
    with pytest.raises(NotPossible, match="bob may not use purge in general"):
        await bob.slash("purge")
    await alice.change_world("roles", name="moderators", permissions=["MANAGE_MESSAGES"])
    await alice.change_world("roles/members", role="moderators", user="bob")
    assert await offered(bob, "general") == {"purge"}


async def test_without_the_permission_to_use_commands_none_is_offered(
    alice: Person, bob: Person, register: Register
) -> None:
    await register("draw")
    deny = ["USE_APPLICATION_COMMANDS"]
    await alice.change_world("overwrites", channel="general", who="everyone", deny=deny)
    assert await offered(bob, "general") == set()
    assert await offered(alice, "general") == {"draw"}


async def test_an_age_restricted_command_works_in_a_thread_of_such_a_channel(
    alice: Person, register: Register
) -> None:
    await register("wild", nsfw=True)
    alice.channel = "after-dark"
    await alice.start_thread("late")
    assert await offered(alice, "late") == {"wild"}
    assert await offered(alice, "general") == set()
    assert await offered(alice, "dm") == {"wild"}


async def test_administrators_decide_about_single_commands(
    api: Api, alice: Person, bob: Person, scope: str, register: Register, playground: Playground
) -> None:
    draw, guild = await register("draw"), playground.state.guild_id
    path = f"{scope}/guilds/{guild}/commands"
    assert not (await api("GET", f"{path}/permissions"))[1]
    assert (await api("GET", f"{path}/{draw['id']}/permissions"))[1]["code"] == 10066

    async def decide(*settings: tuple[str, int, bool]) -> bool:
        shapes = [{"id": id, "type": kind, "permission": allowed} for id, kind, allowed in settings]
        await alice.change_world("command-permissions", command=draw["id"], permissions=shapes)
        return "draw" in await offered(bob, "general")

    everybody, bob_id = (guild, 1), (playground.state.people["bob"].id, 2)
    general = (playground.state.channel("general", playground.state.bot).id, 3)
    all_channels = (str(int(guild) - 1), 3)
    assert not await decide((*everybody, False))
    assert await decide((*everybody, False), (*bob_id, True))
    assert not await decide((*all_channels, False))
    assert await decide((*all_channels, False), (*general, True))
    _, listed = await api("GET", f"{path}/permissions")
    assert (await api("GET", f"{path}/{draw['id']}/permissions"))[1] == listed[0]  # type: ignore[index]  # a list
    status, answer = await api("PUT", f"{path}/{draw['id']}/permissions", {"permissions": []})
    assert (status, answer["code"]) == (403, 20001)

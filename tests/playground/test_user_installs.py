"""An application that a person installed for themselves: where its commands go, and what it may do there."""

from collections.abc import Awaitable, Callable

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked

BOTH = {"name": "both", "description": "x", "integration_types": [0, 1], "contexts": [0, 1, 2]}
COMMANDS = [
    BOTH,
    {"name": "server", "description": "x", "integration_types": [0]},
    {"name": "personal", "description": "x", "integration_types": [1], "contexts": [0, 2]},
]

Use = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def use(api: Api, alice: Person, playground: Playground) -> Use:
    """Alice installed the application; `Elsewhere` is a server without it. Uses a command in a channel."""
    playground.rate_limits.enabled = False
    await api("PUT", f"/applications/{playground.state.application_id}/commands", COMMANDS)
    await alice.change_world("guilds", name="Elsewhere", people=["bob", "alice"], bot=False)
    await alice.change_world("conversations", people=["alice", "bob"])
    await alice.change_world("installs", user="alice")

    async def use(command: str, channel: str) -> Asked:
        alice.channel = channel
        return Asked(api, playground, (await alice.slash(command)).id)

    return use


@pytest.mark.parametrize(
    ("channel", "names"),
    [
        ("general", {"both", "server", "personal"}),
        ("dm", {"both", "server"}),
        ("Elsewhere/general", {"both", "personal"}),
        ("alice and bob", {"both", "personal"}),
    ],
)
@pytest.mark.usefixtures("use")
async def test_a_command_is_offered_by_installation_and_context(
    alice: Person, channel: str, names: set[str]
) -> None:
    alice.channel = channel
    assert {each["name"] for each in await alice.commands()} == names


@pytest.mark.usefixtures("use")
async def test_who_did_not_install_it_finds_nothing_outside(bob: Person) -> None:
    bob.channel = "alice and bob"
    with pytest.raises(NotPossible, match="both is not available in alice and bob"):
        await bob.slash("both")


async def test_an_interaction_tells_who_authorized_it(use: Use, playground: Playground) -> None:
    alice, guild = playground.state.people["alice"].id, playground.state.guild_id
    assert (await use("both", "general")).act.owners == {"0": guild, "1": alice}
    assert (await use("server", "general")).act.owners == {"0": guild}
    assert (await use("both", "dm")).act.owners == {"0": "0", "1": alice}
    assert (await use("both", "Elsewhere/general")).act.owners == {"1": alice}
    asked = await use("both", "alice and bob")
    assert (asked.act.owners, asked.act.context) == ({"1": alice}, 2)
    _, answer = await asked.callback(4, {"content": "x"})
    metadata = answer["resource"]["message"]["interaction_metadata"]
    assert metadata["authorizing_integration_owners"] == {"1": alice}


async def test_outside_there_are_five_follow_ups_and_any_number_of_edits(api: Api, use: Use) -> None:
    asked = await use("both", "Elsewhere/general")
    await asked.callback(4, {"content": "first"})
    for number in range(5):
        assert (await api("POST", asked.webhook, {"content": f"{number}"}))[0] == 200
    status, answer = await api("POST", asked.webhook, {"content": "6"})
    assert (status, answer["code"]) == (400, 40094)
    assert (await api("PATCH", asked.original, {"content": "still"}))[0] == 200


async def test_inside_there_is_no_such_limit(api: Api, use: Use) -> None:
    asked = await use("both", "general")
    await asked.callback(4, {"content": "first"})
    for number in range(6):
        assert (await api("POST", asked.webhook, {"content": f"{number}"}))[0] == 200


async def test_outside_the_bot_reaches_nothing_but_its_answers(
    api: Api, use: Use, playground: Playground
) -> None:
    asked = await use("personal", "Elsewhere/general")
    channel = f"/channels/{asked.act.channel.id}"
    assert (await api("GET", channel))[1]["code"] == 50001
    assert (await api("POST", f"{channel}/messages", {"content": "x"}))[1]["code"] == 50001
    before = len(playground.traffic.entries)
    assert (await asked.callback(4, {"content": "x"}))[0] == 200
    assert [each for each in playground.traffic.since(before) if each.kind == "event"] == []


async def test_where_applications_may_not_be_brought_along_the_answer_is_private(
    alice: Person, bob: Person, use: Use
) -> None:
    await alice.change_world(
        "roles/permissions", guild="Elsewhere", role="everyone", deny=["USE_EXTERNAL_APPS"]
    )
    asked = await use("personal", "Elsewhere/general")
    _, answer = await asked.callback(4, {"content": "x"})
    assert answer["resource"]["message"]["flags"] == 64
    bob.channel = "Elsewhere/general"
    assert await bob.messages() == []


async def test_a_button_is_authorized_as_its_message_was(
    alice: Person, use: Use, playground: Playground
) -> None:
    asked = await use("personal", "Elsewhere/general")
    button: Json = {"type": 2, "style": 1, "label": "Again", "custom_id": "again"}
    _, answer = await asked.callback(4, {"content": "x", "components": [{"type": 1, "components": [button]}]})
    pressed = await alice.press(answer["resource"]["message"], "Again")
    act = next(each for each in playground.state.interactions.values() if each.id == pressed.id)
    assert act.owners == asked.act.owners
    assert act.outside


async def test_uninstalling_ends_it(alice: Person, use: Use) -> None:
    await use("personal", "Elsewhere/general")
    await alice.change_world("installs", user="alice", installed=False)
    with pytest.raises(NotPossible, match="personal is not available"):
        await use("personal", "Elsewhere/general")

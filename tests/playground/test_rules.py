"""The rules that Discord documents and its OpenAPI file does not hold.

The first 23 are those that were found by sending wrong bodies past the file; `page` is where each is documented,
under https://discord.com/developers/docs.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.playground import bodies, rules
from bot.playground.client import Json
from bot.playground.errors import DiscordError
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked

Ask = Callable[[], Awaitable[Asked]]

V2 = 32768
COMPONENTS = "components/reference"
COMMANDS = "interactions/application-commands"
MESSAGES = "resources/message"


def button(**fields: Any) -> Json:
    return {"type": 2, "style": 1, "label": "x", **fields}


def row(*components: Json) -> Json:
    return {"type": 1, "components": list(components)}


def text(content: str = "x") -> Json:
    return {"type": 10, "content": content}


def layout(*components: Json, **fields: Any) -> Json:
    return {"flags": V2, "components": list(components), **fields}


def option(**fields: Any) -> Json:
    return {"type": 3, "name": "name", "description": "x", **fields}


def command(**fields: Any) -> list[Json]:
    return [{"name": "x", "description": "x", **fields}]


def choices(*values: str, **fields: Any) -> Json:
    return option(choices=[{"name": "a", "value": value} for value in values], **fields)


def field(number: int) -> Json:
    input = {"type": 4, "custom_id": f"f{number}", "style": 1}
    return {"type": 18, "label": "x", "component": input}


@dataclass(frozen=True)
class Rule:
    """`place` is where Discord's tree of a 50035 has its first error, or another `code` refuses."""

    page: str
    body: Any
    place: str = ""
    code: int = 50035


IN_MESSAGES = {
    "more than 2000 characters": Rule(MESSAGES, {"content": "x" * 2001}, "content"),
    "more than 6000 characters in all embeds": Rule(
        f"{MESSAGES}#embed-object-embed-limits",
        {"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]},
        "embeds",
    ),
    "one custom_id twice": Rule(
        f"{COMPONENTS}#anatomy-of-a-component",
        {"components": [row(button(custom_id="same"), button(custom_id="same"))]},
        "components.0.components.1.custom_id",
    ),
    "more than 5 rows": Rule(
        f"{COMPONENTS}#legacy-message-component-behavior",
        {"components": [row(button(custom_id=f"{n}")) for n in range(6)]},
        "components",
    ),
    "a button without a custom_id": Rule(
        f"{COMPONENTS}#button", {"components": [row(button())]}, "components.0.components.0.custom_id"
    ),
    "more than 40 components, nested ones counted": Rule(
        COMPONENTS, layout(*[{"type": 17, "components": [text()] * 20}] * 2), "components"
    ),
    "more than 4000 characters in a layout": Rule(
        COMPONENTS, layout(text("x" * 2001), text("x" * 2000)), "components"
    ),
    "content in a layout": Rule(COMPONENTS, layout(text(), content="x"), "content"),
    "embeds in a layout": Rule(COMPONENTS, layout(text(), embeds=[{"title": "x"}]), "embeds"),
    "a file that was not uploaded": Rule(
        f"{COMPONENTS}#file",
        layout({"type": 13, "file": {"url": "https://example.org/a.txt"}}),
        "components.0.file.url",
    ),
    "parse and a list of the same kind": Rule(
        f"{MESSAGES}#allowed-mentions-object",
        {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "allowed_mentions",
    ),
    "an empty message": Rule(f"{MESSAGES}#create-message", {"content": ""}, code=50006),
}

IN_COMMANDS = {
    "a name in upper case": Rule(COMMANDS, command(name="Name"), "0.name"),
    "a name with a space": Rule(COMMANDS, command(name="two words"), "0.name"),
    "a command without a description": Rule(COMMANDS, [{"name": "x"}], "0.description"),
    "a choice of more than 100 characters": Rule(
        COMMANDS, command(options=[choices("x" * 101)]), "0.options.0.choices.0.value"
    ),
    "a required option after an optional one": Rule(
        COMMANDS, command(options=[option(), option(name="b", required=True)]), "0.options.1"
    ),
    "one option's name twice": Rule(COMMANDS, command(options=[option(), option()]), "0.options.1.name"),
    "autocomplete together with choices": Rule(
        COMMANDS, command(options=[choices("a", autocomplete=True)]), "0.options.0.autocomplete"
    ),
    "more than 100 commands": Rule(
        COMMANDS, [{"name": f"n{n}", "description": "x"} for n in range(101)], code=30032
    ),
    "more than 8000 characters in a command": Rule(
        "reference#error-messages",
        command(options=[choices(*["x" * 90 + str(c) for c in range(25)], name=f"o{n}") for n in range(4)]),
        "0",
    ),
}

IN_ANSWERS = {
    "another flag on a deferred answer": Rule(
        "interactions/receiving-and-responding", {"type": 5, "data": {"flags": 64 | V2}}, "data.flags"
    ),
    "more than 5 fields in a form": Rule(
        "interactions/receiving-and-responding#interaction-response-object-modal",
        {
            "type": 9,
            "data": {"title": "x", "custom_id": "x", "components": [field(n) for n in range(6)]},
        },
        "data.components",
    ),
}


def test_these_are_the_23() -> None:
    """The last of them is that unknown fields are ignored; "content and embeds in a layout" is one."""
    assert len(IN_MESSAGES) - 1 + len(IN_COMMANDS) + len(IN_ANSWERS) + 1 == 23


def place_of(errors: Any) -> str:
    """The path of the first error in Discord's tree, with dots."""
    path = []
    while "_errors" not in errors:
        key = next(iter(errors))
        path.append(key)
        errors = errors[key]
    return ".".join(path)


def holds(rule: Rule, status: int, answer: Json) -> bool:
    return (status, answer["code"], place_of(answer["errors"]) if rule.place else "") == (
        400,
        rule.code,
        rule.place,
    )


@pytest.mark.parametrize("rule", IN_MESSAGES.values(), ids=IN_MESSAGES.keys())
async def test_a_message_is_refused_for(api: Api, playground: Playground, rule: Rule) -> None:
    channel = next(iter(playground.state.channels))
    assert holds(rule, *await api("POST", f"/channels/{channel}/messages", rule.body))
    assert not playground.state.messages


@pytest.mark.parametrize("rule", IN_COMMANDS.values(), ids=IN_COMMANDS.keys())
async def test_commands_are_refused_for(api: Api, playground: Playground, rule: Rule) -> None:
    path = f"/applications/{playground.state.application_id}/commands"
    assert holds(rule, *await api("PUT", path, rule.body))
    assert not playground.state.commands


@pytest.mark.parametrize("rule", IN_ANSWERS.values(), ids=IN_ANSWERS.keys())
async def test_an_answer_is_refused_for(ask: Ask, rule: Rule) -> None:
    asked = await ask()
    assert holds(rule, *await asked.callback(rule.body["type"], rule.body["data"]))
    assert (await asked.callback(5, {"flags": 64}))[0] == 200


async def test_unknown_fields_are_ignored(api: Api, playground: Playground) -> None:
    """reference#api-versioning: Discord takes bodies with more in them than it knows."""
    channel = next(iter(playground.state.channels))
    status, message = await api("POST", f"/channels/{channel}/messages", {"content": "x", "mood": "good"})
    assert (status, "mood" in message) == (200, False)


async def refused(api: Api, playground: Playground, body: Any) -> str:
    channel = next(iter(playground.state.channels))
    status, answer = await api("POST", f"/channels/{channel}/messages", body)
    assert (status, answer["code"]) == (400, 50035)
    assert not playground.state.messages
    return place_of(answer["errors"])


FURTHER: dict[str, Json] = {
    "embeds.0.title": {"embeds": [{"title": "x" * 257}]},
    "embeds.0.fields": {"embeds": [{"fields": [{"name": "x", "value": "x"}] * 26}]},
    "attachments.0.description": {"attachments": [{"id": 0, "description": "x" * 1025}], "content": "x"},
    "nonce": {"content": "x", "nonce": "x" * 26},
    "components.0.components.0.url": {"components": [row(button(style=5))]},
    "components.0.components.0.sku_id": {"components": [row({"type": 2, "style": 6})]},
    "components.0.components.0.style": {"components": [row(button(style=7, custom_id="x"))]},
    "components.0.components.0.label": {"components": [row(button(custom_id="x", label="x" * 81))]},
    "components.0.components": {"components": [row(*(button(custom_id=f"{n}") for n in range(6)))]},
    "components.0.components.0.options": {"components": [row({"type": 3, "custom_id": "x"})]},
    "components.0.components.0.min_values": {
        "components": [row({"type": 5, "custom_id": "x", "min_values": 3, "max_values": 2})]
    },
    "components.0.components.1.id": {
        "components": [row(button(custom_id="a", id=7), button(custom_id="b", id=7))]
    },
    "components.0.components.0.type": {"components": [row({"type": 4, "custom_id": "x", "style": 1})]},
    "components.0.type": {"components": [text()]},
}

IN_LAYOUTS: dict[str, Json] = {
    "poll": layout(text(), poll={"question": {"text": "x"}, "answers": [{"poll_media": {"text": "x"}}]}),
    "components.0.items": layout({"type": 12}),
    "components.0.accessory": layout({"type": 9, "components": [text()]}),
    "components.0.accessory.type": layout({"type": 9, "components": [text()], "accessory": text()}),
    "components.0.components": layout(
        {"type": 9, "components": [text()] * 4, "accessory": button(custom_id="x")}
    ),
    "components.0.components.0.type": layout(
        {"type": 17, "components": [{"type": 17, "components": [text()]}]}
    ),
    "components.0.accessory.media": layout({"type": 9, "components": [text()], "accessory": {"type": 11}}),
    "components.0.type": layout(button(custom_id="x")),
    "components.0.spacing": layout({"type": 14, "spacing": 3}),
    "components.0.accent_color": layout({"type": 17, "accent_color": -1, "components": [text()]}),
    "components.0.items.0.media.url": layout(
        {"type": 12, "items": [{"media": {"url": "attachment://no.png"}}]}
    ),
}


@pytest.mark.parametrize("place", FURTHER)
async def test_a_message_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    assert await refused(api, playground, FURTHER[place]) == place


@pytest.mark.parametrize("place", IN_LAYOUTS)
async def test_a_layout_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    assert await refused(api, playground, IN_LAYOUTS[place]) == place


async def test_more_than_10_attachments_are_refused(api: Api, playground: Playground) -> None:
    channel = next(iter(playground.state.channels))
    files = {f"files[{n}]": (f"{n}.txt", b"x") for n in range(11)}
    status, answer = await api.upload("POST", f"/channels/{channel}/messages", "{}", files)
    assert (status, answer["code"]) == (400, 30015)


async def test_the_layout_flag_stays_and_bans_what_was_there(api: Api, playground: Playground) -> None:
    path = f"/channels/{next(iter(playground.state.channels))}/messages"
    _, plain = await api("POST", path, {"content": "x"})
    status, answer = await api("PATCH", f"{path}/{plain['id']}", layout(text()))
    assert (status, place_of(answer["errors"])) == (400, "content")
    status, _ = await api("PATCH", f"{path}/{plain['id']}", layout(text(), content=None))
    assert status == 200
    status, edited = await api("PATCH", f"{path}/{plain['id']}", {"components": [text("y")], "flags": 0})
    assert (status, edited["flags"] & V2) == (200, V2)
    status, answer = await api("PATCH", f"{path}/{plain['id']}", {"content": "x"})
    assert (status, place_of(answer["errors"])) == (400, "content")


async def test_embeds_can_be_suppressed_and_shown_again(api: Api, playground: Playground) -> None:
    path = f"/channels/{next(iter(playground.state.channels))}/messages"
    _, message = await api("POST", path, {"content": "x", "flags": 4})
    assert message["flags"] == 4
    _, message = await api("PATCH", f"{path}/{message['id']}", {"content": "y"})
    assert message["flags"] == 4
    _, message = await api("PATCH", f"{path}/{message['id']}", {"flags": 0})
    assert message["flags"] == 0


async def test_components_are_numbered_around_the_ids_that_were_given(
    api: Api, playground: Playground
) -> None:
    path = f"/channels/{next(iter(playground.state.channels))}/messages"
    _, message = await api("POST", path, layout(text(), {**text(), "id": 1}, {**text(), "id": 0}))
    assert [each["id"] for each in message["components"]] == [2, 1, 3]


SUBCOMMAND = {"type": 1, "name": "sub", "description": "x"}
COMMAND_SHAPES = {
    "0.options.0.type": command(options=[SUBCOMMAND, option()]),
    "0.options.0.options.0.type": command(options=[{**SUBCOMMAND, "options": [SUBCOMMAND]}]),
    "0.options.0.options": command(options=[option(options=[option()])]),
    "1.name": command() * 2,
    "0.description": command(type=2, description="menus have none"),
}


@pytest.mark.parametrize("place", COMMAND_SHAPES)
async def test_a_command_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    path = f"/applications/{playground.state.application_id}/commands"
    status, answer = await api("PUT", path, COMMAND_SHAPES[place])
    assert (status, place_of(answer["errors"])) == (400, place)
    assert not playground.state.commands


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "custom_id", "components", "embeds", "content", "url", "attachments", "id", "flags"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_body_is_too_malformed_to_be_refused_properly(body: Any) -> None:
    with suppress(DiscordError):
        parsed = bodies.read(bodies.MessageBody, body)
        rules.check_message(parsed, flags=parsed.flags or 0)


@pytest.mark.parametrize(
    "body", [[], "text", 7, {"embeds": "x"}, {"attachments": [{}]}, {"components": [None]}]
)
async def test_a_malformed_body_is_an_invalid_form(api: Api, playground: Playground, body: Any) -> None:
    await refused(api, playground, body)


async def test_a_body_nested_without_end_is_refused(api: Api, playground: Playground) -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    channel = next(iter(playground.state.channels))
    for name in ("components", "unknown"):
        status, answer = await api("POST", f"/channels/{channel}/messages", {"content": "x", name: nested})
        assert (status, answer["code"]) == (400, 50109)

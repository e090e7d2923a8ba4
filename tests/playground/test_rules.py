"""The rules that Discord documents and its OpenAPI file does not hold: each refuses with 50035 and the place."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.playground import bodies, rules
from bot.playground.errors import DiscordError
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked


def button(**fields: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "x", **fields}


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def text(content: str = "x") -> dict[str, Any]:
    return {"type": 10, "content": content}


V2 = 32768

MESSAGES: dict[str, dict[str, Any]] = {
    "content": {"content": "x" * 2001},
    "embeds": {"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]},
    "embeds.0.title": {"embeds": [{"title": "x" * 257}]},
    "embeds.0.fields": {"embeds": [{"fields": [{"name": "x", "value": "x"}] * 26}]},
    "components.0.components.1.custom_id": {
        "components": [row(button(custom_id="same"), button(custom_id="same"))]
    },
    "components": {"components": [row(button(custom_id=f"{n}")) for n in range(6)]},
    "components.0.components.0.custom_id": {"components": [row(button())]},
    "components.0.components.0.url": {"components": [row(button(style=5))]},
    "components.0.components.0.label": {"components": [row(button(custom_id="x", label="x" * 81))]},
    "components.0.components": {"components": [row(*(button(custom_id=f"{n}") for n in range(6)))]},
    "components.0.type": {"components": [text()]},
    "attachments.0.description": {"attachments": [{"id": 0, "description": "x" * 1025}], "content": "x"},
    "allowed_mentions": {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
    "nonce": {"content": "x", "nonce": "x" * 26},
}

V2_MESSAGES: dict[str, dict[str, Any]] = {
    "content": {"content": "x", "components": [text()]},
    "embeds": {"embeds": [{"title": "x"}], "components": [text()]},
    "components": {"components": [text("x" * 2001), text("x" * 2000)]},
    "components.0.file.url": {"components": [{"type": 13, "file": {"url": "https://example.org/a.txt"}}]},
    "components.0.items": {"components": [{"type": 12}]},
    "components.0.accessory": {"components": [{"type": 9, "components": [text()]}]},
}


def place_of(errors: Any) -> str:
    """The path of the first error in Discord's tree, with dots."""
    path = []
    while "_errors" not in errors:
        key = next(iter(errors))
        path.append(key)
        errors = errors[key]
    return ".".join(path)


async def refused(api: Api, playground: Playground, body: Any) -> str:
    channel = next(iter(playground.state.channels))
    status, answer = await api("POST", f"/channels/{channel}/messages", body)
    assert (status, answer["code"]) == (400, 50035)
    assert not playground.state.messages
    return place_of(answer["errors"])


@pytest.mark.parametrize("place", MESSAGES)
async def test_a_message_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    assert await refused(api, playground, MESSAGES[place]) == place


@pytest.mark.parametrize("place", V2_MESSAGES)
async def test_a_layout_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    assert await refused(api, playground, {**V2_MESSAGES[place], "flags": V2}) == place


async def test_more_than_40_components_are_refused(api: Api, playground: Playground) -> None:
    body = {"flags": V2, "components": [{"type": 17, "components": [text()] * 20}] * 2}
    assert await refused(api, playground, body) == "components"


async def test_more_than_10_attachments_are_refused(api: Api, playground: Playground) -> None:
    channel = next(iter(playground.state.channels))
    files = {f"files[{n}]": (f"{n}.txt", b"x") for n in range(11)}
    status, answer = await api.upload("POST", f"/channels/{channel}/messages", "{}", files)
    assert (status, answer["code"]) == (400, 30015)


async def test_a_deferred_answer_takes_only_the_ephemeral_flag(ask: Callable[[], Awaitable[Asked]]) -> None:
    asked = await ask()
    status, answer = await asked.callback(5, {"flags": 64 | V2})
    assert (status, place_of(answer["errors"])) == (400, "data.flags")
    assert (await asked.callback(5, {"flags": 64}))[0] == 200


def option(**fields: Any) -> dict[str, Any]:
    return {"type": 3, "name": "name", "description": "x", **fields}


COMMANDS = {
    "0.name": {"name": "Not Lower", "description": "x"},
    "0.description": {"name": "x"},
    "0.options.1": {"name": "x", "description": "x", "options": [option(), option(name="b", required=True)]},
    "0.options.1.name": {"name": "x", "description": "x", "options": [option(), option()]},
    "0.options.0.autocomplete": {
        "name": "x",
        "description": "x",
        "options": [option(autocomplete=True, choices=[{"name": "a", "value": "a"}])],
    },
    "0.options.0.choices.0.value": {
        "name": "x",
        "description": "x",
        "options": [option(choices=[{"name": "a", "value": "x" * 101}])],
    },
    "0": {
        "name": "x",
        "description": "x",
        "options": [
            option(name=f"o{n}", choices=[{"name": "a", "value": "x" * 90 + str(c)} for c in range(25)])
            for n in range(4)
        ],
    },
}


@pytest.mark.parametrize("place", COMMANDS)
async def test_a_command_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, playground: Playground, place: str
) -> None:
    path = f"/applications/{playground.state.application_id}/commands"
    status, answer = await api("PUT", path, [COMMANDS[place]])
    assert (status, place_of(answer["errors"])) == (400, place)
    assert not playground.state.commands


async def test_two_commands_cannot_share_a_name(api: Api, playground: Playground) -> None:
    path = f"/applications/{playground.state.application_id}/commands"
    same = {"name": "x", "description": "x"}
    status, answer = await api("PUT", path, [same, same])
    assert (status, place_of(answer["errors"])) == (400, "1.name")


async def test_a_form_holds_only_inputs(ask: Callable[[], Awaitable[Asked]]) -> None:
    modal = {"title": "x", "custom_id": "x", "components": [row(button(custom_id="b"))]}
    status, answer = await (await ask()).callback(9, modal)
    assert (status, place_of(answer["errors"])) == (400, "data.components.0.components.0.type")


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

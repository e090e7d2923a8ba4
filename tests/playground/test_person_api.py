"""What Discord's client would not send is refused with a sentence, and can be sent unchecked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.playground.client import DidNotRespond, Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Asked

pytestmark = pytest.mark.usefixtures("commands")


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ("paint", {}, "There is no command called 'paint' here."),
        ("imagine", {}, "prompt is required and was not given."),
        (
            "imagine",
            {"prompt": "x", "colour": "red"},
            "/imagine has no option 'colour'; it has prompt, steps,",
        ),
        ("imagine", {"prompt": "x" * 101}, "prompt must have at most 100 characters; you gave 101."),
        ("imagine", {"prompt": "x", "steps": 151}, "steps must be at most 150; you gave 151."),
        ("imagine", {"prompt": "x", "steps": 0}, "steps must be at least 1; you gave 0."),
        ("imagine", {"prompt": "x", "steps": "many"}, "steps must be a whole number; you gave 'many'."),
        ("imagine", {"prompt": "x", "private": "maybe"}, "private must be True or False; you gave 'maybe'."),
        (
            "imagine",
            {"prompt": "x", "sampler": "nice"},
            "sampler must be one of Euler a, DDIM; you gave 'nice'.",
        ),
        ("imagine", {"prompt": "x", "image": "a.png"}, "image needs a file; you gave 'a.png'."),
        ("private", {}, "private works only in age-restricted channels."),
        ("gallery", {}, "/gallery needs a subcommand: show."),
        ("gallery hide", {}, "/gallery has no subcommand 'hide'."),
    ],
)
async def test_a_command_that_the_client_would_not_send_is_refused(
    alice: Person, playground: Playground, command: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        await alice.slash(command, options)
    assert str(refused.value).startswith(sentence)
    assert not playground.state.interactions


async def test_unchecked_sends_what_no_client_would(alice: Person, playground: Playground) -> None:
    await alice.slash("imagine", {"steps": 9999, "colour": "red"}, unchecked=True)
    (act,) = playground.state.interactions.values()
    values = {option["name"]: option["value"] for option in act.data["options"]}
    assert values == {"steps": 9999, "colour": "red"}


async def test_a_file_above_the_upload_limit_is_refused(alice: Person) -> None:
    big = {"image": ("big.png", bytes(21 * 1024 * 1024))}
    with pytest.raises(NotPossible, match=r"image may have at most 20 MiB; this file has 21\.0 MiB\."):
        await alice.slash("imagine", {"prompt": "x"}, files=big)


async def test_a_subcommand_nests_its_options(alice: Person, playground: Playground) -> None:
    await alice.slash("gallery show", {"page": 2})
    (act,) = playground.state.interactions.values()
    (step,) = act.data["options"]
    assert (step["name"], step["options"]) == ("show", [{"name": "page", "type": 4, "value": 2}])


async def test_commands_are_offered_where_they_may_be_used(playground: Playground) -> None:
    async def offered(channel: str) -> set[str]:
        async with Person(playground.base, channel=channel) as alice:
            return {command["name"] for command in await alice.commands()}

    assert await offered("general") == {"imagine", "here", "gallery"}
    assert await offered("after-dark") == {"imagine", "here", "gallery", "private"}
    assert await offered("dm") == {"imagine", "gallery", "private"}


@pytest.mark.parametrize(
    ("user", "channel", "sentence"),
    [
        ("mallory", "general", "There is no person called 'mallory' here; there are alice, bob."),
        ("alice", "secret", "alice sees no channel called 'secret'."),
        ("alice", "@bob", "alice sees no channel called '@bob'."),
    ],
)
async def test_nobody_acts_as_a_stranger_or_in_a_foreign_channel(
    playground: Playground, user: str, channel: str, sentence: str
) -> None:
    async with Person(playground.base, user=user, channel=channel) as person:
        with pytest.raises(NotPossible) as refused:
            await person.messages()
    assert str(refused.value) == sentence


async def test_the_clock_only_moves_forward(alice: Person) -> None:
    with pytest.raises(NotPossible, match="seconds: Input should be greater than or equal to 0"):
        await alice.move_clock(-1)


async def test_suggestions_fail_when_nobody_answers(alice: Person, playground: Playground) -> None:
    waiting = asyncio.create_task(alice.autocomplete("imagine", "prompt", "a"))
    while not playground.state.interactions:
        await playground.state.changes.wait(playground.state.changes.count, timeout=1)
    await alice.move_clock(3.1)
    with pytest.raises(DidNotRespond):
        await asyncio.wait_for(waiting, 2)


async def test_a_wait_ends_at_its_deadline_and_tells_what_was_there(alice: Person) -> None:
    asked = await alice.slash("imagine", {"prompt": "x"})
    with pytest.raises(TimeoutError, match=r"After 0\.05 s the reply is missing"):
        await alice.wait_message(asked, timeout=0.05)


SELECT = {
    "type": 3,
    "custom_id": "size",
    "max_values": 2,
    "options": [{"label": name.title(), "value": name} for name in ("small", "large", "huge")],
}
BUTTONS = [
    {"type": 2, "style": 1, "label": "Again", "custom_id": "again"},
    {"type": 2, "style": 1, "label": "Off", "custom_id": "off", "disabled": True},
    {"type": 2, "style": 5, "label": "Link", "url": "https://example.org"},
]
ROWS = [{"type": 1, "components": BUTTONS}, {"type": 1, "components": [SELECT]}]

Ask = Callable[[], Awaitable[Asked]]


async def with_components(ask: Ask, flags: int = 0) -> Json:
    _, answer = await (await ask()).callback(4, {"content": "choose", "components": ROWS, "flags": flags})
    message: Json = answer["resource"]["message"]
    return message


@pytest.mark.parametrize(
    ("button", "sentence"),
    [
        ("Off", "Off is switched off."),
        ("Link", "This message has no component 'Link'; it has again, off, size."),
        ("size", "size is not a button."),
    ],
)
async def test_a_button_that_cannot_be_pressed_is_refused(
    ask: Ask, alice: Person, button: str, sentence: str
) -> None:
    message = await with_components(ask)
    with pytest.raises(NotPossible) as refused:
        await alice.press(message, button)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "size takes 1 to 2 choices; you made 0."),
        (["small", "large", "huge"], "size takes 1 to 2 choices; you made 3."),
        (["tiny"], "size must be one of small, large, huge; you chose 'tiny'."),
    ],
)
async def test_a_choice_that_a_menu_does_not_offer_is_refused(
    ask: Ask, alice: Person, values: list[str], sentence: str
) -> None:
    message = await with_components(ask)
    with pytest.raises(NotPossible) as refused:
        await alice.choose(message, "size", values)
    assert str(refused.value) == sentence
    assert await alice.choose(message, "size", ["small", "huge"])


async def test_nobody_presses_what_only_another_person_sees(ask: Ask, bob: Person) -> None:
    message = await with_components(ask, flags=64)
    with pytest.raises(NotPossible, match="bob sees no message"):
        await bob.press(message, "Again")


async def test_a_form_is_sent_once(ask: Ask, alice: Person) -> None:
    asked = await ask()
    field = {"type": 4, "custom_id": "prompt", "style": 1, "label": "Prompt"}
    await asked.callback(
        9, {"title": "Edit", "custom_id": "edit", "components": [{"type": 1, "components": [field]}]}
    )
    opened = await alice.wait(
        await alice.slash("imagine", {"prompt": "x"}), lambda act: act.state == "waiting"
    )
    with pytest.raises(NotPossible, match=r"There is no open form to send\."):
        await alice.submit(opened, {})
    opened = replace(opened, id=asked.act.id)
    with pytest.raises(NotPossible, match=r"Prompt is required and was not given\."):
        await alice.submit(opened, {})
    await alice.submit(opened, {"prompt": "a fox"})
    with pytest.raises(NotPossible, match=r"There is no open form to send\."):
        await alice.submit(opened, {"prompt": "a fox"})

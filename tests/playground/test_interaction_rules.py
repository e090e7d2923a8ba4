"""What Discord says to a bot that answers too late, twice, or in the wrong place."""

from collections.abc import Awaitable, Callable

import pytest

from bot.playground.client import Json, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked

Ask = Callable[[], Awaitable[Asked]]

BUTTON = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Again", "custom_id": "again"}]}


def code(answer: tuple[int, Json]) -> tuple[int, int]:
    return answer[0], answer[1]["code"]


async def test_an_answer_after_3_seconds_is_for_an_unknown_interaction(
    ask: Ask, playground: Playground
) -> None:
    asked = await ask()
    playground.clock.move(3.1)
    assert code(await asked.callback(5)) == (404, 10062)


async def test_a_deferred_answer_may_be_edited_for_15_minutes(
    ask: Ask, api: Api, playground: Playground
) -> None:
    asked = await ask()
    assert (await asked.callback(5))[0] == 200
    playground.clock.move(14 * 60)
    status, message = await api("PATCH", asked.original, {"content": "late"})
    assert (status, message["content"], message["flags"] & 128) == (200, "late", 0)
    playground.clock.move(2 * 60)
    assert code(await api("PATCH", asked.original, {"content": "too late"})) == (401, 50027)


async def test_a_second_answer_is_refused(ask: Ask) -> None:
    asked = await ask()
    await asked.callback(5)
    assert code(await asked.callback(5)) == (400, 40060)


async def test_messages_of_an_unanswered_interaction_are_unknown(ask: Ask, api: Api) -> None:
    asked = await ask()
    assert code(await api("PATCH", asked.original, {"content": "early"})) == (404, 10015)
    assert code(await api("POST", asked.webhook, {"content": "early"})) == (404, 10015)


async def test_a_deleted_reply_is_an_unknown_message(ask: Ask, api: Api) -> None:
    asked = await ask()
    await asked.callback(5)
    assert (await api("DELETE", asked.original))[0] == 204
    assert code(await api("PATCH", asked.original, {"content": "gone"})) == (404, 10008)


async def test_an_ephemeral_reply_is_reached_only_by_its_token(ask: Ask, api: Api, bob: Person) -> None:
    asked = await ask()
    _, answer = await asked.callback(4, {"content": "private", "flags": 64})
    message = answer["resource"]["message"]
    assert code(await api("GET", f"/channels/{message['channel_id']}/messages/{message['id']}")) == (
        404,
        10008,
    )
    assert (await api("GET", asked.original))[1]["content"] == "private"
    assert await bob.messages() == []


async def test_the_answer_to_a_defer_has_no_message_yet(ask: Ask) -> None:
    asked = await ask()
    _, answer = await asked.callback(5)
    assert answer["interaction"]["response_message_loading"]
    assert "resource" not in answer


async def test_without_with_response_there_is_no_body(ask: Ask) -> None:
    assert await (await ask()).callback(5, query="") == (204, {})


async def test_the_first_followup_takes_the_place_of_thinking(ask: Ask, api: Api, alice: Person) -> None:
    asked = await ask()
    await asked.callback(5)
    await api("POST", asked.webhook, {"content": "first"})
    await api("POST", asked.webhook, {"content": "second"})
    assert [message["content"] for message in await alice.messages()] == ["first", "second"]


async def test_a_deferred_update_leaves_the_message_for_a_later_edit(
    ask: Ask, api: Api, alice: Person, playground: Playground
) -> None:
    asked = await ask()
    _, answer = await asked.callback(4, {"content": "before", "components": [BUTTON]})
    pressed = Asked(api, playground, (await alice.press(answer["resource"]["message"], "Again")).id)
    assert (await pressed.callback(6))[0] == 200
    await api("PATCH", pressed.original, {"content": "after"})
    assert [message["content"] for message in await alice.messages()] == ["after"]


@pytest.mark.parametrize(
    ("type", "data"),
    [
        (6, None),
        (7, {"content": "x"}),
        (8, {"choices": []}),
        (1, None),  # a PING's
        (10, {}),  # PREMIUM_REQUIRED, which is gone from the OpenAPI file
        (12, None),  # LAUNCH_ACTIVITY: the application has none
        (13, None),
        (99, None),
        (True, None),
        ("4", {"content": "x"}),
    ],
)
async def test_an_answer_of_the_wrong_type_is_refused(ask: Ask, type: int, data: Json | None) -> None:
    asked = await ask()
    status, answer = await asked.callback(type, data)
    assert (status, answer["code"], list(answer["errors"])) == (400, 50035, ["type"])
    assert (await asked.callback(5))[0] == 200


async def test_an_empty_message_is_refused(ask: Ask, api: Api) -> None:
    asked = await ask()
    assert code(await asked.callback(4, {"content": ""})) == (400, 50006)
    await asked.callback(5)
    assert code(await api("PATCH", asked.original, {"content": ""})) == (400, 50006)


async def test_attachments_are_kept_added_and_removed_by_the_list(ask: Ask, api: Api, picture: bytes) -> None:
    asked = await ask()
    await asked.callback(5)
    body = '{"attachments": [{"id": 0, "description": "one"}]}'
    _, first = await api.upload("PATCH", asked.original, body, {"files[0]": ("one.png", picture)})
    kept = first["attachments"][0]["id"]
    body = f'{{"attachments": [{{"id": "{kept}"}}, {{"id": 0}}]}}'
    _, both = await api.upload("PATCH", asked.original, body, {"files[0]": ("two.png", picture)})
    assert [each["filename"] for each in both["attachments"]] == ["one.png", "two.png"]
    _, untouched = await api("PATCH", asked.original, {"content": "text"})
    assert len(untouched["attachments"]) == 2
    _, none = await api("PATCH", asked.original, {"attachments": []})
    assert none["attachments"] == []


async def test_a_file_that_was_not_sent_cannot_be_attached(ask: Ask, api: Api) -> None:
    asked = await ask()
    await asked.callback(5)
    status, answer = await api("PATCH", asked.original, {"content": "x", "attachments": [{"id": "7"}]})
    assert (status, answer["code"]) == (400, 50035)
    assert answer["errors"]["attachments"]["0"]["id"]["_errors"][0]["code"] == "ATTACHMENT_NOT_FOUND"


async def test_a_file_above_the_limit_is_too_large(ask: Ask, api: Api) -> None:
    asked = await ask()
    await asked.callback(5)
    big = {"files[0]": ("big.png", bytes(20 * 1024 * 1024 + 1))}
    assert code(await api.upload("PATCH", asked.original, '{"content": "x"}', big)) == (413, 40005)
    two = {f"files[{n}]": ("half.png", bytes(14 * 1024 * 1024)) for n in range(2)}
    assert code(await api.upload("PATCH", asked.original, '{"content": "x"}', two)) == (413, 40005)

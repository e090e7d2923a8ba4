"""Polls: opened by the bot, voted on by people, ended by the bot or by time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked
from tests.playground.gateway_client import connect

POLL = {
    "question": {"text": "Which one?"},
    "answers": [
        {"poll_media": {"text": "the cat", "emoji": {"name": "🐱"}}},
        {"poll_media": {"text": "the dog"}},
        {"poll_media": {"text": "both"}},
    ],
}


@pytest.fixture
def channel(playground: Playground) -> str:
    return f"/channels/{next(iter(playground.state.channels))}"


@pytest.fixture
async def poll(api: Api, channel: str) -> Json:
    """The message with a poll that takes one answer, for 24 hours."""
    status, message = await api("POST", f"{channel}/messages", {"poll": POLL})
    assert status == 200
    return message


def results(message: Json) -> dict[int, tuple[int, bool]]:
    counts = message["poll"]["results"]["answer_counts"]
    return {each["id"]: (each["count"], each["me_voted"]) for each in counts}


async def test_a_poll_is_answered_with_its_end_and_numbered_answers(
    poll: Json, playground: Playground
) -> None:
    shape = poll["poll"]
    ends = datetime.fromisoformat(shape["expiry"]).timestamp()
    assert ends - playground.clock.now() == pytest.approx(24 * 3600, abs=5)
    assert [answer["answer_id"] for answer in shape["answers"]] == [1, 2, 3]
    assert shape["answers"][0]["poll_media"]["emoji"]["name"] == "🐱"
    assert (shape["results"], shape["allow_multiselect"]) == (
        {"answer_counts": [], "is_finalized": False},
        False,
    )


async def test_people_vote_and_change_their_mind(poll: Json, alice: Person, bob: Person) -> None:
    await alice.vote(poll, [1])
    await alice.vote(poll, [2])
    seen = await bob.vote(poll, [2])
    assert results(seen) == {2: (2, True)}
    assert results(await bob.vote(poll, [])) == {2: (1, False)}
    assert results((await alice.messages())[0]) == {2: (1, True)}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [([4], "answers must be among 1, 2, 3; you chose 4"), ([1, 2], "takes one answer; you chose 2")],
)
async def test_a_vote_that_the_client_would_not_offer_is_refused(
    poll: Json, alice: Person, answers: list[int], sentence: str
) -> None:
    with pytest.raises(NotPossible, match=sentence):
        await alice.vote(poll, answers)


async def test_a_poll_may_take_several_answers(api: Api, channel: str, alice: Person) -> None:
    _, message = await api("POST", f"{channel}/messages", {"poll": {**POLL, "allow_multiselect": True}})
    assert results(await alice.vote(message, [1, 3])) == {1: (1, True), 3: (1, True)}


async def test_a_message_without_a_poll_takes_no_votes(alice: Person) -> None:
    said = await alice.say("vote!")
    with pytest.raises(NotPossible, match="has no poll"):
        await alice.vote(said, [1])


@pytest.mark.parametrize(("intents", "heard"), [(1 << 24, True), (1 << 9, False)])
async def test_votes_are_told_to_who_asked_for_them(
    poll: Json, playground: Playground, alice: Person, intents: int, heard: bool
) -> None:
    async with connect(playground) as socket:
        await socket.ready(intents)
        await alice.vote(poll, [1])
        await alice.vote(poll, [2])
        await socket.send(1)
        told: list[Any] = []
        while (event := await socket.next())["op"] != 11:
            told.append((event["t"], event["d"]["answer_id"], event["d"]["user_id"]))
    alices = playground.state.people["alice"].id
    added, removed = "MESSAGE_POLL_VOTE_ADD", "MESSAGE_POLL_VOTE_REMOVE"
    assert told == ([(added, 1, alices), (removed, 1, alices), (added, 2, alices)] if heard else [])


async def test_the_bot_reads_who_voted(
    poll: Json, api: Api, channel: str, alice: Person, bob: Person
) -> None:
    await alice.vote(poll, [1])
    await bob.vote(poll, [1])
    path = f"{channel}/polls/{poll['id']}/answers/1"
    _, voters = await api("GET", path)
    assert [user["username"] for user in voters["users"]] == ["alice", "bob"]
    _, rest = await api("GET", f"{path}?after={voters['users'][0]['id']}&limit=1")
    assert [user["username"] for user in rest["users"]] == ["bob"]
    for wrong in (f"{path}?limit=0", f"{path}?after=x", f"{channel}/polls/{poll['id']}/answers/x"):
        status, answer = await api("GET", wrong)
        assert (status, answer["code"]) == (400, 50035)


async def test_the_bot_ends_its_poll_once(
    poll: Json, api: Api, channel: str, alice: Person, playground: Playground
) -> None:
    await alice.vote(poll, [2])
    status, ended = await api("POST", f"{channel}/polls/{poll['id']}/expire")
    assert (status, ended["poll"]["results"]["is_finalized"]) == (200, True)
    with pytest.raises(NotPossible, match="has ended"):
        await alice.vote(poll, [1])
    status, answer = await api("POST", f"{channel}/polls/{poll['id']}/expire")
    assert (status, answer["code"]) == (400, 520001)
    assert not playground.state.open_polls


async def test_a_poll_ends_when_its_time_is_over(poll: Json, alice: Person, bob: Person) -> None:
    await alice.vote(poll, [2])
    await bob.vote(poll, [2])
    await alice.move_clock(24 * 3600)
    seen = await alice.wait_channel(lambda messages: len(messages) == 2)
    assert seen[0]["poll"]["results"]["is_finalized"]
    assert (seen[1]["type"], seen[1]["message_reference"]["message_id"]) == (46, poll["id"])
    said = {field["name"]: field["value"] for field in seen[1]["embeds"][0]["fields"]}
    assert said == {
        "poll_question_text": "Which one?",
        "victor_answer_votes": "2",
        "total_votes": "2",
        "victor_answer_id": "2",
        "victor_answer_text": "the dog",
    }


async def test_two_answers_ahead_are_no_victory(
    poll: Json, api: Api, channel: str, alice: Person, bob: Person
) -> None:
    await alice.vote(poll, [1])
    await bob.vote(poll, [2])
    await api("POST", f"{channel}/polls/{poll['id']}/expire")
    fields = (await alice.messages())[1]["embeds"][0]["fields"]
    assert [field["name"] for field in fields] == ["poll_question_text", "victor_answer_votes", "total_votes"]


async def test_a_poll_cannot_be_edited(poll: Json, api: Api, channel: str) -> None:
    status, answer = await api("PATCH", f"{channel}/messages/{poll['id']}", {"content": "x"})
    assert (status, answer["code"]) == (400, 520003)


async def test_only_a_deferred_answer_is_edited_into_a_poll(
    ask: Callable[[], Any], api: Api, channel: str
) -> None:
    asked: Asked = await ask()
    await asked.callback(5)
    status, message = await api("PATCH", asked.original, {"poll": POLL})
    assert (status, message["poll"]["question"]["text"]) == (200, "Which one?")
    _, plain = await api("POST", f"{channel}/messages", {"content": "x"})
    status, answer = await api("PATCH", f"{channel}/messages/{plain['id']}", {"poll": POLL})
    assert (status, answer["code"]) == (400, 520003)


async def test_only_polls_can_be_ended(api: Api, channel: str, alice: Person) -> None:
    said = await alice.say("no poll")
    status, answer = await api("POST", f"{channel}/polls/{said['id']}/expire")
    assert (status, answer["code"]) == (400, 520006)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"question": {"text": "x" * 301}}, ["question", "text"]),
        ({"question": {}}, ["question", "text"]),
        ({"answers": []}, ["answers"]),
        ({"answers": [{"poll_media": {"text": "x" * 56}}]}, ["answers", "0", "poll_media", "text"]),
        ({"answers": [{"poll_media": {}}]}, ["answers", "0", "poll_media", "text"]),
        ({"duration": 769}, ["duration"]),
        ({"layout_type": 2}, ["layout_type"]),
    ],
)
async def test_a_poll_that_breaks_a_rule_is_refused_with_its_place(
    api: Api, channel: str, playground: Playground, change: Json, place: list[str]
) -> None:
    status, answer = await api("POST", f"{channel}/messages", {"poll": {**POLL, **change}})
    assert (status, answer["code"]) == (400, 50035)
    errors = answer["errors"]["poll"]
    for part in place:
        errors = errors[part]
    assert errors["_errors"]
    assert not playground.state.open_polls

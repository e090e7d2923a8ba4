"""The judges notice a fault: a judge that cannot fail vouches for nothing."""

import copy
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from bot.playground.traffic import Event, Exchange
from tests.playground.judges import Judges

pytestmark = pytest.mark.usefixtures("bot")


def last(playground: Playground, wanted: Callable[[Exchange | Event], bool]) -> dict[str, Any]:
    return copy.deepcopy(
        asdict(next(entry for entry in reversed(playground.traffic.entries) if wanted(entry)))
    )


async def test_events_and_answers_with_a_field_of_the_wrong_type_are_found(
    playground: Playground, alice: Person, judges: Judges
) -> None:
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    event = last(playground, lambda entry: isinstance(entry, Event) and entry.name == "INTERACTION_CREATE")
    edit = last(playground, lambda entry: isinstance(entry, Exchange) and entry.method == "PATCH")
    assert judges.check([event, edit]) == []
    for where in ("token", "version", "channel", "member", "data"):
        assert judges.check([{**event, "data": {**event["data"], where: ["wrong"]}}]), where
    for where in ("content", "attachments", "components", "author", "flags"):
        assert judges.check([{**edit, "answer": {**edit["answer"], where: 7.5}}]), where


async def test_a_request_that_discord_would_refuse_is_found(
    playground: Playground, alice: Person, judges: Judges
) -> None:
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    edit = last(playground, lambda entry: isinstance(entry, Exchange) and entry.method == "PATCH")
    (violation, *_) = judges.check([{**edit, "body": {"content": "x" * 2001}}])
    assert (violation.judge, violation.path, violation.rule) == ("openapi", "content", "maxLength")
    assert judges.check([{**edit, "path": "/nowhere"}])[0].rule == "route"

"""The judges notice a fault: a judge that cannot fail vouches for nothing."""

import copy
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from bot.playground.traffic import KEPT, Event, Exchange, Traffic
from tests.playground.judges import Judges

TESTS = Path(__file__).parents[1]
STARTS = re.compile(r"\w = Playground\(|with start_trial\(")


def last(playground: Playground, wanted: Callable[[Exchange | Event], bool]) -> dict[str, Any]:
    return copy.deepcopy(
        asdict(next(entry for entry in reversed(playground.traffic.entries) if wanted(entry)))
    )


@pytest.mark.usefixtures("bot")
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


@pytest.mark.usefixtures("bot")
async def test_a_request_that_discord_would_refuse_is_found(
    playground: Playground, alice: Person, judges: Judges
) -> None:
    await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
    edit = last(playground, lambda entry: isinstance(entry, Exchange) and entry.method == "PATCH")
    (violation, *_) = judges.check([{**edit, "body": {"content": "x" * 2001}}])
    assert (violation.judge, violation.path, violation.rule) == ("openapi", "content", "maxLength")
    assert judges.check([{**edit, "path": "/nowhere"}])[0].rule == "route"


def test_traffic_that_was_forgotten_before_it_was_judged_is_found(judges: Judges) -> None:
    traffic = Traffic()
    for _ in range(KEPT):
        traffic.event(at=0.0, name="HEARTBEAT", data=None, sent=False)
    assert judges.verdict(traffic) == []
    traffic.event(at=0.0, name="HEARTBEAT", data=None, sent=False)
    assert [violation.rule for violation in judges.verdict(traffic)] == ["kept"]


def test_every_playground_of_the_suite_is_judged() -> None:
    """Whoever starts one judges it in the same file; all others use the fixtures of those."""
    sources = {str(path.relative_to(TESTS)): path.read_text() for path in TESTS.rglob("*.py")}
    starting = {name for name, source in sources.items() if STARTS.search(source)}
    assert starting >= {"playground/conftest.py", "flows/conftest.py"}
    assert [name for name in starting if ".verdict(" not in sources[name]] == []

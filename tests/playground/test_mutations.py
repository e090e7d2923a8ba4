"""Bodies that are almost right: one value of a right one is replaced by anything. None makes the server fail."""

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.playground.server import Playground
from bot.playground.state import Interaction, InteractionType
from tests.playground.judges import MATERIAL, Judges

Path = tuple[str | int, ...]

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        ["x" * 7000, 10**30, -1, [], {}, [[]], [None], {"": {}}, "\ud800", "attachment://x", "1e400"]
    ),
    st.lists(st.integers() | st.text(max_size=3) | st.none(), max_size=3),
    st.dictionaries(st.sampled_from(["type", "text", "url"]), st.integers() | st.none(), max_size=3),
)
TEXT = {"type": 10, "content": "x"}
EMOJI = {"name": "🐱", "animated": False}
BUTTON = {"type": 2, "style": 1, "label": "x", "custom_id": "b", "emoji": EMOJI}
SELECT = {
    "type": 3,
    "custom_id": "s",
    "options": [{"label": "a", "value": "a", "emoji": {"name": "x"}}],
    "min_values": 1,
}
MESSAGE = {
    "content": "<@1> <@&2> @everyone",
    "embeds": [
        {
            "title": "x",
            "color": 1,
            "fields": [{"name": "x", "value": "y"}],
            "image": {"url": "https://example.org/a.png"},
            "footer": {"text": "x", "icon_url": "https://example.org/a.png"},
            "author": {"name": "x"},
        }
    ],
    "components": [{"type": 1, "components": [BUTTON]}, {"type": 1, "components": [SELECT]}],
    "attachments": [],
    "allowed_mentions": {"parse": ["users"], "roles": ["1"]},
    "flags": 4,
    "nonce": "n",
    "tts": False,
    "message_reference": {"message_id": "1", "fail_if_not_exists": False},
}
POLL = {
    "enforce_nonce": True,
    "poll": {
        "question": {"text": "x"},
        "answers": [{"poll_media": {"text": "x", "emoji": EMOJI}}],
        "duration": 1,
        "allow_multiselect": True,
    },
}
LAYOUT = {
    "flags": 32768,
    "components": [
        {"type": 17, "accent_color": 1, "components": [TEXT, {"type": 14, "spacing": 2}]},
        {"type": 9, "components": [TEXT], "accessory": {**BUTTON, "custom_id": "c"}},
        {"type": 12, "items": [{"media": {"url": "https://example.org/a.png"}, "description": "x"}]},
        {"type": 1, "components": [{"type": 8, "custom_id": "d", "channel_types": [0]}]},
    ],
}
FIELDS: list[dict[str, Any]] = [
    {"type": 4, "custom_id": "a", "style": 1, "value": "x", "min_length": 1},
    {**SELECT, "required": False},
    {"type": 19, "custom_id": "c", "max_values": 2},
    {"type": 21, "custom_id": "d", "options": [{"label": n, "value": n} for n in "ab"]},
    {"type": 22, "custom_id": "e", "options": [{"label": "a", "value": "a", "default": True}]},
]
MODAL = {
    "title": "x",
    "custom_id": "x",
    "components": [{"type": 18, "label": "x", "component": field} for field in FIELDS],
}
CHOICES = {"choices": [{"name": "a", "value": "1"}, {"name": "b", "value": "b"}]}
OPTIONS = [
    {"type": 3, "name": "a", "description": "x", "required": True, "choices": [{"name": "x", "value": "x"}]},
    {"type": 4, "name": "b", "description": "x", "min_value": 1, "max_value": 2, "autocomplete": True},
    {"type": 7, "name": "c", "description": "x", "channel_types": [0]},
]
COMMANDS = [
    {"name": "x", "description": "x", "options": OPTIONS, "name_localizations": {"de": "x"}, "contexts": [0]},
    {"name": "Menu", "type": 3, "default_member_permissions": "8", "integration_types": [0, 1]},
]


def places(shape: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    inside = shape.items() if isinstance(shape, dict) else enumerate(shape) if isinstance(shape, list) else ()
    for key, value in inside:
        yield from places(value, (*at, key))


def replaced(shape: Any, at: Path, value: Any) -> Any:
    if not at:
        return value
    changed = copy.deepcopy(shape)
    node = changed
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value
    return changed


class Server:
    """A playground, and calls to it from outside of its loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.playground = Playground()
        self.playground.rate_limits.enabled = False
        runner.run(self.playground.start())
        headers = {"Authorization": f"Bot {self.playground.token}"}
        self._http = runner.run(self._session(headers))
        self.state = self.playground.state

    async def _session(self, headers: dict[str, str]) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self.playground.base, headers=headers)

    def call(self, method: str, path: str, body: Any) -> int:
        """The status; never a failure, and where it is a refusal in Discord's shape."""
        return self._runner.run(self._call(method, path, body))

    async def _call(self, method: str, path: str, body: Any) -> int:
        async with self._http.request(method, f"/api/v10{path}", json=body) as response:
            assert response.status < 500, await response.text()
            if response.status >= 400:
                answer = await response.json()
                assert isinstance(answer["code"], int)
                assert isinstance(answer["message"], str)
            return response.status

    def callback_path(self, type: InteractionType = InteractionType.COMMAND) -> str:
        """A fresh interaction's."""
        self._runner.run(self._begin())
        act: Interaction = list(self.state.interactions.values())[-1]
        act.type = type
        return f"/interactions/{act.id}/{act.token}/callback?with_response=1"

    async def _begin(self) -> None:
        async with self._http.post("/playground/slash", json={"command": "ask"}) as response:
            assert response.status == 200

    def stop(self) -> None:
        self._runner.run(self._http.close())
        self._runner.run(self.playground.stop())


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """What it took and what it answered is judged at the end."""
    judges: Judges | None = request.getfixturevalue("judges") if MATERIAL.exists() else None
    with asyncio.Runner() as runner:
        server = Server(runner)
        path = f"/applications/{server.state.application_id}/guilds/{server.state.guild_id}/commands"
        server.call("PUT", path, [{"name": "ask", "description": "x"}])
        yield server
        server.stop()
    if judges:
        assert judges.verdict(server.playground.traffic) == []


bounded = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def mutations(*shapes: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(shapes).flatmap(
        lambda shape: st.builds(replaced, st.just(shape), st.sampled_from(list(places(shape))), ANYTHING)
    )


def test_what_is_mutated_is_right(server: Server) -> None:
    messages = f"/channels/{next(iter(server.state.channels))}/messages"
    assert [server.call("POST", messages, body) for body in (MESSAGE, LAYOUT, POLL)] == [200] * 3
    answers = [(4, MESSAGE), (4, LAYOUT), (9, MODAL)]
    for kind, data in answers:
        assert server.call("POST", server.callback_path(), {"type": kind, "data": data}) == 200
    suggesting = server.callback_path(InteractionType.AUTOCOMPLETE)
    assert server.call("POST", suggesting, {"type": 8, "data": CHOICES}) == 200
    assert server.call("PUT", f"/applications/{server.state.application_id}/commands", COMMANDS) == 200


@bounded
@given(body=mutations(MESSAGE, LAYOUT, POLL))
def test_messages(server: Server, body: Any) -> None:
    channel = next(iter(server.state.channels))
    server.call("POST", f"/channels/{channel}/messages", body)
    for message in list(server.state.messages.values())[-3:]:
        server.call("PATCH", f"/channels/{channel}/messages/{message.id}", body)


@bounded
@given(
    body=mutations(
        *[{"type": kind, "data": data} for kind, data in ((4, MESSAGE), (4, LAYOUT), (4, POLL), (9, MODAL))]
    )
)
def test_answers(server: Server, body: Any) -> None:
    server.call("POST", server.callback_path(), body)


@bounded
@given(body=mutations({"type": 8, "data": CHOICES}))
def test_suggestions(server: Server, body: Any) -> None:
    server.call("POST", server.callback_path(InteractionType.AUTOCOMPLETE), body)


@bounded
@given(body=mutations(COMMANDS))
def test_commands(server: Server, body: Any) -> None:
    path = f"/applications/{server.state.application_id}/commands"
    server.call("PUT", path, body)
    server.call("POST", path, body[0] if isinstance(body, list) and body else body)

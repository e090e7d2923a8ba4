"""Rate limits as a bot meets them, on the playground's clock."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.playground.client import Json, NotPossible, Person
from bot.playground.clock import Clock
from bot.playground.ratelimits import RateLimits, Window
from bot.playground.server import Playground
from tests.playground.judges import MATERIAL, Judges


class Calls:
    """The REST API with the headers of its answers."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def __call__(
        self, method: str, path: str, body: Json | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        async with self._http.request(method, f"/api/v10{path}", json=body) as response:
            is_json = response.content_type == "application/json"
            answer = await response.json() if is_json else await response.text()
            return response.status, answer, dict(response.headers)


class Frozen:
    """A clock that moves only when told to, so that no window ends by itself."""

    def __call__(self) -> float:
        return 1_800_000_000.0


@pytest.fixture
async def playground(request: pytest.FixtureRequest) -> AsyncIterator[Playground]:
    judges: Judges | None = request.getfixturevalue("judges") if MATERIAL.exists() else None
    playground = Playground(clock=Clock(Frozen()))
    await playground.start()
    yield playground
    await playground.stop()
    if judges:
        assert judges.verdict(playground.traffic) == []


@pytest.fixture
async def call(playground: Playground) -> Any:
    headers = {"Authorization": f"Bot {playground.token}"}
    async with aiohttp.ClientSession(playground.base, headers=headers) as http:
        yield Calls(http)


@pytest.fixture
def channels(playground: Playground) -> list[str]:
    return [f"/channels/{id}/messages" for id in playground.state.channels]


async def test_a_bucket_counts_down_and_refuses_until_its_window_is_over(
    call: Calls, channels: list[str], playground: Playground
) -> None:
    for left in (4, 3, 2, 1, 0):
        status, _, headers = await call("POST", channels[0], {"content": "x"})
        assert (status, headers["X-RateLimit-Remaining"]) == (200, str(left))
    status, answer, headers = await call("POST", channels[0], {"content": "x"})
    assert status == 429
    assert answer == {
        "message": "You are being rate limited.",
        "retry_after": 5.0,
        "global": False,
        "code": 0,
    }
    assert headers["X-RateLimit-Limit"] == "5"
    assert headers["X-RateLimit-Scope"] == "user"
    assert headers["X-RateLimit-Reset-After"] == "5.000"
    assert float(headers["X-RateLimit-Reset"]) == playground.clock.now() + 5
    assert headers["Retry-After"] == "5"
    assert len(playground.state.messages) == 5
    playground.clock.move(5)
    assert (await call("POST", channels[0], {"content": "x"}))[0] == 200


async def test_every_channel_has_its_own_bucket_under_one_name(call: Calls, channels: list[str]) -> None:
    for _ in range(5):
        _, _, first = await call("POST", channels[0], {"content": "x"})
    status, _, other = await call("POST", channels[1], {"content": "x"})
    assert (status, other["X-RateLimit-Remaining"]) == (200, "4")
    assert first["X-RateLimit-Bucket"] == other["X-RateLimit-Bucket"]
    _, _, reading = await call("GET", channels[0])
    assert reading["X-RateLimit-Bucket"] != first["X-RateLimit-Bucket"]


async def test_an_interaction_has_a_hidden_limit_that_is_shared(
    call: Calls, playground: Playground, alice: Person, commands: list[Json]
) -> None:
    del commands
    act = await alice.slash("imagine", {"prompt": "a hamster"})
    token = next(token for token, each in playground.state.interactions.items() if each.id == act.id)
    await call("POST", f"/interactions/{act.id}/{token}/callback", {"type": 5})
    path = f"/webhooks/{playground.state.application_id}/{token}/messages/@original"
    for round in range(30):
        if round % 5 == 0:
            playground.clock.move(2)
        assert (await call("PATCH", path, {"content": str(round)}))[0] == 200
    playground.clock.move(2)
    status, answer, headers = await call("PATCH", path, {"content": "31"})
    assert (status, headers["X-RateLimit-Scope"]) == (429, "shared")
    assert headers["X-RateLimit-Remaining"] == "4"
    assert answer["message"] == "The resource is being rate limited."
    assert (await alice.rate_limits())["invalid"]["used"] == 0


async def test_the_global_limit_is_over_all_routes_but_those_of_interactions(
    call: Calls, channels: list[str], playground: Playground, alice: Person, commands: list[Json]
) -> None:
    del commands
    await alice.rate_limits(forget=True, scale=100)
    for _ in range(50):
        assert (await call("GET", "/users/@me"))[0] == 200
    status, answer, headers = await call("GET", channels[0])
    assert (status, answer["global"], headers["X-RateLimit-Scope"]) == (429, True, "global")
    assert headers["X-RateLimit-Global"] == "true"
    assert "X-RateLimit-Bucket" not in headers
    act = await alice.slash("imagine", {"prompt": "a hamster"})
    token = next(token for token, each in playground.state.interactions.items() if each.id == act.id)
    assert (await call("POST", f"/interactions/{act.id}/{token}/callback", {"type": 5}))[0] == 204
    playground.clock.move(1)
    assert (await call("GET", channels[0]))[0] == 200


async def test_limits_can_be_scaled_and_switched_off(call: Calls, channels: list[str], alice: Person) -> None:
    assert (await alice.rate_limits(scale=0.2))["scale"] == 0.2
    statuses = [(await call("POST", channels[0], {"content": "x"}))[0] for _ in range(2)]
    assert statuses == [200, 429]
    await alice.rate_limits(enabled=False)
    assert [(await call("POST", channels[0], {"content": "x"}))[0] for _ in range(60)] == [200] * 60
    with pytest.raises(NotPossible, match="scale"):
        await alice.rate_limits(scale=0)


async def test_ten_thousand_invalid_requests_are_a_ban_until_ten_minutes_are_over(
    call: Calls, playground: Playground, alice: Person
) -> None:
    for _ in range(9_999):
        playground.rate_limits.answered(403, None)
    headers = {"Authorization": "Bot wrong"}
    async with (
        aiohttp.ClientSession(playground.base, headers=headers) as http,
        http.get("/api/v10/users/@me") as response,
    ):
        assert response.status == 401
    assert (await alice.rate_limits())["invalid"]["used"] == 10_000
    status, answer, told = await call("GET", "/users/@me")
    assert (status, answer, "Via" in told) == (429, "error code: 1015", False)
    assert told["Retry-After"] == "600"
    playground.clock.move(600)
    assert (await call("GET", "/users/@me"))[0] == 200


async def test_a_ban_can_be_begun_and_lifted(call: Calls, alice: Person) -> None:
    await alice.rate_limits(ban=True)
    assert (await call("GET", "/users/@me"))[0] == 429
    await alice.rate_limits(forget=True)
    assert (await call("GET", "/users/@me"))[0] == 200


async def test_what_counts_as_invalid() -> None:
    limits = RateLimits(clock=Clock(Frozen()))
    answers: list[tuple[int, str | None]] = [(401, None), (403, None), (429, "user"), (429, "global")]
    for status, scope in [*answers, (429, "shared"), (404, None), (400, None), (200, None)]:
        limits.answered(status, scope)
    assert limits.shape()["invalid"]["used"] == 4


def test_a_window_begins_with_its_first_use() -> None:
    window = Window(2, 10)
    assert [window.take(now) for now in (100, 105, 106, 110, 119, 120)] == [0, 0, 4, 0, 0, 0]

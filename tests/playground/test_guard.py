"""Only this machine, and only with the right token."""

import aiohttp
import pytest

from bot.playground.client import Person
from bot.playground.server import Playground


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:7800"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/page/main.js", "/playground/world", "/api/v10/gateway"])
async def test_foreign_hosts_and_origins_are_refused(
    playground: Playground, path: str, headers: dict[str, str], status: int
) -> None:
    async with aiohttp.ClientSession(playground.base) as http, http.get(path, headers=headers) as response:
        assert response.status == status


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_foreign_pages_reach_neither_acts_nor_files_nor_the_gateway(
    playground: Playground, alice: Person, headers: dict[str, str]
) -> None:
    said = await alice.say("look", files={"0": ("note.txt", b"secret")})
    path = said["attachments"][0]["url"].removeprefix(playground.base)
    act = {"user": "alice", "content": "not hers"}
    async with aiohttp.ClientSession(playground.base, headers=headers) as http:
        for request in (
            http.get(path),
            http.get("/playground/stream"),
            http.post("/playground/say", json=act),
            http.post("/playground/clock", json={"seconds": 3600}),
        ):
            async with request as response:
                assert response.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect("/gateway")
    assert refused.value.status == 403
    assert [message["content"] for message in await alice.messages()] == ["look"]


async def test_a_wrong_token_is_unauthorized(playground: Playground) -> None:
    headers = {"Authorization": "Bot wrong"}
    async with (
        aiohttp.ClientSession(playground.base, headers=headers) as http,
        http.get("/api/v10/users/@me") as response,
    ):
        assert (response.status, (await response.json())["code"]) == (401, 0)


async def test_it_listens_on_the_loopback_interface_only(playground: Playground) -> None:
    assert playground.base.startswith("http://127.0.0.1:")


async def test_every_run_has_its_own_token() -> None:
    assert Playground().token != Playground().token


async def test_answers_are_exactly_json(playground: Playground) -> None:
    async with aiohttp.ClientSession(playground.base) as http, http.get("/api/v10/gateway") as response:
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Via"]
        assert response.headers["X-RateLimit-Bucket"]


async def test_a_body_that_is_no_json_is_refused_as_such(playground: Playground) -> None:
    headers = {"Authorization": f"Bot {playground.token}", "Content-Type": "application/json"}
    path = f"/api/v10/applications/{playground.state.application_id}/commands"
    async with (
        aiohttp.ClientSession(playground.base, headers=headers) as http,
        http.put(path, data=b"{not json") as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, 50109)

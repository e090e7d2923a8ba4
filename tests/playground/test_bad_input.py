"""Whatever is sent, the answer has Discord's shape and is never a failure of the server; and nothing is kept."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.playground.conftest import Asked
from tests.playground.judges import MATERIAL

ROOT = Path(__file__).parents[2]
BODIES: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"17",
    b"NaN",
    b"[null, 1, {}]",
    b'{"type": null, "data": [], "name": 7, "content": {}, "options": "x", "components": 3, "embeds": {}}',
    b'{"type": 4, "data": {"content": 1e999, "embeds": [[]], "components": [[{}]], "attachments": [0], "flags": -1}}',
    b'{"content": "\\ud800", "name": "\\ud800", "description": "\\u0000", "type": 99999999999999999999999}',
    b'{"content": "cut',
    b'\xff\xfe{"content": 1}',
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
]
JUNK = ["0", "-1", "abc", "99999999999999999999999", "@original", "%00", "%F0%9F%90%B9"]
DOCUMENT = (ROOT / "docs/playground.md").read_text()
WORLD = DOCUMENT.split("## The world")[1].split("\n## ")[0]
ACTS = [
    *re.findall(r"^\| `POST[`, A-Z]* /playground/([\w-]+)`", DOCUMENT, re.MULTILINE),
    *(f"world/{name}" for name in re.findall(r"^\| `([\w/-]+)` \|", WORLD, re.MULTILINE)),
]
READS = ["messages", "commands", "interactions/1", "changes", "traffic"]

Ask = Callable[[], Awaitable[Asked]]


def operations() -> Iterator[tuple[str, str]]:
    """Method and path template of everything that Discord's OpenAPI file knows."""
    if MATERIAL.exists():
        document = json.loads((MATERIAL / "openapi.json").read_text())
        for path, methods in document["paths"].items():
            yield from ((method.upper(), path) for method in methods if method != "parameters")


class Caller:
    """Sends raw bytes as the bot, and notes every answer that Discord would not give."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.wrong: list[str] = []

    async def __call__(self, method: str, path: str, body: bytes, type: str = "application/json") -> None:
        headers = {"Content-Type": type}
        async with self._http.request(method, path, data=body, headers=headers) as response:
            text = await response.text()
            if response.status >= 500 or (response.status >= 400 and not _shaped(text)):
                self.wrong.append(f"{method} {path} {body[:80]!r}: {response.status} {text[:200]}")


def _shaped(text: str) -> bool:
    """Whether this is an error as Discord's API answers it, or as the person API does."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("message"), str)


@pytest.fixture
async def call(playground: Playground) -> AsyncIterator[Caller]:
    playground.rate_limits.enabled = False  # or most calls would be answered with 429
    headers = {"Authorization": f"Bot {playground.token}"}
    async with aiohttp.ClientSession(playground.base, headers=headers) as http:
        yield Caller(http)


@pytest.mark.skipif(not MATERIAL.exists(), reason="shared/discord is not beside the repository")
async def test_every_operation_of_discord_refuses_malformed_bodies_in_its_shape(
    playground: Playground, call: Caller, ask: Ask
) -> None:
    asked = await ask()
    _, answer = await asked.callback(4, {"content": "look"})
    known = {
        "message_id": answer["resource"]["message"]["id"],
        "command_id": next(iter(playground.state.commands)),
        "application_id": playground.state.application_id,
        "webhook_id": playground.state.application_id,
        "webhook_token": asked.act.token,
        "interaction_id": asked.act.id,
        "interaction_token": asked.act.token,
        "guild_id": playground.state.guild_id,
        "channel_id": asked.act.channel.id,
    }
    for method, template in operations():
        path = "/api/v10" + template.format_map(Names({} if method == "DELETE" else known))
        for body in BODIES:
            await call(method, path, body)
    assert call.wrong == []


class Names(dict[str, str]):
    """Known path parameters; 1 stands for all others."""

    def __missing__(self, name: str) -> str:
        return "1"


@pytest.mark.skipif(not MATERIAL.exists(), reason="shared/discord is not beside the repository")
async def test_ids_that_are_none_are_unknown_to_every_operation(call: Caller) -> None:
    for method, template in operations():
        for junk in JUNK:
            parts = [junk if part.startswith("{") else part for part in template.split("/")]
            await call(method, "/api/v10" + "/".join(parts), b"{}")
    assert call.wrong == []


def test_all_acts_of_the_document_are_known_here() -> None:
    assert {"slash", "say", "faults", "gateway", "rate-limits", "world/people", "world/roles/delete"} <= set(
        ACTS
    )


@pytest.mark.parametrize(
    "type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("act", ACTS)
async def test_the_person_api_refuses_malformed_bodies_with_a_sentence(
    call: Caller, act: str, type: str
) -> None:
    for body in BODIES:
        await call("POST", f"/playground/{act}", body, type)
    assert call.wrong == []


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "query",
    [
        "user=nobody&timeout=0",
        "channel=nowhere&timeout=0",
        "since=x&timeout=0",
        "since=nan&timeout=0",
        "since=inf&timeout=0",
    ],
)
async def test_the_person_api_refuses_malformed_queries_with_a_sentence(
    call: Caller, read: str, query: str
) -> None:
    await call("GET", f"/playground/{read}?{query}", b"")
    assert call.wrong == []


WATCHED = """
import os, runpy, sys

def note(event, details):
    if event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("written:", details[0], file=sys.stderr, flush=True)

sys.addaudithook(note)
runpy.run_module("bot.playground", run_name="__main__")
"""


async def test_nothing_is_written_to_disk(picture: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WATCHED,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    async with asyncio.timeout(30):
        base = (await process.stdout.readline()).decode().split()[1]
        async with Person(base) as alice:
            said = await alice.say("look", files={"0": ("big.png", picture + bytes(5 * 1024 * 1024))})
            assert len(await alice.download(said["attachments"][0]["url"])) > 5 * 1024 * 1024
        process.send_signal(signal.SIGINT)
        _, complaints = await process.communicate()
    assert complaints.decode() == ""


async def test_other_addresses_of_this_machine_do_not_answer(playground: Playground) -> None:
    """All of 127.0.0.0/8 is this machine: a server on every interface would answer at 127.0.0.2 too."""
    elsewhere = playground.base.replace("127.0.0.1", "127.0.0.2")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(elsewhere, timeout=aiohttp.ClientTimeout(5))

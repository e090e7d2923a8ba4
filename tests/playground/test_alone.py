"""The playground as a process of its own: `python -m bot.playground` and `darkroom playground`."""

import asyncio
import signal
import sys

import pytest

from bot.playground.client import Person


@pytest.mark.parametrize("program", [["bot.playground"], ["bot.cli", "playground"]])
async def test_it_prints_where_it_is_and_stops_when_interrupted(program: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *program, "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(20):
        lines = [(await process.stdout.readline()).decode().split() for _ in range(3)]
        said = {words[0]: words[1] for words in lines}
        async with Person(said["base"]) as alice:
            assert (await alice.world())["sessions"] == 0
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert said["gateway"] == said["base"].replace("http", "ws") + "/gateway"
    assert said["token"]


async def _refused(port: int) -> str:
    """What it says where it cannot listen."""
    async with asyncio.timeout(20):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.playground", "--port", str(port), stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said.decode()
    return said.decode()


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    said = await _refused(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    assert said.startswith("The playground cannot listen: ")


async def test_a_port_that_does_not_exist_is_a_sentence() -> None:
    assert await _refused(70_000) == "The playground cannot listen: there is no port 70000.\n"

"""`python -m bot.playground` as a process of its own."""

import asyncio
import signal
import sys

from bot.playground.client import Person


async def test_it_prints_where_it_is_and_stops_when_interrupted() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.playground", stdout=asyncio.subprocess.PIPE
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


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    async with asyncio.timeout(20):
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.playground", "--port", str(port), stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        server.close()
        await server.wait_closed()
    assert process.returncode == 1
    assert said.decode().startswith("The playground cannot listen: ")
    assert "Traceback" not in said.decode()

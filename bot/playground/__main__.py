"""`python -m bot.playground [--port P]`: the playground alone, for a bot that runs elsewhere on this machine."""

import argparse
import asyncio
import signal
import sys

from bot.playground.server import Playground


async def serve(port: int) -> None:
    """Listen until SIGINT or SIGTERM, after printing what a bot has to know."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    playground = Playground()
    base = await playground.start(port)
    sys.stdout.write(f"base     {base}\ngateway  {playground.gateway.base}\ntoken    {playground.token}\n")
    sys.stdout.flush()
    try:
        await stopping.wait()
    finally:
        await playground.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bot.playground", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    return run(parser.parse_args().port)


def run(port: int) -> int:
    """Serve until a signal; the exit code."""
    try:
        asyncio.run(serve(port))
    except (OSError, OverflowError) as error:  # asyncio's word for a port above 65535
        reason = error.strerror or error if isinstance(error, OSError) else f"there is no port {port}"
        sys.stderr.write(f"The playground cannot listen: {reason}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

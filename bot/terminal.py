"""Slash commands typed in a terminal, for a trial: what is asked, how far it is, and numbered buttons."""

import asyncio
import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from bot.playground.client import DidNotRespond, Interaction, Person
from bot.playground.errors import NotPossible
from bot.trial import Trial, buttons, follow, is_final

PICTURE_S = 3600.0
LOOK_EVERY_S = 0.25
GREETING = """
[bold]Darkroom is running.[/bold] The chat listens at {base}
Type a slash command as you would in Discord, for instance

    /imagine prompt:a hamster with a brush

A number presses a button of the newest reply; Ctrl-D ends. Pictures are saved in {out}/
"""


class Terminal:
    """One person at a keyboard. `run` returns how many commands did not end in a picture or an answer."""

    def __init__(self, *, trial: Trial, person: Person, out: Path, console: Console) -> None:
        self._trial = trial
        self._person = person
        self._out = out
        self._console = console
        self._newest: Mapping[str, Any] | None = None
        self._failures = 0

    async def run(self) -> int:
        """Read lines until the end of the input, then wait for what is still being drawn."""
        self._console.print(GREETING.format(base=self._trial.playground.base, out=self._out))
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        _read_lines(lines)
        async with asyncio.TaskGroup() as replies:
            while (line := await lines.get()) is not None:
                if line.strip():
                    await self._obey(line.strip(), replies)
        return self._failures

    async def _obey(self, line: str, replies: asyncio.TaskGroup) -> None:
        try:
            asked = await self._press(int(line)) if line.isdigit() else await self._person.enter(line)
        except (NotPossible, OSError) as error:
            self._failures += 1
            self._console.print(f"[red]{escape(_sentence(error))}[/red]")
        else:
            replies.create_task(self._show(asked), name=f"reply to {asked.id}")

    async def _press(self, number: int) -> Interaction:
        shown = buttons(self._newest) if self._newest else []
        if not 1 <= number <= len(shown):
            raise NotPossible(f"There is no button {number} now.")
        assert self._newest is not None
        return await self._person.press(dict(self._newest), shown[number - 1]["custom_id"])

    async def _show(self, asked: Interaction) -> None:
        """Print the reply whenever it changes, until it is final; then save its pictures."""
        said = ""
        try:
            while True:
                message = await self._person.wait_message(asked, timeout=PICTURE_S)
                if (text := _headline(message)) != said:
                    said = text
                    self._newest = message
                    self._console.print(f"  {escape(text)}")
                if is_final(message):
                    break
                await asyncio.sleep(LOOK_EVERY_S)
            outcome = await follow(self._person, asked, out=self._out, timeout=PICTURE_S)
        except (DidNotRespond, TimeoutError) as error:
            self._failures += 1
            self._console.print(f"[red]{escape(_sentence(error))}[/red]")
            return
        for file in outcome.files:
            self._console.print(f"  [green]{escape(file)}[/green]")
        numbered = [f"[{n}] {button.get('label', '')}" for n, button in enumerate(buttons(message), 1)]
        if numbered:
            self._console.print(f"  {escape('  '.join(numbered))}")


def _headline(message: Mapping[str, Any]) -> str:
    """The text of a message, or of its embeds, with mentions as a person reads them."""
    content = re.sub(r"<@\d+>", "@you", message["content"])
    texts = [content, *(str(embed.get("description") or "") for embed in message["embeds"])]
    return "\n  ".join(line for text in texts for line in text.splitlines() if line)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error) or "That took too long."


def _read_lines(lines: "asyncio.Queue[str | None]") -> None:
    """Lines of stdin, then None. From a daemon thread: a blocked read must not keep the program alive."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="stdin").start()

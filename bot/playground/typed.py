"""A slash command as a person types it: `/imagine prompt:a hamster steps:20 image:@picture.png`.

An option's name with a colon begins its value, which may contain spaces and ends at the next option's name.
Text before the first name belongs to the first option. `@` before a path attaches that file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.playground.errors import NotPossible
from bot.playground.options import OptionType, find_command
from bot.playground.state import Json


@dataclass(frozen=True)
class Typed:
    """`options` are still text; the playground converts and checks them."""

    command: str
    options: dict[str, str]
    files: dict[str, Path]


def parse(text: str, commands: Sequence[Json]) -> Typed:
    """Read a typed line against the commands that are offered. Raises NotPossible with a sentence."""
    name, rest = split_name(text)
    known = {command["id"]: command for command in commands}
    path, rest = _subcommands(name, rest, commands)
    command, steps = find_command(known, " ".join([name, *path]))
    specs: list[Json] = (steps[-1] if steps else command).get("options") or []
    values = _values(rest, [spec["name"] for spec in specs], name)
    attached = {spec["name"] for spec in specs if spec["type"] == OptionType.ATTACHMENT}
    return Typed(
        command=" ".join([name, *path]),
        options={option: value for option, value in values.items() if option not in attached},
        files={option: _path(option, value) for option, value in values.items() if option in attached},
    )


def split_name(text: str) -> tuple[str, str]:
    """The command's name, and what follows it. Raises NotPossible where there is none."""
    words = text.split(maxsplit=1)
    if not words or not words[0].startswith("/") or words[0] == "/":
        raise NotPossible("A command begins with a slash and its name, such as /imagine prompt:a hamster.")
    return words[0][1:], words[1] if len(words) > 1 else ""


def _subcommands(name: str, rest: str, commands: Sequence[Json]) -> tuple[list[str], str]:
    """The words after the name that choose a subcommand, and what is left of the line."""
    inside: list[Json] = next(
        (each["options"] for each in commands if each["name"] == name and each["type"] == 1), []
    )
    path: list[str] = []
    while rest:
        word, _, after = rest.partition(" ")
        step = next((each for each in inside if each["name"] == word and each["type"] in (1, 2)), None)
        if not step:
            break
        path.append(word)
        inside, rest = step.get("options") or [], after.strip()
    return path, rest


def _values(rest: str, names: list[str], command: str) -> dict[str, str]:
    """The line cut at the known option names."""
    if not names:
        if rest:
            raise NotPossible(f"/{command} takes no options; you gave {rest!r}.")
        return {}
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    first, *found = re.split(rf"(?:^|(?<=\s))({alternatives}):", rest)
    values: dict[str, str] = {}
    pairs = list(zip(found[::2], found[1::2], strict=True))
    if first.strip():
        pairs.insert(0, (names[0], first))
    for name, value in pairs:
        if name in values:
            raise NotPossible(f"{name} was given twice.")
        values[name] = value.strip()
    return values


def _path(option: str, value: str) -> Path:
    if not value.startswith("@") or value == "@":
        raise NotPossible(f"{option} takes a file: @ and its path; you gave {value!r}.")
    return Path(value[1:]).expanduser()

r"""Wildcards: `{a|b|c}` is one of the three, `__animal__` a line of the file animal.txt. Pure: no torch.

The choice comes from the image's seed alone, so the same seed draws the same picture. Options may be empty
and nest; braces without a bar are text, as are `\{` and the name of a file that is not there.
"""

import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from engine.prompts.limits import MAX_NESTING, MAX_WILDCARD_DEPTH
from engine.prompts.recent import Recent
from engine.wire import MAX_PROMPT_CHARS, GenerationRequest

Lines = Callable[[str], Sequence[str]]
Option = TypeVar("Option")


def no_lines(name: str) -> Sequence[str]:
    """Where there are no wildcard files."""
    del name
    return ()


MAX_FILE_CHARS = 1024 * 1024
KEPT_FILES = 16  # of up to a hundred thousand lines each
_TOKEN = re.compile(r"\\.|__[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*__|[{}|\[\]]|[^\\{}|\[\]_]+|[\\_]", re.DOTALL)


@dataclass(frozen=True)
class Words:
    """The two prompts of one image, every choice made."""

    prompt: str
    negative_prompt: str = ""


class WildcardFolder:
    """The files NAME.txt of a folder, an option a line; empty lines and those that begin with # are none.

    A prompt can name a file hundreds of times: it is read again only when it changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: Recent[tuple[str, int, int], tuple[str, ...]] = Recent(KEPT_FILES)

    def lines(self, name: str) -> tuple[str, ...]:
        """The options of a file, none where it cannot be read. `name` has letters, digits, - and _ alone."""
        path = self._folder / f"{name}.txt"
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited on for ever
                return ()
            return self._read.get((name, status.st_size, status.st_mtime_ns), lambda: _options(path))
        except OSError:
            return ()


def _options(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8", errors="replace") as file:
        stripped = [line.strip() for line in file.read(MAX_FILE_CHARS).splitlines()]
    return tuple(line for line in stripped if line and not line.startswith("#"))


def words_of(request: GenerationRequest, index: int, *, lines: Lines) -> Words:
    """What image `index` of a request is drawn from. `lines` gives the options of a wildcard file."""
    seed = request.image_seed(index)
    return Words(
        prompt=choose(request.prompt, random=Random(f"prompt {seed}"), lines=lines),
        negative_prompt=choose(request.negative_prompt, random=Random(f"negative {seed}"), lines=lines),
    )


def choose(text: str, *, random: Random, lines: Lines) -> str:
    """The text with every choice made. Of all files together at most MAX_PROMPT_CHARS characters are put in."""
    return _Chooser(random, lines).text_of(_parse(text), depth=0)


@dataclass(frozen=True)
class _Choice:
    options: tuple["_Node", ...]


@dataclass(frozen=True)
class _File:
    token: str

    @property
    def name(self) -> str:
        return self.token[2:-2]


_Node = str | _Choice | _File | tuple["_Node", ...]


@dataclass
class _Chooser:
    random: Random
    lines: Lines
    room: int = MAX_PROMPT_CHARS

    def text_of(self, node: _Node, depth: int) -> str:
        match node:
            case str():
                return node
            case _Choice():
                return self.text_of(self._one_of(node.options), depth)
            case _File():
                return self._line_of(node, depth)
            case _:
                return "".join(self.text_of(each, depth) for each in node)

    def _line_of(self, file: _File, depth: int) -> str:
        options = self.lines(file.name)
        line = self._one_of(options) if options and depth < MAX_WILDCARD_DEPTH else None
        if line is None or len(line) > self.room:
            return file.token
        self.room -= len(line)
        return self.text_of(_parse(line), depth + 1)

    def _one_of(self, options: Sequence[Option]) -> Option:
        return options[int(self.random.random() * len(options))]  # choice() differs between Pythons


@dataclass
class _Frame:
    """A bracket that is still open, "" for the whole text. Bars in square brackets belong to those."""

    opening: str = ""
    fields: list[list[_Node]] = field(default_factory=lambda: [[]])

    def add(self, node: _Node) -> None:
        self.fields[-1].append(node)

    def literal(self, closing: str = "") -> _Node:
        nodes: list[_Node] = [self.opening, *self.fields[0]]
        for each in self.fields[1:]:
            nodes += ["|", *each]
        return (*nodes, closing)

    def closed(self, closing: str) -> _Node:
        if self.opening == "{" and len(self.fields) > 1:
            return _Choice(tuple(map(tuple, self.fields)))
        return self.literal(closing)


def _parse(text: str) -> _Node:
    stack = [_Frame()]
    too_deep = 0
    for token in _TOKEN.findall(text):
        if token in ("{", "[") and len(stack) > MAX_NESTING:
            too_deep += 1
            stack[-1].add(token)
        elif token in ("{", "["):
            stack.append(_Frame(token))
        elif token in ("}", "]") and too_deep:
            too_deep -= 1
            stack[-1].add(token)
        elif token == "]" and stack[-1].opening == "[":
            closed = stack.pop().closed(token)
            stack[-1].add(closed)
        elif token == "}" and any(frame.opening == "{" for frame in stack):
            while stack[-1].opening != "{":
                _give_up(stack)
            closed = stack.pop().closed(token)
            stack[-1].add(closed)
        elif token == "|" and len(stack) > 1:
            stack[-1].fields.append([])
        else:
            stack[-1].add(_File(token) if len(token) > 4 and token.startswith("__") else token)
    while len(stack) > 1:
        _give_up(stack)
    return stack[0].literal()


def _give_up(stack: list[_Frame]) -> None:
    """A bracket that was never closed is text."""
    frame = stack.pop()
    stack[-1].add(frame.literal())

r"""Schedules: which text a prompt is at each step. Pure: no torch.

AUTOMATIC1111's grammar: `[from:to:when]`, `[to:when]` and `[from::when]` change the text after step `when`, a
whole number of steps or, with a point, a fraction of all; `[a|b|c]` takes the next text at every step. They
nest. What is no such thing stays as it is, for `engine/prompts/emphasis.py`. Time is linear in the length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.prompts.limits import MAX_NESTING, NUMBER

_TOKEN = re.compile(r"\\.|[\[\]():|]|[^\\\[\]():|]+|\\", re.DOTALL)
_NUMBER = re.compile(NUMBER)
_OPENING = {")": "(", "]": "["}


@dataclass(frozen=True)
class _Switch:
    before: "_Node"
    after: "_Node"
    when: str

    def boundary(self, steps: int) -> int:
        """The last step that shows `before`, at most `steps`; below 1 there is none."""
        last = float(self.when) * (steps if "." in self.when else 1)
        return int(max(0.0, min(float(steps), last)))


@dataclass(frozen=True)
class _Turns:
    texts: tuple["_Node", ...]


_Node = str | _Switch | _Turns | tuple["_Node", ...]


@dataclass(frozen=True)
class Schedule:
    """A prompt over its steps, which are counted from 1."""

    _root: _Node

    def at(self, step: int, steps: int) -> str:
        """The text of step `step` of `steps`."""
        return "".join(_render(self._root, step, steps))

    def table(self, steps: int) -> list[tuple[int, str]]:
        """Last step and text of each stretch, the last of them ending at `steps`."""
        ends = sorted({steps, *_boundaries(self._root, steps)})
        return [(end, self.at(end, steps)) for end in ends]


def parse(text: str) -> Schedule:
    """The schedule of a prompt. Any text is one."""
    stack = [_Frame()]
    too_deep = 0
    for token in _TOKEN.findall(text):
        if token in ("(", "["):
            if len(stack) <= MAX_NESTING:
                stack.append(_Frame(token))
                continue
            too_deep += 1
        elif token in _OPENING:
            if too_deep:
                too_deep -= 1
            elif stack[-1].opening == _OPENING[token]:
                closed = stack.pop().closed(token)
                stack[-1].add(closed)
                continue
            else:
                _give_up(stack)  # brackets that cross are text, all of them
        elif token in (":", "|") and len(stack) > 1:
            stack[-1].separate(token)
            continue
        stack[-1].add(token)
    _give_up(stack)
    return Schedule(stack[0].literal())


@dataclass
class _Frame:
    """A bracket that is still open, "" for the whole text: its fields and what separates them."""

    opening: str = ""
    fields: list[list[_Node]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)

    def add(self, node: _Node) -> None:
        self.fields[-1].append(node)

    def separate(self, separator: str) -> None:
        self.separators.append(separator)
        self.fields.append([])

    def literal(self, closing: str = "") -> _Node:
        """The bracket as it was written, with whatever was scheduled inside."""
        nodes: list[_Node] = [self.opening, *self.fields[0]]
        for separator, each in zip(self.separators, self.fields[1:], strict=True):
            nodes += [separator, *each]
        return (*nodes, closing)

    def closed(self, closing: str) -> _Node:
        kinds = set(self.separators)
        if self.opening == "[" and kinds == {"|"}:
            return _Turns(tuple(map(tuple, self.fields)))
        if self.opening == "[" and kinds == {":"} and len(self.fields) <= 3 and (when := self._number()):
            before, after = self.fields[:-1] if len(self.fields) == 3 else ([], self.fields[0])
            return _Switch(tuple(before), tuple(after), when)
        return self.literal(closing)

    def _number(self) -> str | None:
        texts = [node for node in self.fields[-1] if isinstance(node, str)]
        if len(texts) < len(self.fields[-1]):
            return None
        match = _NUMBER.fullmatch("".join(texts).strip())
        return match and match.group()


def _give_up(stack: list[_Frame]) -> None:
    """Every bracket that is still open is text."""
    while len(stack) > 1:
        frame = stack.pop()
        stack[-1].add(frame.literal())


def _render(node: _Node, step: int, steps: int) -> Iterator[str]:
    match node:
        case str():
            yield node
        case _Switch():
            yield from _render(node.before if step <= node.boundary(steps) else node.after, step, steps)
        case _Turns():
            yield from _render(node.texts[(step - 1) % len(node.texts)], step, steps)
        case _:
            for each in node:
                yield from _render(each, step, steps)


def _boundaries(node: _Node, steps: int) -> Iterator[int]:
    match node:
        case str():
            return
        case _Switch():
            if node.boundary(steps) >= 1:
                yield node.boundary(steps)
            yield from _boundaries((node.before, node.after), steps)
        case _Turns():
            yield from range(1, steps + 1)
        case _:
            for each in node:
                yield from _boundaries(each, steps)

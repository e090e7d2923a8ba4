r"""Emphasis: which weight each piece of a prompt has. Pure: no torch, no tokenizer.

AUTOMATIC1111's grammar: `(x)` is 1.1 times as strong, `[x]` 1.1 times as weak, `(x:1.3)` exactly that; nesting
multiplies. A bracket that is never closed reaches to the end, a closing one without its opening is text, and
`\(` is text. `BREAK` begins a new chunk. Time is linear in the length of the text.
"""

import re
from dataclasses import dataclass, field

from engine.prompts.limits import MAX_NESTING, NUMBER, bounded

_TOKEN = re.compile(
    rf"""  \\[()\[\]{{}}|:\\]                           # escaped
        | [(\[)\]]
        | :\s*(?P<weight>{NUMBER})\s*\)  # closes a round bracket with its weight
        | [^\\()\[\]:]+ | [:\\]
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")
_FACTORS = {"(": 1.1, "[": 1 / 1.1}
_OPENING = {")": "(", "]": "["}


@dataclass(frozen=True)
class Span:
    """A piece of text and its weight, 1.0 where nothing is said."""

    text: str
    weight: float = 1.0


def sections(text: str) -> tuple[tuple[Span, ...], ...]:
    """The spans between one BREAK and the next, at least one section of at least one span.

    Neighbours of equal weight are one span, so a prompt without emphasis is a single span of its own text.
    """
    tokens = list(_TOKEN.finditer(text))
    brackets = _Brackets.of(tokens)
    found: list[list[Span]] = [[]]
    for index, token in enumerate(tokens):
        if brackets.passes(index):
            continue
        for number, piece in enumerate(_pieces(token.group())):
            if number:
                found.append([])
            _append(found[-1], piece, brackets.weight)
    return tuple(tuple(spans) or (Span(""),) for spans in found)


def _pieces(token: str) -> list[str]:
    """A token's text without its escape, split where a BREAK stood."""
    if len(token) == 2 and token[0] == "\\":
        return [token[1]]
    first, *others = _BREAK.split(token)
    if not others:
        return [first]
    return [first.rstrip(), *(piece.strip() for piece in others[:-1]), others[-1].lstrip()]


def _append(spans: list[Span], text: str, weight: float) -> None:
    if spans and spans[-1].weight == weight:
        spans[-1] = Span(spans[-1].text + text, weight)
    elif text:
        spans.append(Span(text, weight))


@dataclass(frozen=True)
class _Range:
    """What a bracket does to the text within. `rank` is the order of closing: floats are multiplied in it."""

    rank: int
    factor: float


@dataclass
class _Brackets:
    """Which tokens are brackets with a meaning, and the weight where a reader stands among them."""

    opened: dict[int, _Range] = field(default_factory=dict)  # by the index of the opening token
    closed: dict[int, int] = field(default_factory=dict)  # the closing token's index to the opening one's
    weight: float = 1.0
    _active: dict[int, _Range] = field(default_factory=dict)

    @classmethod
    def of(cls, tokens: list[re.Match[str]]) -> "_Brackets":
        """Round and square brackets are paired each for itself: their ranges may overlap."""
        brackets = cls()
        waiting: dict[str, list[int]] = {"(": [], "[": []}
        too_deep = {"(": 0, "[": 0}
        for index, token in enumerate(tokens):
            if token.group() in waiting:
                if sum(map(len, waiting.values())) < MAX_NESTING:
                    waiting[token.group()].append(index)
                else:
                    too_deep[token.group()] += 1
            elif opening := _OPENING.get(token.group()[-1]) if _closes(token) else None:
                if too_deep[opening]:
                    too_deep[opening] -= 1
                elif waiting[opening]:
                    brackets._pair(waiting[opening].pop(), index, _factor(token, opening))
        for opening, indices in waiting.items():
            for index in indices:
                brackets._open(index, _FACTORS[opening])
        return brackets

    def _pair(self, opening: int, closing: int, factor: float) -> None:
        self._open(opening, factor)
        self.closed[closing] = opening

    def _open(self, opening: int, factor: float) -> None:
        self.opened[opening] = _Range(len(self.opened), factor)

    def passes(self, index: int) -> bool:
        """Step over token `index`: True where it is a bracket, and the weight is another from here on."""
        if index in self.opened:
            self._active[index] = self.opened[index]
        elif index in self.closed:
            del self._active[self.closed[index]]
        else:
            return False
        self.weight = 1.0
        for each in sorted(self._active.values(), key=lambda each: each.rank):
            self.weight *= each.factor
        self.weight = bounded(self.weight)
        return True


def _closes(token: re.Match[str]) -> bool:
    return token.group() in _OPENING or token.group("weight") is not None


def _factor(token: re.Match[str], opening: str) -> float:
    weight = token.group("weight")
    return _FACTORS[opening] if weight is None else bounded(float(weight))

"""Names of embeddings within a prompt. Pure: no torch.

As in AUTOMATIC1111 the bare name is the word, in any case. It is a word of its own: `film` is in `film, old` and in
`(film:1.2)`, not in `films` or `film-noir`.
"""

import re
from collections.abc import Collection

_WITHIN = r"[\w-]"


def named(text: str, names: Collection[str]) -> tuple[str, ...]:
    """Those of `names` that stand in the text, each once."""
    folded = text.casefold()
    likely = [name for name in names if name.casefold() in folded]  # of hundreds, hardly ever one
    found = {piece for piece, is_name in split(text, likely) if is_name}
    return tuple(name for name in likely if name in found)


def split(text: str, names: Collection[str]) -> list[tuple[str, bool]]:
    """The text in pieces, and whether each is a name, as `names` write it. Of two that fit, the longer one."""
    if not names:
        return [(text, False)]
    written = {name.casefold(): name for name in sorted(names)} | {name: name for name in names}
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<!{_WITHIN})({longest_first})(?!{_WITHIN})", re.IGNORECASE)
    pieces = pattern.split(text)
    return [
        (written.get(piece, written.get(piece.casefold(), piece)) if index % 2 else piece, bool(index % 2))
        for index, piece in enumerate(pieces)
        if piece
    ]

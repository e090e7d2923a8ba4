"""What lies in one of the folders beside that of the models, as an operator sees it. No torch."""

from dataclasses import dataclass
from pathlib import Path

from engine.models.fault import NotAModel


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file or a folder, with what speaks against it. `kind` has words that follow "it is".

    `weights` are the files that are read where it is used; none where there is a fault.
    """

    name: str
    kind: str
    place: Path
    family: str = ""
    weights: tuple[Path, ...] = ()
    fault: NotAModel | None = None

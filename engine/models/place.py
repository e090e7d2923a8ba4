"""Where something in one of our folders really lies, and whether it can be read at all. No torch."""

from pathlib import Path

from engine.models.fault import Missing, WrongKind


def check_place(place: Path, root: Path) -> None:
    """Raises WrongKind for a link that leads out of `root` and for what is neither file nor folder, Missing for a link
    that leads nowhere. A pipe would be waited on for ever.
    """
    try:
        real = place.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links that lead to each other
        raise Missing("it is a link that leads nowhere") from None
    if not real.is_relative_to(root.resolve()):
        raise WrongKind("it is a link that leads out of its folder")
    if not (real.is_file() or real.is_dir()):
        raise WrongKind("it is neither a file nor a folder")


def has(folder: Path, name: str) -> bool:
    """Whether a folder has such a file; also where it may not be looked into, which is told on reading it."""
    try:
        return (folder / name).is_file()
    except PermissionError:
        return True

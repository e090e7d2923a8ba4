"""What comes into a folder and what goes: whole or not at all."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def publish(aside: Path, target: Path) -> None:
    """Give what is finished, on the same disk, its name. Never over another: raises FileExistsError."""
    with suppress(OSError):
        os.link(aside, target)
        return
    if target.exists():
        raise FileExistsError(target.name)
    aside.rename(target)  # folders, and on disks without links


def put_in(source: Path, root: Path) -> Path:
    """Link or copy a file or a folder into `root`; returns its place there. Raises FileExistsError."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".adding-") as aside:
        copy = Path(aside) / source.name
        if source.is_dir():
            shutil.copytree(source, copy, copy_function=_link_or_copy)
        else:
            _link_or_copy(source, copy)
        publish(copy, root / source.name)
    return root / source.name


def take_out(place: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if place.is_symlink() or not place.is_dir():
        place.unlink()
        return
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".removing-") as aside:
        place.rename(Path(aside) / "it")  # gone at once, and never half


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(Path(source).resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)

"""What comes into a folder and what goes: whole or not at all.

Work that is not done lies in a hidden folder, which is locked by who works on it. One that nobody holds was left by a
program that was killed, and is removed by the next one that works there.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.models.fault import WrongKind

ADDING, CONVERTING, REMOVING = ".adding-", ".converting-", ".removing-"


@contextmanager
def aside(root: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `root`, one of ADDING, CONVERTING and REMOVING, that is gone with all in it afterwards."""
    with open_folder(root) as of_all:
        fcntl.flock(of_all, fcntl.LOCK_EX)  # between making a folder and locking it, it looks like a left one
        _sweep(root)
        folder = Path(tempfile.mkdtemp(dir=root, prefix=prefix))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    """A descriptor, to lock a folder by. A lock ends with its program, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_free(descriptor: int) -> bool:
    """Lock a folder, unless somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(root: Path) -> None:
    for left in [path for prefix in (ADDING, CONVERTING, REMOVING) for path in root.glob(f"{prefix}*")]:
        with suppress(OSError), open_folder(left) as descriptor:
            if is_free(descriptor):
                shutil.rmtree(left, ignore_errors=True)


def publish(finished: Path, target: Path) -> None:
    """Give what is finished, on the same disk, its name. Never over another: raises FileExistsError."""
    with suppress(OSError):
        os.link(finished, target)
        return
    if target.exists() or target.is_symlink():
        raise FileExistsError(target.name)
    try:
        finished.rename(target)  # folders, and on disks without links
    except OSError:
        if target.exists():  # since a moment ago
            raise FileExistsError(target.name) from None
        raise


def put_in(source: Path, root: Path) -> Path:
    """Link or copy a file or a folder into `root`; returns its place there.

    Raises FileExistsError, and WrongKind for a folder with links to folders.
    """
    root.mkdir(parents=True, exist_ok=True)
    with aside(root, ADDING) as folder:
        copy = folder / source.name
        if source.is_dir():
            shutil.copytree(source, copy, copy_function=_link_or_copy, ignore=_none_of)
        else:
            _link_or_copy(source, copy)
        publish(copy, root / source.name)
    return root / source.name


def take_out(place: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if place.is_symlink() or not place.is_dir():
        place.unlink()
        return
    with aside(place.parent, REMOVING) as folder:
        place.rename(folder / "it")  # gone at once, and never half


def _none_of(folder: str, names: Iterable[str]) -> set[str]:
    """All is copied. Raises WrongKind for what would be copied without end, or is no file."""
    for name in names:
        path = Path(folder) / name
        if path.is_symlink() and path.is_dir():
            raise WrongKind(f"its {name} is a link to a folder: put the folder itself there")
        if not (path.is_file() or path.is_dir()):
            raise WrongKind(f"its {name} is neither a file nor a folder")
    return set()


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(Path(source).resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)

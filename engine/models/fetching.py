"""`darkroom models fetch`: a model from the network into the models folder, whole or not at all. No torch.

It comes into a hidden folder beside the others, which stays where an attempt fails: the next one goes on there.
"""

import hashlib
import re
import shutil
import sys
import urllib.parse
from pathlib import Path

from engine.errors import Unavailable
from engine.models.checkpoint import SUFFIX
from engine.models.digests import sha256
from engine.models.download import Told, check_address, download
from engine.models.fault import Corrupt, NotAModel, WrongKind
from engine.models.hub import Hub
from engine.models.publishing import is_free, open_folder, publish
from engine.models.registry import NAME_PATTERN, Registry

GB = 10**9
SHOWN_EVERY = 0.01  # of the whole


class Fetcher:
    """Puts models into `root`. `endpoint` is the hub's address; None is the public one."""

    def __init__(self, root: Path, *, endpoint: str | None, max_bytes: int, told: Told) -> None:
        self._root = root
        self._hub = Hub(endpoint=endpoint)
        self._max_bytes = max_bytes
        self._told = told

    def fetch(self, what: str, *, name: str = "", expected: str = "", variant: str = "") -> list[str]:
        """Fetch OWNER/MODEL from the hub, or a `.safetensors` by its address; returns what to say.

        `expected` is the SHA-256 of the file. Raises NotAModel, FileExistsError and Unavailable.
        """
        is_file = "://" in what
        if is_file:
            check_address(what)
        last = urllib.parse.unquote(urllib.parse.urlsplit(what).path).rstrip("/").rpartition("/")[2]
        name = name or (last.removesuffix(SUFFIX) if is_file else last)
        if not re.fullmatch(NAME_PATTERN, name):
            raise WrongKind(
                "its name has characters other than letters, digits, space, '.', '_' and '-': use --name"
            )
        if expected and not is_file:
            raise WrongKind("--sha256 belongs to a single file; the hub tells the digests of its own")
        place = self._root / (f"{name}{SUFFIX}" if is_file else name)
        if any((self._root / taken).exists() for taken in (name, f"{name}{SUFFIX}")):
            raise FileExistsError(name)
        # What another address left under this name is not what this one goes on with.
        aside = self._root / f".fetching-{name}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
        aside.mkdir(parents=True, exist_ok=True)
        with open_folder(aside) as descriptor:
            if not is_free(descriptor):
                raise Unavailable(f"{name} is being fetched already.")
            said = [self._file(what, aside / place.name, expected)] if is_file else []
            if not is_file:
                self._folder(what, aside / name, variant)
            self._publish(aside, place)
        return [*said, f"{name} is a model now."]

    def _file(self, url: str, aside: Path, expected: str) -> str:
        if not aside.exists():
            download(url, aside, max_bytes=self._max_bytes, told=self._told)
        digest = sha256(aside)
        if expected and digest != expected.lower():
            aside.unlink()
            raise Corrupt(f"its SHA-256 is {digest}, not the one that was given")
        return f"SHA-256: {digest}"

    def _folder(self, repo: str, aside: Path, variant: str) -> None:
        aside.mkdir(exist_ok=True)
        self._hub.fetch(repo, aside, variant=variant, max_bytes=self._max_bytes, told=self._told)

    def _publish(self, aside: Path, place: Path) -> None:
        """Give what came its place, once the registry takes it. What it does not take is thrown away."""
        try:
            (entry,) = Registry(aside).entries()
            if entry.fault is not None:
                raise entry.fault
        except (NotAModel, ValueError) as fault:
            shutil.rmtree(aside)
            raise fault if isinstance(fault, NotAModel) else Corrupt("it is no model") from None
        if entry.place.is_dir():
            entry.place.rename(place)
        else:
            publish(entry.place, place)
        shutil.rmtree(aside)


class Shown:
    """Progress as a line that is written over. Not where nobody looks: a log would only fill."""

    def __init__(self) -> None:
        self._shown = 0.0

    def __call__(self, there: int, total: int) -> None:
        share = there / total if total else 0
        if not sys.stderr.isatty() or (share - self._shown < SHOWN_EVERY and there < total):
            return
        self._shown = share
        end = "\n" if there >= total else ""
        sys.stderr.write(f"\r{there / GB:.2f} of {total / GB:.2f} GB, {share:.0%} {end}")
        sys.stderr.flush()

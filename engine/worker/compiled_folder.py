"""The folder in which torch keeps what it compiled, for the next start.

Torch loads libraries from there without a look at what is in them, and one that is cut short ends the process. So the
files' digests are kept beside them, and where one differs at the start the folder is made anew.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"  # by which torch knows the folder
DIGESTS = "digests.json"


class CompiledFolder:
    """`path` need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Discard it, with one line in the log, where a file is not what it was. Blocking."""
        try:
            digests = json.loads((self.path / DIGESTS).read_bytes())
            whole = all(digests.get(name, digest) == digest for name, digest in self._digests().items())
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError):
            whole = False
        if not whole:
            self.discard("is damaged")

    def seal(self) -> None:
        """Take what it holds now for good; a disk that takes nothing is logged. Blocking, milliseconds."""
        aside = self.path / f"{DIGESTS}.{os.getpid()}.part"  # another engine may have the same folder
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(self._digests()))
            aside.replace(self.path / DIGESTS)
        except OSError as error:
            log.warning("what was compiled could not be sealed: %s", error.strerror)

    def discard(self, why: str) -> None:
        """Begin with an empty one."""
        log.warning("what was compiled before %s: it is discarded and compiled anew", why)
        shutil.rmtree(self.path, ignore_errors=True)

    def _digests(self) -> dict[str, str]:
        """SHA-256 of every file, by its name in the folder."""
        return {
            str(file.relative_to(self.path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and not file.name.startswith(DIGESTS)
        }

"""A program of the benchmarks, given as `python` takes it, which Ctrl-C ends without a traceback."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

INTERRUPTED = 130  # as a shell says it


def main(words: Sequence[str]) -> None:
    """Run `-m MODULE …` or `FILE …`."""
    try:
        if words[0] == "-m":
            sys.argv = [*words[1:]]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = [*words], str(Path(words[0]).parent)
            runpy.run_path(words[0], run_name="__main__")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main(sys.argv[1:])

"""`python -m engine.worker`: the process that owns one device. The front starts it; see `engine/frames.py`."""

import gc
import os
import sys
import traceback


def main() -> None:
    gc.disable()  # while the libraries' objects are made, which stay: to look through them is a sixth of the start
    from engine.worker.program import main as work

    gc.freeze()
    gc.enable()
    try:
        work()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        _exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        _exit(1)


def _exit(code: int) -> None:
    """Before the exception and with it the pipe is gone: the front would kill us, and report that, not the code."""
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

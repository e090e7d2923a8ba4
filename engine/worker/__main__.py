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
    code = 0
    try:
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(
        code
    )  # before its pipes close, after which the front would kill it and report that instead of the code


if __name__ == "__main__":
    main()

"""`python -m engine.worker`: the process that owns one device. The front starts it; see `engine/frames.py`."""

import gc


def main() -> None:
    gc.disable()  # while the libraries' objects are made, which stay: to look through them is a sixth of the start
    from engine.worker.program import main as work

    gc.freeze()
    gc.enable()
    work()


if __name__ == "__main__":
    main()

"""A call that takes long and says when a step is done, made to go one step at a time."""

import threading
from collections.abc import Callable


class Abandoned(BaseException):
    """Raised inside of the call, which is not wanted any more. No `except Exception` in it stops that."""


class SteppedCall:
    """Runs `work(pause)` in a thread of its own, which stands still except during `step`.

    So whoever steps and what is stepped are never at work together, and a device has one user at a time.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._unwanted = self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="stepped call")
        self._thread.start()

    def step(self) -> bool:
        """Go on until the next pause; False at the end. Raises what the call raises."""
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return not self._ended

    def abandon(self) -> None:
        """End the call where it stands."""
        self._unwanted = True
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._wait()
            self._work(self._pause)
        except Abandoned:
            pass
        except BaseException as error:  # it is raised where `step` was called
            self._error = error
        self._ended = True
        self._back.release()

    def _pause(self) -> None:
        self._back.release()
        self._wait()

    def _wait(self) -> None:
        self._go.acquire()
        if self._unwanted:
            raise Abandoned

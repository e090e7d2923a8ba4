"""What kept a file from being loaded, in the one line of the log that an operator looks for."""

import logging

from engine.worker.device import is_out_of_memory

log = logging.getLogger(__name__)


def note_damage(what: str, error: Exception) -> None:
    """Log the innermost cause; how the libraries came to it is for DEBUG.

    Raises `error` itself where memory was short: then nothing speaks against the file.
    """
    if is_out_of_memory(error):
        raise error
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    said = (str(cause).splitlines() or [""])[0]
    log.error("%s could not be loaded: %s: %s", what, type(cause).__name__, said)
    log.debug("%s could not be loaded", what, exc_info=error)

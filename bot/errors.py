"""What the bot raises, and what a person sees of what nobody expected.

DarkroomError
├── Refused         a person asked for something that cannot be done: the text is shown as written
└── Misconfigured   the operator has to change something: one sentence, then the process ends
"""

import logging
import secrets

log = logging.getLogger(__name__)


class DarkroomError(Exception):
    """The root of the errors that the bot raises on purpose. The text is a whole sentence."""


class Refused(DarkroomError):
    """A clear no to a person. The sentence, which names field, limit and value, is shown as written."""


class Misconfigured(DarkroomError):
    """A setting or a file has to be changed before the bot can start. The sentence says which and how."""


def reference() -> str:
    """A short code that ties what a person saw to a line in the log: six hexadecimal digits."""
    return secrets.token_hex(3)


def unexpected(error: BaseException, *, doing: str) -> str:
    """Log `error` with its traceback under a fresh reference; return the sentence for the person."""
    code = reference()
    log.error("ref %s: failed while %s", code, doing, exc_info=error)
    return f"Something broke (ref {code})."

"""Logging to stderr, with tokens taken out of every line, tracebacks included."""

import logging
import re
from collections.abc import Sequence

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"  # the bot's, beside which it stands
REDACTED = "[redacted]"
_TOKEN_SHAPES = re.compile(
    r"(?<=Bearer )[^\s'\"]+"
    r"|[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}"  # a Discord bot's token
)


class RedactingFormatter(logging.Formatter):
    """Takes out the `secrets` it is given, and whatever looks like a token."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(FORMAT)
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return _TOKEN_SHAPES.sub(REDACTED, text)


def set_up_logging(level: str, *, secrets: Sequence[str]) -> None:
    """Everything from `level` up goes to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)

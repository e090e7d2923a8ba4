"""The bot's log: one line per event on standard error, with secrets taken out."""

import logging
import re
from collections.abc import Iterable

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
HIDDEN = "[hidden]"
HEARTBEAT_S = 41.0  # Discord asks for one every 41.25 s
_DATABASE = ("sqlalchemy", "aiosqlite", "alembic")
# A bot token; an interaction or webhook token in an address; a bearer token in a header.
_SECRETS = re.compile(
    r"[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}"
    r"|(?<=/webhooks/)\d+/[\w.%-]+"
    r"|(?<=/interactions/)\d+/[\w.%-]+"
    r"|(?<=Bearer )\S+"
)


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, and then hides whatever looks like a token or is one of ours."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(FORMAT)
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _SECRETS.sub(HIDDEN, text)


def set_up(level: str, secrets: Iterable[str]) -> None:
    """Log everything from `level` on to standard error, never showing any of `secrets`."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Below these levels they print whole payloads: prompts, statements with their values, tokens in addresses.
    for names, least in ((("discord", "aiohttp", "PIL"), logging.INFO), (_DATABASE, logging.WARNING)):
        for name in names:
            logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))
    logging.getLogger("discord.client").addFilter(_is_not_about_voice)
    logging.getLogger("discord.gateway").addFilter(_is_not_the_last_heartbeat)


def _is_not_about_voice(record: logging.LogRecord) -> bool:
    """discord.py warns at every start that it cannot speak; nobody asked it to."""
    return "voice will NOT be supported" not in record.getMessage()


def _is_not_the_last_heartbeat(record: logging.LogRecord) -> bool:
    """discord.py notes in a thread when it sent a heartbeat: one that was answered before the thread woke up looks as
    late as the one before it was sent.
    """
    if not str(record.msg).startswith("Can't keep up") or not isinstance(record.args, tuple):
        return True
    behind = record.args[-1]
    return not (isinstance(behind, float) and behind >= HEARTBEAT_S)

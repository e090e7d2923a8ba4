"""A job's events as they come over HTTP: bytes of a `text/event-stream` to events of the contract. Pure."""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from bot.jobs.ports import EngineEvent, EngineRefused
from engine.wire import EVENT, ErrorBody

log = logging.getLogger(__name__)

LINE_LIMIT = 1024 * 1024  # bytes; a preview is some tens of thousands


@dataclass(frozen=True, kw_only=True)
class ServerSentEvent:
    """One event of a `text/event-stream`: its data, and its id where it has one."""

    data: str
    id: str | None = None


class EventParser:
    """Bytes to events, by WHATWG's rules: https://html.spec.whatwg.org/#event-stream-interpretation

    Comments, and fields other than `data` and `id`, are skipped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete. Raises EngineRefused for a line over 1 MiB."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if any(len(line) > LINE_LIMIT for line in (*lines, self._rest)):
            raise nonsense("a line that does not end")
        events = [self._line(line.removesuffix(b"\r").decode(errors="replace")) for line in lines]
        return [event for event in events if event is not None]

    def _line(self, line: str) -> ServerSentEvent | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        elif not line and self._data:
            event = ServerSentEvent(data="\n".join(self._data), id=self._id)
            self._data = []
            return event
        return None


def event_of(data: str) -> EngineEvent:
    """Raises EngineRefused for what is none."""
    try:
        return EVENT.validate_json(data)
    except ValidationError as error:
        log.error("not an event: %s", error.errors(include_input=False, include_url=False))
        raise nonsense("an event that this bot does not know") from error


def nonsense(what: str) -> EngineRefused:
    """For `what` cannot have been said by an engine of this version."""
    message = f"The engine sent {what}. Are the engine and the bot of the same version?"
    return EngineRefused(ErrorBody(code="version_mismatch", message=message))

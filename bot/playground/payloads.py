"""The shapes of what a bot may send over the gateway.

https://discord.com/developers/docs/events/gateway-events#send-events
"""

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.playground.intents import EVERY, PRIVILEGED, Intents
from bot.playground.sessions import GatewayClosed, Op, Shard

PAYLOAD_BYTES = 4096

Shape = TypeVar("Shape", bound="Payload")


class Payload(BaseModel):
    """Unknown fields are ignored, as Discord does."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Presence(Payload):
    status: str
    activities: list[dict[str, Any]] = []
    since: float | None = None
    afk: bool = False


class Identify(Payload):
    token: str
    intents: Any = None
    shard: Any = None
    compress: bool | None = None
    presence: Presence | None = None

    def wanted(self, allowed: Intents) -> Intents:
        """Raises GatewayClosed 4013 for bits that mean nothing, 4014 for those that are not switched on."""
        if type(self.intents) is not int or self.intents < 0 or self.intents & ~EVERY.value:
            raise GatewayClosed(4013, "Invalid intent(s).")
        intents = Intents(self.intents)
        if intents & PRIVILEGED & ~allowed:
            raise GatewayClosed(4014, "Disallowed intent(s).")
        return intents

    def sharded(self) -> Shard:
        """Raises GatewayClosed 4010. Without the field: the only shard."""
        match self.shard:
            case None:
                return Shard(0, 1)
            case [int(id), int(count)] if 0 <= id < count:
                return Shard(id, count)
        raise GatewayClosed(4010, "Invalid shard.")


class Resume(Payload):
    token: str
    session_id: str
    seq: Annotated[int, Field(ge=0)]


class VoiceState(Payload):
    guild_id: str
    channel_id: str | None = None
    self_mute: bool = False
    self_deaf: bool = False


class RequestMembers(Payload):
    """Either those whose name begins with `query` (all: "" and `limit` 0), or those with `user_ids`."""

    guild_id: Annotated[str | int | list[Any], Field()]
    query: str | None = None
    limit: Annotated[int, Field(ge=0)] = 0
    presences: bool = False
    user_ids: str | int | Annotated[list[str | int], Field(max_length=100)] | None = None
    nonce: str | None = None

    @property
    def guild(self) -> str:
        """Its id: old clients send a list of one."""
        first = self.guild_id[0] if isinstance(self.guild_id, list) and self.guild_id else self.guild_id
        return str(first)

    @property
    def ids(self) -> list[str]:
        wanted = self.user_ids if isinstance(self.user_ids, list) else [self.user_ids]
        return [str(each) for each in wanted if each is not None]


def decode(raw: str | bytes) -> tuple[Op, Any]:
    """The opcode and the data. Raises GatewayClosed 4002 for what is no payload, 4001 for an unknown opcode."""
    if len(raw if isinstance(raw, bytes) else raw.encode()) > PAYLOAD_BYTES:
        raise undecodable()
    try:
        payload = json.loads(raw)
        code, data = payload["op"], payload.get("d")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise undecodable() from None
    try:
        return Op(code), data
    except ValueError:
        raise GatewayClosed(4001, "Unknown opcode.") from None


def read(shape: type[Shape], data: Any) -> Shape:
    """Raises GatewayClosed 4002 where the data is not of this shape."""
    try:
        return shape.model_validate(data)
    except ValidationError:
        raise undecodable() from None


def undecodable() -> GatewayClosed:
    return GatewayClosed(4002, "Error while decoding payload.")

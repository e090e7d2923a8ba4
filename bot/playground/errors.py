"""Discord's errors as its API words them, and the playground's own refusals to a person.

Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]  # of a field in a body


class NotPossible(Exception):
    """What a person asked for, Discord's client would not send. The text is a sentence for that person."""


class DiscordError(Exception):
    """An answer of the API with status 400 or above: `{message, code, errors?}` and `extra`."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"message": message, "code": code, **(extra or {})}
        if errors:
            self.body["errors"] = dict(errors)


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field of a body: where, Discord's code for it, and a sentence."""

    path: Path
    code: str
    message: str


def invalid_form(errors: Sequence[FieldError]) -> DiscordError:
    """50035, with the tree that tells for every field what is wrong with it."""
    tree: dict[str, Any] = {}
    for error in errors:
        node = tree
        for part in error.path:
            node = node.setdefault(str(part), {})
        node.setdefault("_errors", []).append({"code": error.code, "message": error.message})
    return DiscordError(400, 50035, "Invalid Form Body", errors=tree)


def not_found() -> DiscordError:
    return DiscordError(404, 0, "404: Not Found")


def method_not_allowed() -> DiscordError:
    return DiscordError(405, 0, "405: Method Not Allowed")


def unauthorized() -> DiscordError:
    return DiscordError(401, 0, "401: Unauthorized")


def invalid_json() -> DiscordError:
    return DiscordError(400, 50109, "The request body contains invalid JSON.")


def unknown_channel() -> DiscordError:
    return DiscordError(404, 10003, "Unknown Channel")


def unknown_guild() -> DiscordError:
    return DiscordError(404, 10004, "Unknown Guild")


def unknown_message() -> DiscordError:
    return DiscordError(404, 10008, "Unknown Message")


def unknown_user() -> DiscordError:
    return DiscordError(404, 10013, "Unknown User")


def unknown_webhook() -> DiscordError:
    return DiscordError(404, 10015, "Unknown Webhook")


def unknown_interaction() -> DiscordError:
    return DiscordError(404, 10062, "Unknown interaction")


def unknown_command() -> DiscordError:
    return DiscordError(404, 10063, "Unknown application command")


def too_large() -> DiscordError:
    return DiscordError(413, 40005, "Request entity too large")


def already_acknowledged() -> DiscordError:
    return DiscordError(400, 40060, "Interaction has already been acknowledged.")


def missing_access() -> DiscordError:
    return DiscordError(403, 50001, "Missing Access")


def missing_permissions() -> DiscordError:
    return DiscordError(403, 50013, "Missing Permissions")


def unknown_member() -> DiscordError:
    return DiscordError(404, 10007, "Unknown Member")


def unknown_overwrite() -> DiscordError:
    return DiscordError(404, 10009, "Unknown Overwrite")


def unknown_role() -> DiscordError:
    return DiscordError(404, 10011, "Unknown Role")


def unknown_emoji() -> DiscordError:
    return DiscordError(400, 10014, "Unknown Emoji")


def unknown_command_permissions() -> DiscordError:
    return DiscordError(404, 10066, "Unknown application command permissions")


def not_for_bots() -> DiscordError:
    return DiscordError(403, 20001, "Bots cannot use this endpoint")


def too_many_commands(limit: int) -> DiscordError:
    return DiscordError(400, 30032, f"Maximum number of application commands reached ({limit}).")


def too_many_creates(limit: int) -> DiscordError:
    return DiscordError(
        400, 30034, f"Max number of daily application command creates has been reached ({limit})."
    )


def too_many_pins() -> DiscordError:
    return DiscordError(400, 30003, "Maximum number of pins reached for the channel (250)")


def too_many_reactions() -> DiscordError:
    return DiscordError(400, 30010, "Maximum number of reactions reached (20)")


def not_in_direct_messages() -> DiscordError:
    return DiscordError(403, 50003, "Cannot execute action on a DM channel")


def unreachable() -> DiscordError:
    return DiscordError(403, 50007, "Cannot send messages to this user")


def wrong_channel_type() -> DiscordError:
    return DiscordError(400, 50024, "Cannot execute action on this channel type")


def too_old_for_bulk() -> DiscordError:
    return DiscordError(400, 50034, "You can only bulk delete messages that are under 14 days old.")


def thread_archived() -> DiscordError:
    return DiscordError(400, 50083, "Thread is archived")


def thread_exists() -> DiscordError:
    return DiscordError(400, 160004, "A thread has already been created for this message")


def thread_locked() -> DiscordError:
    return DiscordError(400, 160005, "Thread is locked")


def too_many_follow_ups() -> DiscordError:
    return DiscordError(400, 40094, "This interaction has reached the maximum number of follow-up messages")


def invalid_version() -> DiscordError:
    return DiscordError(400, 50041, "Invalid API version provided")


def not_the_author() -> DiscordError:
    return DiscordError(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> DiscordError:
    return DiscordError(400, 50006, "Cannot send an empty message")


def poll_expired() -> DiscordError:
    return DiscordError(400, 520001, "Poll expired")


def poll_not_editable() -> DiscordError:
    return DiscordError(400, 520003, "Cannot edit a poll message")


def no_poll() -> DiscordError:
    return DiscordError(400, 520006, "Cannot expire a non-poll message")


def invalid_webhook_token() -> DiscordError:
    return DiscordError(401, 50027, "Invalid Webhook Token")

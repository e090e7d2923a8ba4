"""What a bot's body makes of a message: its content, embeds, files, components and poll, checked together.

https://discord.com/developers/docs/resources/message
"""

import re
from collections.abc import Mapping

from bot.playground import errors, rules, shapes
from bot.playground.bodies import MessageBody, without_nulls
from bot.playground.cdn import Cdn, Upload
from bot.playground.component_rules import check_references
from bot.playground.components import Echo
from bot.playground.errors import Path
from bot.playground.poll_shapes import opened
from bot.playground.state import Json, Message, MessageFlags, State

Uploads = Mapping[str, Upload]

SETTABLE = MessageFlags.SUPPRESS_EMBEDS | MessageFlags.SUPPRESS_NOTIFICATIONS | MessageFlags.COMPONENTS_V2


class Composition:
    """Puts bodies into messages. Nothing is changed where a rule says no."""

    def __init__(self, *, state: State, cdn: Cdn) -> None:
        self._state = state
        self._cdn = cdn

    def apply(
        self,
        message: Message,
        sent: Json,
        parsed: MessageBody,
        uploads: Uploads,
        *,
        flags: int,
        at: Path,
    ) -> None:
        """Check everything, then put the body into the message. `flags` are those that it has anyway."""
        flags |= (parsed.flags or 0) & SETTABLE
        rules.check_files(uploads)
        rules.check_message(parsed, flags=flags, at=at)
        sent = self._cdn.unsigned(sent)
        attachments = self._attachments(message, sent, uploads, at)
        check_references(
            parsed.components or [], [each["filename"] for each in attachments], (*at, "components")
        )
        body = {**message.body, "flags": int(flags)}
        for name, empty in (("content", ""), ("embeds", []), ("components", [])):
            if name in sent:
                body[name] = without_nulls(sent[name]) or empty
        body |= self._shown(body, attachments)
        if parsed.poll:
            body["poll"] = opened(without_nulls(sent["poll"]), self._state.clock.now())
        if "content" in sent:
            body |= self._mentions(message, body["content"], parsed)
        _check_filled(body, attachments, at)
        message.body, message.attachments = body, attachments
        if parsed.poll:
            self._state.open_polls.add(message.id)

    def _attachments(self, message: Message, sent: Json, uploads: Uploads, at: Path) -> list[Json]:
        """The list names all that stay: kept ones by their id, new ones by the n of files[n]."""
        kept = {each["id"]: each for each in message.attachments}
        listed = sent.get("attachments")
        if listed is None:
            listed = [{"id": id} for id in (*kept, *uploads)]
        rules.check_attachments(len(listed))
        attachments: list[Json] = []
        for index, entry in enumerate(listed):
            id = str(entry["id"])
            if id in kept:
                attachment = kept[id]
            elif id in uploads:
                attachment = self._store(message, uploads[id])
            else:
                place = (*at, "attachments", index, "id")
                said = "Attachment not found"
                raise errors.invalid_form([errors.FieldError(place, "ATTACHMENT_NOT_FOUND", said)])
            described = {"description": entry["description"]} if entry.get("description") else {}
            attachments.append({**attachment, **described})
        return attachments

    def _store(self, message: Message, upload: Upload) -> Json:
        ephemeral = bool(message.body["flags"] & MessageFlags.EPHEMERAL)
        return self._cdn.store(self._state.snowflakes.next(), message.channel_id, upload, ephemeral=ephemeral)

    def _shown(self, body: Json, attachments: list[Json]) -> Json:
        """Embeds and components with their files, and the files that are left to show on their own."""
        echo = Echo(attachments, self._state.snowflakes)
        components = echo.components(body["components"])
        in_components, echo.used = echo.used, set()
        embeds = echo.embeds(body["embeds"])
        hidden = _in_embeds(embeds, attachments) - in_components
        left = [each for each in attachments if each["id"] not in hidden]
        return {"components": components, "embeds": embeds, "attachments": left}

    def _mentions(self, message: Message, content: str, parsed: MessageBody) -> Json:
        """Who is pinged. Without a word from the bot: users always, the others only in plain messages."""
        allowed = parsed.allowed_mentions
        kinds = ["users"] if "webhook_id" in message.body else ["users", "roles", "everyone"]
        if allowed:
            kinds = [*(allowed.parse or [])]
        users = set(allowed.users or []) if allowed else set[str]()
        roles = set(allowed.roles or []) if allowed else set[str]()
        pinged = [each for each in self._state.mentioned(content) if "users" in kinds or each.id in users]
        guild = self._state.channels[message.channel_id].guild
        named = [id for id in re.findall(r"<@&(\d+)>", content) if guild and id in guild.roles]
        called = "@everyone" in content or "@here" in content
        return {
            "mentions": [shapes.user(each) for each in pinged],
            "mention_roles": [id for id in named if "roles" in kinds or id in roles],
            "mention_everyone": "everyone" in kinds and called,
        }


def _check_filled(body: Json, attachments: list[Json], at: Path) -> None:
    """Raises DiscordError: 50006 where nothing is left, 50035 where a layout keeps its older fields."""
    v2 = body["flags"] & MessageFlags.COMPONENTS_V2
    if v2 and (old := [name for name in ("content", "embeds") if body[name]]):
        raise errors.invalid_form([rules.legacy_error(name, at) for name in old])
    filled = [body["components"]]  # in a layout, files show only in components
    if not v2:
        filled += [body["content"], body["embeds"], attachments, body.get("poll")]
    if not any(filled) and not body["flags"] & MessageFlags.LOADING:
        raise errors.empty_message()


def _in_embeds(embeds: list[Json], attachments: list[Json]) -> set[str]:
    """Ids of the attachments that an embed shows: Discord does not list them a second time."""
    shown = {embed[name]["url"] for embed in embeds for name in ("image", "thumbnail") if embed.get(name)}
    return {each["id"] for each in attachments if each["url"] in shown}

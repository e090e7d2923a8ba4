"""Discord's rules about messages that span several fields, which its OpenAPI file does not express.

Each names where Discord documents it, by the page under https://discord.com/developers/docs. Those about
components are in `component_rules.py`, those about commands in `command_rules.py`.
"""

from collections.abc import Iterator, Mapping

from bot.playground.bodies import MessageBody
from bot.playground.cdn import Upload
from bot.playground.component_rules import message_errors
from bot.playground.errors import DiscordError, FieldError, Path, invalid_form, too_large
from bot.playground.state import FILE_LIMIT, REQUEST_LIMIT, MessageFlags

EMBED_TEXT = 6000
ATTACHMENTS = 10
ANSWER_TEXT = 55


def check_files(uploads: Mapping[str, Upload]) -> None:
    """reference#uploading-files. Raises DiscordError 40005 above 20 MiB a file or 25 MiB together."""
    sizes = [len(upload.data) for upload in uploads.values()]
    if any(size > FILE_LIMIT for size in sizes) or sum(sizes) > REQUEST_LIMIT:
        raise too_large()


def check_message(body: MessageBody, *, flags: int, at: Path = ()) -> None:
    """resources/message. `flags` are those of the body and of the message that it edits. Raises DiscordError."""
    v2 = bool(flags & MessageFlags.COMPONENTS_V2)
    errors = [*_embeds(body, at), *_mentions(body, at), *_poll(body, at)]
    errors += message_errors(body.components or [], (*at, "components"), v2=v2)
    if v2:
        errors += [legacy_error(name, at) for name in ("content", "embeds", "poll") if getattr(body, name)]
    if errors:
        raise invalid_form(errors)


def check_attachments(count: int) -> None:
    """resources/message: ten attachments a message. Raises DiscordError 30015."""
    if count > ATTACHMENTS:
        raise DiscordError(400, 30015, f"Maximum number of attachments in a message reached ({ATTACHMENTS})")


def check_deferred(flags: object, at: Path) -> None:
    """interactions/receiving-and-responding: a deferred answer may only be private (64). Raises DiscordError."""
    if flags not in (None, 0, int(MessageFlags.EPHEMERAL)):
        said = "Only MessageFlags.EPHEMERAL can be set on a deferred response."
        raise invalid_form([FieldError((*at, "flags"), "BASE_TYPE_CHOICES", said)])


def legacy_error(name: str, at: Path) -> FieldError:
    """components/reference: the flag of components v2 excludes the older fields."""
    said = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
    return FieldError((*at, name), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", said)


def _embeds(body: MessageBody, at: Path) -> Iterator[FieldError]:
    """resources/message#embed-object-embed-limits: 6000 characters over all embeds of a message."""
    total = 0
    for embed in body.embeds or []:
        texts = [embed.title, embed.description]
        texts += [embed.footer.text if embed.footer else None, embed.author.name if embed.author else None]
        texts += [text for field in embed.fields or [] for text in (field.name, field.value)]
        total += sum(len(text) for text in texts if text)
    if total > EMBED_TEXT:
        said = f"Embed size exceeds maximum size of {EMBED_TEXT}"
        yield FieldError((*at, "embeds"), "MAX_EMBED_SIZE_EXCEEDED", said)


def _mentions(body: MessageBody, at: Path) -> Iterator[FieldError]:
    """resources/message#allowed-mentions-object: `parse` and a list of the same kind exclude each other."""
    allowed = body.allowed_mentions
    if not allowed:
        return
    for kind, ids in (("users", allowed.users), ("roles", allowed.roles)):
        if ids and kind in (allowed.parse or []):
            said = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            yield FieldError((*at, "allowed_mentions"), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", said)


def _poll(body: MessageBody, at: Path) -> Iterator[FieldError]:
    """resources/poll#poll-media-object: a question, and answers of 55 characters."""
    if not body.poll:
        return
    if not body.poll.question.text:
        yield FieldError((*at, "poll", "question", "text"), "BASE_TYPE_REQUIRED", "This field is required")
    for index, answer in enumerate(body.poll.answers):
        place = (*at, "poll", "answers", index, "poll_media", "text")
        if not answer.poll_media.text:
            yield FieldError(place, "BASE_TYPE_REQUIRED", "This field is required")
        elif len(answer.poll_media.text) > ANSWER_TEXT:
            yield FieldError(place, "BASE_TYPE_MAX_LENGTH", f"Must be {ANSWER_TEXT} or fewer in length.")

"""The shapes of what a bot may send, with the limits that Discord documents for single fields.

What spans several fields is in `rules.py`. Unknown fields are ignored, as Discord does. The models only
judge: what is stored is the JSON as it was sent.

https://discord.com/developers/docs/resources/message#create-message
https://discord.com/developers/docs/components/reference
https://discord.com/developers/docs/interactions/application-commands
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from bot.playground.errors import FieldError, invalid_form

T = TypeVar("T")


def up_to(limit: int, *, at_least: int = 0) -> StringConstraints:
    return StringConstraints(strict=True, min_length=at_least, max_length=limit)


CustomId = Annotated[str, up_to(100, at_least=1)]
NumberOrText = BeforeValidator(lambda value: str(value) if type(value) is int else value)
Snowflake = Annotated[str, NumberOrText]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Media(Body):
    url: Annotated[str, up_to(2048)]


class SelectOption(Body):
    label: Annotated[str, up_to(100, at_least=1)]
    value: Annotated[str, up_to(100)]
    description: Annotated[str, up_to(100)] | None = None
    default: bool | None = None


class GalleryItem(Body):
    media: Media
    description: Annotated[str, up_to(1024)] | None = None


class Component(Body):
    """Any component: the union of their fields. Which type needs which is in `rules.py`."""

    type: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 21, 22, 23]
    id: int | None = None
    custom_id: CustomId | None = None
    style: int | None = None
    label: Annotated[str, up_to(80)] | None = None
    url: Annotated[str, up_to(512)] | None = None
    disabled: bool | None = None
    placeholder: Annotated[str, up_to(150)] | None = None
    min_values: Annotated[int, Field(ge=0, le=25)] | None = None
    max_values: Annotated[int, Field(ge=1, le=25)] | None = None
    min_length: Annotated[int, Field(ge=0, le=4000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=4000)] | None = None
    required: bool | None = None
    value: Any = None
    content: Annotated[str, up_to(4000, at_least=1)] | None = None
    options: Annotated[list[SelectOption], Field(max_length=25)] | None = None
    components: list["Component"] | None = None
    component: "Component | None" = None
    accessory: "Component | None" = None
    items: Annotated[list[GalleryItem], Field(min_length=1, max_length=10)] | None = None
    media: Media | None = None
    file: Media | None = None

    @property
    def children(self) -> list[tuple[tuple[str | int, ...], "Component"]]:
        """The components directly inside, each with its place."""
        inside: list[tuple[tuple[str | int, ...], Component]] = [
            (("components", index), child) for index, child in enumerate(self.components or [])
        ]
        inside += [(("component",), self.component)] if self.component else []
        return inside + ([(("accessory",), self.accessory)] if self.accessory else [])


class EmbedField(Body):
    name: Annotated[str, up_to(256, at_least=1)]
    value: Annotated[str, up_to(1024, at_least=1)]
    inline: bool | None = None


class EmbedFooter(Body):
    text: Annotated[str, up_to(2048)]


class EmbedAuthor(Body):
    name: Annotated[str, up_to(256)]


class Embed(Body):
    title: Annotated[str, up_to(256)] | None = None
    description: Annotated[str, up_to(4096)] | None = None
    url: Annotated[str, up_to(2048)] | None = None
    color: Annotated[int, Field(ge=0, le=0xFFFFFF)] | None = None
    fields: Annotated[list[EmbedField], Field(max_length=25)] | None = None
    footer: EmbedFooter | None = None
    author: EmbedAuthor | None = None
    image: Media | None = None
    thumbnail: Media | None = None


class AttachmentEntry(Body):
    id: Snowflake
    filename: Annotated[str, up_to(1024)] | None = None
    description: Annotated[str, up_to(1024)] | None = None


class AllowedMentions(Body):
    parse: list[Literal["users", "roles", "everyone"]] | None = None
    users: Annotated[list[Snowflake], Field(max_length=100)] | None = None
    roles: Annotated[list[Snowflake], Field(max_length=100)] | None = None
    replied_user: bool | None = None


class MessageReference(Body):
    message_id: Snowflake


class PollMedia(Body):
    text: Annotated[str, up_to(300)] | None = None


class PollAnswer(Body):
    poll_media: PollMedia


class Poll(Body):
    question: PollMedia
    answers: Annotated[list[PollAnswer], Field(min_length=1, max_length=10)]
    duration: Annotated[int, Field(ge=1, le=768)] | None = None


class MessageBody(Body):
    """What makes or edits a message, on every route."""

    content: Annotated[str, up_to(2000)] | None = None
    embeds: Annotated[list[Embed], Field(max_length=10)] | None = None
    components: Annotated[list[Component], Field(max_length=40)] | None = None
    attachments: Annotated[list[AttachmentEntry], Field(max_length=10)] | None = None
    allowed_mentions: AllowedMentions | None = None
    message_reference: MessageReference | None = None
    flags: int | None = None
    nonce: Annotated[str, NumberOrText, up_to(25)] | None = None
    enforce_nonce: bool | None = None
    poll: Poll | None = None
    tts: bool | None = None


class Choice(Body):
    name: Annotated[str, up_to(100, at_least=1)]
    value: Any


class ChoicesBody(Body):
    choices: Annotated[list[Choice], Field(max_length=25)]


class ModalBody(Body):
    title: Annotated[str, up_to(45)]
    custom_id: CustomId
    components: Annotated[list[Component], Field(min_length=1, max_length=5)]


class CallbackBody(Body):
    """The answer to an interaction; `data` is judged by the model that belongs to `type`."""

    type: Literal[4, 5, 6, 7, 8, 9]
    data: dict[str, Any] | None = None


class Option(Body):
    type: Annotated[int, Field(ge=1, le=11)]
    name: Annotated[str, up_to(32, at_least=1)]
    description: Annotated[str, up_to(100, at_least=1)]
    required: bool | None = None
    autocomplete: bool | None = None
    choices: Annotated[list[Choice], Field(max_length=25)] | None = None
    options: Annotated[list["Option"], Field(max_length=25)] | None = None
    min_length: Annotated[int, Field(ge=0, le=6000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    min_value: float | None = None
    max_value: float | None = None


class CommandBody(Body):
    name: Annotated[str, up_to(32, at_least=1)]
    type: Literal[1, 2, 3] | None = None
    description: Annotated[str, up_to(100)] | None = None
    options: Annotated[list[Option], Field(max_length=25)] | None = None
    default_member_permissions: Snowflake | None = None
    dm_permission: bool | None = None
    nsfw: bool | None = None
    contexts: list[Literal[0, 1, 2]] | None = None
    integration_types: list[Literal[0, 1]] | None = None


_CODES = {
    "missing": ("BASE_TYPE_REQUIRED", "This field is required"),
    "string_too_long": ("BASE_TYPE_MAX_LENGTH", "Must be {max_length} or fewer in length."),
    "string_too_short": ("BASE_TYPE_MIN_LENGTH", "Must be {min_length} or more in length."),
    "too_long": ("BASE_TYPE_MAX_LENGTH", "Must be {max_length} or fewer in length."),
    "too_short": ("BASE_TYPE_MIN_LENGTH", "Must be {min_length} or more in length."),
    "greater_than_equal": ("NUMBER_TYPE_MIN", "int value should be greater than or equal to {ge}."),
    "less_than_equal": ("NUMBER_TYPE_MAX", "int value should be less than or equal to {le}."),
    "literal_error": ("BASE_TYPE_CHOICES", "Value must be one of ({expected})."),
    "string_type": ("STRING_TYPE_CONVERT", "Could not interpret as string."),
    "int_type": ("NUMBER_TYPE_COERCE", "Value is not int."),
    "int_parsing": ("NUMBER_TYPE_COERCE", "Value is not int."),
    "model_type": ("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType"),
    "list_type": ("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"),
}


def read(shape: type[T], body: Any, *, at: tuple[str | int, ...] = ()) -> T:
    """The body as `shape` (a model, or a list of one), `at` where in the request. Raises DiscordError 50035."""
    try:
        return TypeAdapter(shape).validate_python(body)
    except ValidationError as error:
        raise invalid_form([_field_error(found, at) for found in error.errors()]) from None


def _field_error(found: Any, at: tuple[str | int, ...]) -> FieldError:
    code, said = _CODES.get(found["type"], ("BASE_TYPE_BAD_TYPE", found["msg"]))
    return FieldError((*at, *found["loc"]), code, said.format(**found.get("ctx", {})))

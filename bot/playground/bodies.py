"""The shapes of what a bot may send, with the limits that Discord documents for single fields.

What spans several fields is in `rules.py` and its neighbours. Unknown fields are ignored, as Discord does. The
models only judge: what is stored is the JSON as it was sent.

https://discord.com/developers/docs/resources/message#create-message
https://discord.com/developers/docs/components/reference
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from bot.playground.errors import FieldError, invalid_form
from bot.playground.localizations import Texts

T = TypeVar("T")


def up_to(limit: int, *, at_least: int = 0) -> StringConstraints:
    return StringConstraints(strict=True, min_length=at_least, max_length=limit)


CustomId = Annotated[str, up_to(100, at_least=1)]
NumberOrText = BeforeValidator(lambda value: str(value) if type(value) is int else value)
Snowflake = Annotated[str, NumberOrText, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,19})$")]
NotBool = BeforeValidator(lambda value: _refuse("Value is not int.") if isinstance(value, bool) else value)
Timestamp = AfterValidator(lambda value: datetime.fromisoformat(value) and value)
Unique = AfterValidator(lambda all: all if len(set(all)) == len(all) else _refuse("Must be unique."))
ChannelTypes = Annotated[list[Annotated[Literal[0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15], NotBool]], Unique]


def _refuse(said: str) -> NoReturn:
    raise ValueError(said)


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Media(Body):
    url: Annotated[str, up_to(2048)]


class Emoji(Body):
    """A unicode one by `name`, a server's own by `id`."""

    id: Snowflake | None = None
    name: Annotated[str, up_to(32)] | None = None
    animated: bool | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.id and not self.name:
            raise ValueError("An emoji needs an id or a name.")
        return self


class SelectOption(Body):
    label: Annotated[str, up_to(100, at_least=1)]
    value: Annotated[str, up_to(100, at_least=1)]
    description: Annotated[str, up_to(100)] | None = None
    emoji: Emoji | None = None
    default: bool | None = None


class GalleryItem(Body):
    media: Media
    description: Annotated[str, up_to(1024, at_least=1)] | None = None


class DefaultValue(Body):
    id: Snowflake
    type: Literal["user", "role", "channel"]


class Component(Body):
    """Any component: the union of their fields. Which type needs which is in `component_rules.py`."""

    type: Annotated[Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 21, 22, 23], NotBool]
    id: int | None = None
    custom_id: CustomId | None = None
    sku_id: Snowflake | None = None
    emoji: Emoji | None = None
    style: int | None = None
    label: Annotated[str, up_to(80)] | None = None
    url: Annotated[str, up_to(512)] | None = None
    description: Annotated[str, up_to(1024, at_least=1)] | None = None
    accent_color: Annotated[int, Field(ge=0, le=0xFFFFFF)] | None = None
    spacing: Annotated[Literal[1, 2], NotBool] | None = None
    disabled: bool | None = None
    placeholder: Annotated[str, up_to(150)] | None = None
    min_values: Annotated[int, Field(ge=0, le=25)] | None = None
    max_values: Annotated[int, Field(ge=1, le=25)] | None = None
    min_length: Annotated[int, Field(ge=0, le=4000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=4000)] | None = None
    required: bool | None = None
    default: bool | None = None
    spoiler: bool | None = None
    divider: bool | None = None
    channel_types: ChannelTypes | None = None
    default_values: Annotated[list[DefaultValue], Field(max_length=25)] | None = None
    value: Annotated[str, up_to(4000)] | None = None
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
    icon_url: Annotated[str, up_to(2048)] | None = None


class EmbedAuthor(Body):
    name: Annotated[str, up_to(256)]
    url: Annotated[str, up_to(2048)] | None = None
    icon_url: Annotated[str, up_to(2048)] | None = None


class Embed(Body):
    title: Annotated[str, up_to(256)] | None = None
    description: Annotated[str, up_to(4096)] | None = None
    url: Annotated[str, up_to(2048)] | None = None
    color: Annotated[int, Field(ge=0, le=0xFFFFFF)] | None = None
    timestamp: Annotated[str, Timestamp] | None = None
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
    fail_if_not_exists: bool | None = None


class PollMedia(Body):
    text: Annotated[str, up_to(300)] | None = None
    emoji: Emoji | None = None


class PollAnswer(Body):
    poll_media: PollMedia


class Poll(Body):
    question: PollMedia
    answers: Annotated[list[PollAnswer], Field(min_length=1, max_length=10)]
    duration: Annotated[int, Field(ge=1, le=768, strict=False)] | None = None  # discord.py sends 2.0
    allow_multiselect: bool | None = None
    layout_type: Annotated[Literal[1], NotBool] | None = None


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
    name_localizations: Texts | None = None
    value: str | int | float


class ChoicesBody(Body):
    choices: Annotated[list[Choice], Field(max_length=25)]


class ModalBody(Body):
    title: Annotated[str, up_to(45)]
    custom_id: CustomId
    components: Annotated[list[Component], Field(min_length=1, max_length=5)]


class CallbackBody(Body):
    """The answer to an interaction; `data` is judged by the model that belongs to `type`."""

    type: Annotated[Literal[4, 5, 6, 7, 8, 9], NotBool]
    data: dict[str, Any] | None = None


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
    "string_pattern_mismatch": ("NUMBER_TYPE_COERCE", "Value is not snowflake."),
    "int_type": ("NUMBER_TYPE_COERCE", "Value is not int."),
    "float_type": ("NUMBER_TYPE_COERCE", "Value is not float."),
    "bool_type": ("BOOLEAN_TYPE_CONVERT", "Must be either true or false."),
    "model_type": ("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType"),
    "list_type": ("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"),
}


def read(shape: type[T], body: Any, *, at: tuple[str | int, ...] = ()) -> T:
    """The body as `shape` (a model, or a list of one), `at` where in the request. Raises DiscordError 50035."""
    try:
        return TypeAdapter(shape).validate_python(body)
    except ValidationError as error:
        raise invalid_form([_field_error(found, at) for found in error.errors()]) from None


def without_nulls(shape: Any) -> Any:
    """A copy without the fields that are null, on every level: Discord stores them as not given."""
    if isinstance(shape, dict):
        return {name: without_nulls(value) for name, value in shape.items() if value is not None}
    return [without_nulls(each) for each in shape] if isinstance(shape, list) else shape


def _field_error(found: Any, at: tuple[str | int, ...]) -> FieldError:
    code, said = _CODES.get(found["type"], ("BASE_TYPE_BAD_TYPE", found["msg"]))
    place = [
        part for part in found["loc"] if part != "[key]"
    ]  # what is wrong with a name, pydantic puts under it
    return FieldError((*at, *place), code, said.format(**found.get("ctx", {})))

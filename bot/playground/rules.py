"""Discord's rules that span several fields, which its OpenAPI file does not express.

Each rule names where Discord documents it, by the page under https://discord.com/developers/docs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from bot.playground.bodies import CommandBody, Component, MessageBody, ModalBody, Option
from bot.playground.cdn import Upload
from bot.playground.errors import DiscordError, FieldError, invalid_form, too_large
from bot.playground.state import FILE_LIMIT, REQUEST_LIMIT, MessageFlags

Path = tuple[str | int, ...]

SELECTS = frozenset({3, 5, 6, 7, 8})
INPUTS = frozenset({4, 19, 21, 22, 23})
LEGACY_ROWS = 5
COMPONENTS = 40
TEXT = 4000
EMBED_TEXT = 6000
ATTACHMENTS = 10
COMMAND_TEXT = 8000
COMMANDS = {1: 100, 2: 15, 3: 15}  # by command type
COMMAND_NAME = re.compile(r"[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}")


def check_files(uploads: Mapping[str, Upload]) -> None:
    """reference#uploading-files. Raises DiscordError 40005 above 20 MiB a file or 25 MiB together."""
    sizes = [len(upload.data) for upload in uploads.values()]
    if any(size > FILE_LIMIT for size in sizes) or sum(sizes) > REQUEST_LIMIT:
        raise too_large()


def check_message(body: MessageBody, *, flags: int, at: Path = ()) -> None:
    """resources/message. `flags` are those of the body and of the message that it edits. Raises DiscordError."""
    v2 = bool(flags & MessageFlags.COMPONENTS_V2)
    errors = [*_embeds(body, at), *_mentions(body, at), *_components(body, at, v2=v2)]
    errors += _only_v2(body, at) if v2 else _only_legacy(body, at)
    if errors:
        raise invalid_form(errors)


def check_attachments(count: int) -> None:
    """resources/message: ten attachments a message. Raises DiscordError 30015."""
    if count > ATTACHMENTS:
        raise DiscordError(400, 30015, f"Maximum number of attachments in a message reached ({ATTACHMENTS})")


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


def walk(components: Sequence[Component], at: Path) -> Iterator[tuple[Path, Component]]:
    """Every component, nested ones too, with its place."""
    for index, component in enumerate(components):
        yield from _walk_one(component, (*at, index))


def _walk_one(component: Component, at: Path) -> Iterator[tuple[Path, Component]]:
    yield at, component
    for place, child in component.children:
        yield from _walk_one(child, (*at, *place))


def _components(body: MessageBody, at: Path, *, v2: bool) -> Iterator[FieldError]:
    """components/reference: what each type needs, counts, and that every custom_id is there once."""
    at = (*at, "components")
    top = body.components or []
    everything = list(walk(top, at))
    if not v2 and len(top) > LEGACY_ROWS:
        yield FieldError(at, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {LEGACY_ROWS} in length.")
    if len(everything) > COMPONENTS:
        yield FieldError(at, "BASE_TYPE_MAX_LENGTH", f"Must be {COMPONENTS} or fewer in length.")
    for place, component in everything:
        yield from _component(component, place)
        if component.type in INPUTS or component.type == 18:
            yield FieldError((*place, "type"), "UNION_TYPE_CHOICES", "This component belongs in a modal.")
    yield from _duplicates(everything)


def _duplicates(everything: Sequence[tuple[Path, Component]]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for place, component in everything:
        if component.custom_id in seen:
            said = "Component custom id cannot be duplicated"
            yield FieldError((*place, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", said)
        if component.custom_id:
            seen.add(component.custom_id)


def _component(component: Component, at: Path) -> Iterator[FieldError]:
    match component.type:
        case 1:
            yield from _row(component, at)
        case 2:
            yield from _button(component, at)
        case kind if kind in SELECTS | INPUTS:
            if not component.custom_id:
                yield _required(at, "custom_id")
            if kind == 3 and not component.options:
                yield _required(at, "options")
        case 9:
            if not component.accessory:
                yield _required(at, "accessory")
            if not 1 <= len(component.components or []) <= 3:
                yield FieldError(
                    (*at, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 3 in length."
                )
        case 10 if not component.content:
            yield _required(at, "content")
        case 12 if not component.items:
            yield _required(at, "items")
        case 13:
            if not component.file or not component.file.url.startswith("attachment://"):
                said = "A File component shows an uploaded file: attachment://<filename>."
                yield FieldError((*at, "file", "url"), "URL_TYPE_INVALID_SCHEME", said)
        case _:
            pass


def _required(at: Path, name: str) -> FieldError:
    return FieldError((*at, name), "BASE_TYPE_REQUIRED", "This field is required")


def _row(row: Component, at: Path) -> Iterator[FieldError]:
    """A row holds one to five buttons, or one select, or (in a modal) one text input."""
    kinds = [child.type for child in row.components or []]
    limit = 5 if set(kinds) <= {2} else 1
    if not 1 <= len(kinds) <= limit:
        yield FieldError(
            (*at, "components"), "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {limit} in length."
        )


def _button(button: Component, at: Path) -> Iterator[FieldError]:
    """Styles 1 to 4 need a custom_id, 5 a url, 6 an SKU; no button has both."""
    if button.style not in range(1, 7):
        yield FieldError((*at, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
    elif button.style == 5:
        if not button.url:
            yield _required(at, "url")
    elif button.style != 6 and not button.custom_id:
        yield FieldError((*at, "custom_id"), "BASE_TYPE_REQUIRED", "A custom id is required")
    if button.url and button.custom_id:
        said = "A custom id and url cannot both be specified"
        yield FieldError((*at, "custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", said)


def _only_legacy(body: MessageBody, at: Path) -> Iterator[FieldError]:
    """components/reference: outside a row, components need the v2 flag."""
    for place, component in walk(body.components or [], (*at, "components")):
        if component.type in range(9, 18):
            yield FieldError((*place, "type"), "UNION_TYPE_CHOICES", "This component needs the flag 32768.")


def _only_v2(body: MessageBody, at: Path) -> Iterator[FieldError]:
    """components/reference: the v2 flag excludes the older fields, and its texts share 4000 characters."""
    for name in ("content", "embeds", "poll"):
        if getattr(body, name):
            said = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            yield FieldError((*at, name), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", said)
    texts = [component.content or "" for _, component in walk(body.components or [], ())]
    if sum(map(len, texts)) > TEXT:
        yield FieldError((*at, "components"), "BASE_TYPE_MAX_LENGTH", f"Must be {TEXT} or fewer in length.")


def check_deferred(flags: object, at: Path) -> None:
    """interactions/receiving-and-responding: a deferred answer may only be private (64). Raises DiscordError."""
    if flags not in (None, 0, int(MessageFlags.EPHEMERAL)):
        said = "Only MessageFlags.EPHEMERAL can be set on a deferred response."
        raise invalid_form([FieldError((*at, "flags"), "BASE_TYPE_CHOICES", said)])


def check_modal(modal: ModalBody, at: Path) -> None:
    """interactions/receiving-and-responding#modal. Raises DiscordError."""
    everything = list(walk(modal.components, (*at, "components")))
    errors = [error for place, component in everything for error in _component(component, place)]
    errors += _duplicates(everything)
    for place, component in everything:
        if component.type not in INPUTS | SELECTS | {1, 10, 18}:
            errors.append(FieldError((*place, "type"), "UNION_TYPE_CHOICES", "Not allowed in a modal."))
    if errors:
        raise invalid_form(errors)


def check_commands(commands: Sequence[CommandBody], *, bulk: bool) -> None:
    """interactions/application-commands. Raises DiscordError."""
    errors: list[FieldError] = []
    for index, command in enumerate(commands):
        errors += _command(command, (index,) if bulk else ())
    keys = [(command.type or 1, command.name) for command in commands]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            said = "Application command names must be unique"
            errors.append(FieldError((index, "name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", said))
    if errors:
        raise invalid_form(errors)
    for kind, limit in COMMANDS.items():
        if sum(key[0] == kind for key in keys) > limit:
            raise DiscordError(400, 30032, f"Maximum number of application commands reached ({limit}).")


def _command(command: CommandBody, at: Path) -> Iterator[FieldError]:
    if command.type in (None, 1):
        yield from _name(command.name, at)
        if not command.description:
            yield _required(at, "description")
    elif command.description or command.options:
        said = "Context menu commands cannot have a description or options"
        yield FieldError(
            (*at, "description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_CANNOT_BE_SET", said
        )
    yield from _options(command.options or [], (*at, "options"))
    if _command_text(command) > COMMAND_TEXT:
        said = f"Command exceeds maximum size ({COMMAND_TEXT})"
        yield FieldError(at, "APPLICATION_COMMAND_TOO_LARGE", said)


def _name(name: str, at: Path) -> Iterator[FieldError]:
    if not COMMAND_NAME.fullmatch(name) or name != name.lower():
        yield FieldError((*at, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _options(options: Sequence[Option], at: Path) -> Iterator[FieldError]:
    optional_before = False
    for index, option in enumerate(options):
        place = (*at, index)
        yield from _name(option.name, place)
        if option.name in [earlier.name for earlier in options[:index]]:
            said = "Option name already exists"
            yield FieldError((*place, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", said)
        if option.required and optional_before:
            said = "Required options must be placed before non-required options"
            yield FieldError(place, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", said)
        optional_before = optional_before or not option.required
        if option.autocomplete and option.choices:
            said = "Autocomplete and choices cannot be used together"
            yield FieldError((*place, "autocomplete"), "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", said)
        yield from _choices(option, place)
        yield from _options(option.options or [], (*place, "options"))


def _choices(option: Option, at: Path) -> Iterator[FieldError]:
    wanted = {3: str, 4: int, 10: int | float}.get(option.type)
    for index, choice in enumerate(option.choices or []):
        place = (*at, "choices", index, "value")
        if wanted is None or not isinstance(choice.value, wanted) or isinstance(choice.value, bool):
            yield FieldError(place, "BASE_TYPE_BAD_TYPE", "The value does not fit the option's type.")
        elif isinstance(choice.value, str) and len(choice.value) > 100:
            yield FieldError(place, "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")


def _command_text(command: CommandBody) -> int:
    """Characters of all names, descriptions and string values, nested ones too."""

    def of(option: Option) -> int:
        own = len(option.name) + len(option.description)
        own += sum(len(choice.name) + len(str(choice.value)) for choice in option.choices or [])
        return own + sum(of(inner) for inner in option.options or [])

    return (
        len(command.name) + len(command.description or "") + sum(of(each) for each in command.options or [])
    )

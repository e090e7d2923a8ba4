"""Discord's rules about application commands that its OpenAPI file does not express.

https://discord.com/developers/docs/interactions/application-commands, under the heading that a comment names.
"""

import re
from collections.abc import Iterator, Sequence

from bot.playground.bodies import Choice, ChoicesBody
from bot.playground.command_bodies import CommandBody, Option
from bot.playground.errors import FieldError, Path, invalid_form, too_many_commands
from bot.playground.state import Json

COMMAND_TEXT = 8000
COMMANDS = {1: 100, 2: 15, 3: 15}  # by command type
NAME = re.compile(r"[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}")  # letters of any script, two with their signs
INTEGER = 4
SUBCOMMANDS = frozenset({1, 2})  # and groups of them


def check_commands(commands: Sequence[CommandBody], *, bulk: bool) -> None:
    """Raises DiscordError 50035, or 30032 for too many of a type."""
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
    for kind, limit in COMMANDS.items():  # #registering-a-command: 100 chat inputs, 15 menus of either kind
        if sum(key[0] == kind for key in keys) > limit:
            raise too_many_commands(limit)


def check_suggestions(body: ChoicesBody, asked: Json) -> None:
    """#autocomplete: values of the type of the option that is being typed. Raises DiscordError 50035."""
    options = asked.get("options") or []
    while options and options[0]["type"] in SUBCOMMANDS:
        options = options[0].get("options") or []
    kind = next((option["type"] for option in options if option.get("focused")), 3)
    if errors := list(value_errors(body.choices, kind, ("data", "choices"))):
        raise invalid_form(errors)


def _command(command: CommandBody, at: Path) -> Iterator[FieldError]:
    if command.type in (None, 1):
        yield from _name(command.name, at)
        if not command.description:  # #application-command-object: only menus go without
            yield FieldError((*at, "description"), "BASE_TYPE_REQUIRED", "This field is required")
    elif command.description or command.options:  # #user-commands
        said = "Context menu commands cannot have a description or options"
        code = "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_CANNOT_BE_SET"
        yield FieldError((*at, "description"), code, said)
    yield from _options(command.options or [], (*at, "options"), inside=SUBCOMMANDS)
    if _text(command) > COMMAND_TEXT:  # reference#error-messages
        said = f"Command exceeds maximum size ({COMMAND_TEXT})"
        yield FieldError(at, "APPLICATION_COMMAND_TOO_LARGE", said)


def _name(name: str, at: Path) -> Iterator[FieldError]:
    """#application-command-object-application-command-naming: no spaces, and lower case where there is one."""
    if not NAME.fullmatch(name) or name != name.lower():
        yield FieldError((*at, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _options(options: Sequence[Option], at: Path, *, inside: frozenset[int]) -> Iterator[FieldError]:
    """#application-command-object-application-command-option-structure. `inside`: subcommand types fit here."""
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
        yield from _bounds(option, place)
        yield from value_errors(option.choices or [], option.type, (*place, "choices"))
        yield from _nesting(option, options, place, inside=inside)
        deeper = frozenset({1}) if option.type == 2 else frozenset[int]()
        yield from _options(option.options or [], (*place, "options"), inside=deeper)


def _bounds(option: Option, at: Path) -> Iterator[FieldError]:
    """#application-command-object-application-command-option-structure: whole ones for whole numbers."""
    for name in ("min_value", "max_value"):
        bound = getattr(option, name)
        if option.type == INTEGER and bound is not None and not bound.is_integer():
            yield FieldError((*at, name), "NUMBER_TYPE_COERCE", "Value is not int.")


def _nesting(
    option: Option, beside: Sequence[Option], at: Path, *, inside: frozenset[int]
) -> Iterator[FieldError]:
    """#subcommands-and-subcommand-groups: groups hold subcommands, these hold options; never mixed."""
    mixed = option.type in SUBCOMMANDS and any(each.type not in SUBCOMMANDS for each in beside)
    if mixed or (option.type in SUBCOMMANDS and option.type not in inside):
        said = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        yield FieldError((*at, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", said)
    if option.options and option.type not in SUBCOMMANDS:
        said = "Only sub-commands and groups have options"
        yield FieldError((*at, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", said)


def value_errors(choices: Sequence[Choice], kind: int, at: Path) -> Iterator[FieldError]:
    """#application-command-object-application-command-option-choice-structure: of the option's type, texts to 100."""
    wanted = {3: str, 4: int, 10: int | float}.get(kind)
    for index, choice in enumerate(choices):
        place = (*at, index, "value")
        if wanted is None or not isinstance(choice.value, wanted):
            yield FieldError(place, "BASE_TYPE_BAD_TYPE", "The value does not fit the option's type.")
        elif isinstance(choice.value, str) and len(choice.value) > 100:
            yield FieldError(place, "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")


def _text(command: CommandBody) -> int:
    """Characters of all names, descriptions and string values, nested ones too."""

    def of(option: Option) -> int:
        own = len(option.name) + len(option.description)
        own += sum(len(choice.name) + len(str(choice.value)) for choice in option.choices or [])
        return own + sum(of(inner) for inner in option.options or [])

    described = len(command.name) + len(command.description or "")
    return described + sum(of(each) for each in command.options or [])

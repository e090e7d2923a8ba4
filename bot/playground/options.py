"""From what a person filled in to the `data` of an interaction, with the checks that Discord's client makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from bot.playground import shapes
from bot.playground.cdn import Cdn, Upload
from bot.playground.errors import NotPossible
from bot.playground.guilds import Channel, Role, User
from bot.playground.state import FILE_LIMIT, MIB, Json, State


class OptionType(IntEnum):
    SUBCOMMAND = 1
    GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


@dataclass
class Resolved:
    """The objects behind the ids that a person chose, as an interaction carries them along."""

    state: State
    cdn: Cdn
    channel: Channel
    objects: Json = field(default_factory=dict)

    def user(self, person: User) -> str:
        self.objects.setdefault("users", {})[person.id] = shapes.user(person)
        guild = self.channel.guild
        if guild and person in guild:
            permissions = self.channel.permissions(person).text
            member = {**shapes.partial_member(guild.members[person.id]), "permissions": permissions}
            self.objects.setdefault("members", {})[person.id] = member
        return person.id

    def place(self, channel: Channel, user: User) -> str:
        known = {name: value for name, value in shapes.channel(channel).items() if value is not None}
        shape = {"name": channel.name, **known, "permissions": channel.permissions(user).text}
        self.objects.setdefault("channels", {})[channel.id] = shape
        return channel.id

    def role(self, role: Role) -> str:
        self.objects.setdefault("roles", {})[role.id] = shapes.role(role)
        return role.id

    def find_role(self, name_or_id: str) -> Role | None:
        return self.channel.guild.role(name_or_id) if self.channel.guild else None

    def upload(self, upload: Upload) -> str:
        """Store a person's file; what comes with an interaction is always ephemeral."""
        id = self.state.snowflakes.next()
        shape = self.cdn.store(id, self.channel.id, upload, ephemeral=True)
        self.objects.setdefault("attachments", {})[id] = shape
        return id


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a person filled in: values and files by option name, and the option that is being typed."""

    values: Mapping[str, Any]
    files: Mapping[str, Upload]
    user: User
    focused: str | None = None
    unchecked: bool = False


def find_command(commands: Mapping[str, Json], typed: str, type: int = 1) -> tuple[Json, list[Json]]:
    """The command that `typed` names ("imagine", "gallery show"), and the subcommand options on the way.

    Raises NotPossible where there is none, or where a subcommand is missing.
    """
    name, *path = typed.removeprefix("/").split() if type == 1 else [typed]
    found = [each for each in commands.values() if each["name"] == name and each["type"] == type]
    if not found:
        raise NotPossible(f"There is no command called {typed!r} here.")
    # a command of this server hides a global one with the same name
    command = max(found, key=lambda each: "guild_id" in each)
    steps: list[Json] = []
    inside = command["options"]
    for word in path:
        step = next((each for each in inside if each["name"] == word and each["type"] in (1, 2)), None)
        if not step:
            raise NotPossible(f"/{name} has no subcommand {word!r}.")
        steps.append(step)
        inside = step.get("options") or []
    missing = [each["name"] for each in inside if each["type"] in (1, 2)]
    if missing:
        raise NotPossible(f"/{' '.join([name, *path])} needs a subcommand: {', '.join(missing)}.")
    return command, steps


def command_data(command: Json, steps: list[Json], filled: Filled, resolved: Resolved) -> Json:
    """The `data` of a slash command or of its autocomplete. Raises NotPossible."""
    specs = {each["name"]: each for each in (steps[-1] if steps else command).get("options") or []}
    given = {**filled.values, **{name: None for name in filled.files if name not in filled.values}}
    if filled.focused is not None:
        given.setdefault(filled.focused, "")
    if not filled.unchecked:
        _check_names(command["name"], specs, given, partial=filled.focused is not None)
    options = [_option(specs.get(name), name, value, filled, resolved) for name, value in given.items()]
    for step in reversed(steps):
        options = [{"name": step["name"], "type": step["type"], "options": options}]
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"], "options": options}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | ({"resolved": resolved.objects} if resolved.objects else {})


def _check_names(command: str, specs: Mapping[str, Json], given: Mapping[str, Any], *, partial: bool) -> None:
    unknown = [name for name in given if name not in specs]
    if unknown:
        raise NotPossible(f"/{command} has no option {unknown[0]!r}; it has {', '.join(specs) or 'none'}.")
    missing = [name for name, spec in specs.items() if spec.get("required") and name not in given]
    if missing and not partial:
        raise NotPossible(f"{missing[0]} is required and was not given.")


def _option(spec: Json | None, name: str, value: Any, filled: Filled, resolved: Resolved) -> Json:
    if name == filled.focused:
        return {"name": name, "type": (spec or {}).get("type", 3), "value": str(value), "focused": True}
    if not spec:
        return {"name": name, "type": 3, "value": value}
    kind = OptionType(spec["type"])
    if kind is OptionType.ATTACHMENT and name in filled.files:
        value = resolved.upload(_checked_file(name, filled.files[name], filled))
    else:
        try:
            value = _CONVERT[kind](spec, value, filled, resolved)
        except NotPossible:
            if not filled.unchecked:
                raise
    if filled.focused is not None and kind in (OptionType.INTEGER, OptionType.NUMBER):
        value = str(value)  # while somebody types, numbers are what was typed: discord-api-types #1198
    return {"name": name, "type": int(kind), "value": value}


def _checked_file(name: str, upload: Upload, filled: Filled) -> Upload:
    size = len(upload.data)
    if size > FILE_LIMIT and not filled.unchecked:
        raise NotPossible(
            f"{name} may have at most {FILE_LIMIT // MIB} MiB; this file has {size / MIB:.1f} MiB."
        )
    return upload


def _choice(spec: Json, value: Any) -> Any:
    """With choices, a person picks one: by its name or its value."""
    for choice in spec["choices"]:
        if value in (choice["name"], choice["value"]) or str(choice["value"]) == str(value):
            return choice["value"]
    names = ", ".join(choice["name"] for choice in spec["choices"])
    raise NotPossible(f"{spec['name']} must be one of {names}; you gave {value!r}.")


def _string(spec: Json, value: Any, *_: Any) -> Any:
    if spec.get("choices"):
        return _choice(spec, value)
    text = str(value)
    least, most = spec.get("min_length") or 0, spec.get("max_length") or 6000
    if not least <= len(text) <= most:
        limit = f"at most {most}" if len(text) > most else f"at least {least}"
        raise NotPossible(f"{spec['name']} must have {limit} characters; you gave {len(text)}.")
    return text


def _within(spec: Json, number: float) -> None:
    least, most = spec.get("min_value"), spec.get("max_value")
    if most is not None and number > most:
        raise NotPossible(f"{spec['name']} must be at most {most:g}; you gave {number:g}.")
    if least is not None and number < least:
        raise NotPossible(f"{spec['name']} must be at least {least:g}; you gave {number:g}.")


def _integer(spec: Json, value: Any, *_: Any) -> Any:
    if spec.get("choices"):
        return _choice(spec, value)
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError
        number = int(value)
    except (ValueError, TypeError):
        raise NotPossible(f"{spec['name']} must be a whole number; you gave {value!r}.") from None
    if abs(number) > 2**53:
        raise NotPossible(f"{spec['name']} must be between -2^53 and 2^53; you gave {number}.")
    _within(spec, number)
    return number


def _number(spec: Json, value: Any, *_: Any) -> Any:
    if spec.get("choices"):
        return _choice(spec, value)
    try:
        number = float(value)
    except (ValueError, TypeError):
        raise NotPossible(f"{spec['name']} must be a number; you gave {value!r}.") from None
    if not abs(number) <= 2**53:
        raise NotPossible(f"{spec['name']} must be between -2^53 and 2^53; you gave {number:g}.")
    _within(spec, number)
    return number


def _boolean(spec: Json, value: Any, *_: Any) -> Any:
    words = {"true": True, "false": False}
    if str(value).lower() not in words:
        raise NotPossible(f"{spec['name']} must be True or False; you gave {value!r}.")
    return words[str(value).lower()]


def _user(spec: Json, value: Any, filled: Filled, resolved: Resolved) -> Any:  # noqa: ARG001  # one of a table
    person = resolved.state.user(str(value))
    if not person:
        raise NotPossible(f"{spec['name']} must be a person here; there is no {value!r}.")
    return resolved.user(person)


def _channel(spec: Json, value: Any, filled: Filled, resolved: Resolved) -> Any:
    channel = resolved.state.channel(str(value), filled.user)
    allowed = spec.get("channel_types")
    if allowed and int(channel.type) not in allowed:
        raise NotPossible(f"{spec['name']} does not take this kind of channel: {value!r}.")
    return resolved.place(channel, filled.user)


def _role(spec: Json, value: Any, filled: Filled, resolved: Resolved) -> Any:  # noqa: ARG001  # one of a table
    role = resolved.find_role(str(value))
    if not role:
        raise NotPossible(f"{spec['name']} must be a role here, such as @everyone; there is no {value!r}.")
    return resolved.role(role)


def _mentionable(spec: Json, value: Any, filled: Filled, resolved: Resolved) -> Any:
    takes = _user if resolved.state.user(str(value)) else _role
    return takes(spec, value, filled, resolved)


def _attachment(spec: Json, value: Any, *_: Any) -> Any:
    raise NotPossible(f"{spec['name']} needs a file; you gave {value!r}.")


_CONVERT: Mapping[OptionType, Callable[[Json, Any, Filled, Resolved], Any]] = {
    OptionType.STRING: _string,
    OptionType.INTEGER: _integer,
    OptionType.BOOLEAN: _boolean,
    OptionType.USER: _user,
    OptionType.CHANNEL: _channel,
    OptionType.ROLE: _role,
    OptionType.MENTIONABLE: _mentionable,
    OptionType.NUMBER: _number,
    OptionType.ATTACHMENT: _attachment,
}

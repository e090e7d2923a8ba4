"""The shapes of application commands that a bot may register, with the limits of single fields.

https://discord.com/developers/docs/interactions/application-commands
"""

from typing import Annotated, Literal

from pydantic import Field

from bot.playground.bodies import Body, ChannelTypes, Choice, NotBool, Snowflake, Unique, up_to
from bot.playground.localizations import Names, Texts

Bound = Annotated[float, Field(ge=1 - 2**53, le=2**53 - 1)]  # a double holds no larger whole number exactly


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
    min_value: Bound | None = None
    max_value: Bound | None = None
    channel_types: ChannelTypes | None = None
    name_localizations: Names | None = None
    description_localizations: Texts | None = None


class CommandBody(Body):
    name: Annotated[str, up_to(32, at_least=1)]
    name_localizations: Names | None = None
    description_localizations: Texts | None = None
    type: Annotated[Literal[1, 2, 3], NotBool] | None = None
    description: Annotated[str, up_to(100)] | None = None
    options: Annotated[list[Option], Field(max_length=25)] | None = None
    default_member_permissions: Snowflake | None = None
    dm_permission: bool | None = None
    nsfw: bool | None = None
    contexts: Annotated[list[Annotated[Literal[0, 1, 2], NotBool]], Field(min_length=1), Unique] | None = None
    integration_types: (
        Annotated[list[Annotated[Literal[0, 1], NotBool]], Field(min_length=1), Unique] | None
    ) = None

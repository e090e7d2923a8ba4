"""A small bot on hikari, which shares no code with discord.py, that uses what an image bot uses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hikari

MODELS = ("dreamshaper", "juggernaut")

Command = Callable[[hikari.CommandInteraction], Awaitable[Any]]


class HikariBot:
    """`picture` is what it answers with. It is told nothing about the playground but the API's address."""

    def __init__(self, *, base: str, token: str, picture: bytes) -> None:
        self._app = hikari.GatewayBot(token, rest_url=f"{base}/api/v10", banner=None, logs=None)
        self._picture = picture
        self._commands: dict[str, Command] = {
            "imagine": self._imagine,
            "twice": self._twice,
            "secret": self._secret,
            "frames": self._frames,
            "gone": self._gone,
            "layout": self._layout,
            "edit": self._edit,
            "size": self._size,
            "settings": self._settings,
            "Describe": self._describe,
            "Greet": self._greet,
        }
        self._app.subscribe(hikari.StartedEvent, self._sync)
        self._app.subscribe(hikari.CommandInteractionCreateEvent, self._command)
        self._app.subscribe(hikari.AutocompleteInteractionCreateEvent, self._suggest)
        self._app.subscribe(hikari.ComponentInteractionCreateEvent, self._component)
        self._app.subscribe(hikari.ModalInteractionCreateEvent, self._edited)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await asyncio.wait_for(self._app.start(check_for_updates=False), 10)
        try:
            yield
        finally:
            await self._app.close()

    async def _sync(self, _: hikari.StartedEvent) -> None:
        me = self._app.get_me()
        assert me
        await self._app.rest.set_application_commands(me.id, [*self._slash_commands(), *self._menus()])

    def _slash_commands(self) -> list[hikari.api.SlashCommandBuilder]:
        described = {
            "imagine": "Draws",
            "twice": "Answers twice",
            "secret": "Answers only who asked, after a while",
            "frames": "Adds a second picture to the first",
            "gone": "Takes its answer back",
            "layout": "A layout of components",
            "edit": "Opens a form",
            "size": "Asks for a size",
            "model": "Suggests",
            "settings": "Settings",
        }
        builders = {
            name: self._app.rest.slash_command_builder(name, what) for name, what in described.items()
        }
        kind = hikari.OptionType
        for option in (
            _option(kind.STRING, "prompt", max_length=100),
            _option(kind.INTEGER, "steps", is_required=False, min_value=1, max_value=150),
            _option(kind.ATTACHMENT, "image", is_required=False),
        ):
            builders["imagine"].add_option(option)
        builders["model"].add_option(_option(kind.STRING, "name", autocomplete=True))
        every = [
            _option(kind.BOOLEAN, "flag"),
            _option(kind.FLOAT, "scale"),
            _option(kind.USER, "who"),
            _option(kind.CHANNEL, "where"),
            _option(kind.ROLE, "role"),
        ]
        builders["settings"].add_option(
            _option(kind.SUB_COMMAND, "everything", is_required=False, options=every)
        )
        return list(builders.values())

    def _menus(self) -> list[hikari.api.ContextMenuCommandBuilder]:
        build = self._app.rest.context_menu_command_builder
        return [build(hikari.CommandType.MESSAGE, "Describe"), build(hikari.CommandType.USER, "Greet")]

    def _file(self, name: str = "picture.png") -> hikari.Bytes:
        return hikari.Bytes(self._picture, name)

    async def _command(self, event: hikari.CommandInteractionCreateEvent) -> None:
        await self._commands[event.interaction.command_name](event.interaction)

    async def _imagine(self, interaction: hikari.CommandInteraction) -> None:
        await interaction.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
        given = _given(interaction.options)
        read = 0
        if "image" in given:
            assert interaction.resolved
            read = len(await interaction.resolved.attachments[hikari.Snowflake(given["image"])].read())
        row = self._app.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "again:7", label="Again")
        text = f"{given['prompt']} in {given.get('steps', 20)} steps from {read} bytes"
        await interaction.edit_initial_response(text, attachment=self._file(), component=row)

    async def _twice(self, interaction: hikari.CommandInteraction) -> None:
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "first")
        await interaction.execute("second", flags=hikari.MessageFlag.EPHEMERAL)

    async def _secret(self, interaction: hikari.CommandInteraction) -> None:
        await interaction.create_initial_response(
            hikari.ResponseType.DEFERRED_MESSAGE_CREATE, flags=hikari.MessageFlag.EPHEMERAL
        )
        await interaction.edit_initial_response("between us")

    async def _frames(self, interaction: hikari.CommandInteraction) -> None:
        await interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, attachment=self._file("one.png")
        )
        first = await interaction.fetch_initial_response()
        await interaction.edit_initial_response(attachments=[*first.attachments, self._file("two.png")])

    async def _gone(self, interaction: hikari.CommandInteraction) -> None:
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "not for long")
        await interaction.delete_initial_response()
        await interaction.execute("nothing to see")

    async def _layout(self, interaction: hikari.CommandInteraction) -> None:
        container = hikari.impl.ContainerComponentBuilder(accent_color=hikari.Color(0xFF8800))
        container.add_text_display("# A picture")
        container.add_media_gallery([hikari.impl.MediaGalleryItemBuilder(media=self._file())])
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, component=container)

    async def _edit(self, interaction: hikari.CommandInteraction) -> None:
        row = self._app.rest.build_modal_action_row().add_text_input("prompt", "Prompt", max_length=100)
        await interaction.create_modal_response("Edit", "edit", component=row)

    async def _size(self, interaction: hikari.CommandInteraction) -> None:
        row = self._app.rest.build_message_action_row()
        menu = row.add_text_menu("size", min_values=1)
        for name in ("small", "large"):
            menu.add_option(name, name)
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "which?", component=row)

    async def _settings(self, interaction: hikari.CommandInteraction) -> None:
        assert interaction.options
        assert interaction.resolved
        given = _given(interaction.options[0].options)
        resolved = interaction.resolved
        flag, scale = given["flag"], given["scale"]
        who = resolved.users[hikari.Snowflake(given["who"])].username
        where = resolved.channels[hikari.Snowflake(given["where"])].name
        role = resolved.roles[hikari.Snowflake(given["role"])].name
        said = f"{str(flag).lower()} {scale} {who} {where} {role}"
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, said)

    async def _describe(self, interaction: hikari.CommandInteraction) -> None:
        assert interaction.resolved
        (message,) = interaction.resolved.messages.values()
        await interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, f"described: {message.content}"
        )

    async def _greet(self, interaction: hikari.CommandInteraction) -> None:
        assert interaction.resolved
        (user,) = interaction.resolved.users.values()
        await interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, f"hello {user.username}"
        )

    async def _suggest(self, event: hikari.AutocompleteInteractionCreateEvent) -> None:
        (focused,) = (option for option in event.interaction.options if option.is_focused)
        build = hikari.impl.AutocompleteChoiceBuilder
        found = [build(name, name) for name in MODELS if str(focused.value) in name]
        await event.interaction.create_response(found)

    async def _component(self, event: hikari.ComponentInteractionCreateEvent) -> None:
        interaction = event.interaction
        if interaction.custom_id == "size":
            await interaction.create_initial_response(
                hikari.ResponseType.MESSAGE_UPDATE, f"size {interaction.values[0]}"
            )
            return
        seed = interaction.custom_id.split(":")[1]
        await interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, f"again with {seed}", flags=hikari.MessageFlag.EPHEMERAL
        )

    async def _edited(self, event: hikari.ModalInteractionCreateEvent) -> None:
        (field,) = (field for row in event.interaction.components for field in row)
        await event.interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, f"edited: {field.value}"
        )


def _given(options: Sequence[hikari.CommandInteractionOption] | None) -> dict[str, Any]:
    return {option.name: option.value for option in options or ()}


def _option(
    type: hikari.OptionType, name: str, *, is_required: bool = True, **more: Any
) -> hikari.CommandOption:
    return hikari.CommandOption(
        type=type, name=name, description=name.capitalize(), is_required=is_required, **more
    )

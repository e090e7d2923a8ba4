"""hikari, which shares no code with discord.py, against the playground."""

import asyncio

import hikari

from bot.playground.client import Person
from bot.playground.server import Playground


async def test_hikari_draws_a_picture_and_answers_its_button(
    playground: Playground, alice: Person, picture: bytes
) -> None:
    app = hikari.GatewayBot(playground.token, rest_url=f"{playground.base}/api/v10", banner=None, logs=None)
    ready = asyncio.Event()

    @app.listen(hikari.StartedEvent)
    async def register(_: hikari.StartedEvent) -> None:
        command = app.rest.slash_command_builder("imagine", "Draws")
        command.add_option(hikari.CommandOption(type=3, name="prompt", description="What", is_required=True))
        await app.rest.set_application_commands(int(playground.state.application_id), [command])
        ready.set()

    @app.listen(hikari.CommandInteractionCreateEvent)
    async def imagine(event: hikari.CommandInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
        row = app.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "again:7", label="Again")
        prompt = event.interaction.options[0].value
        await event.interaction.edit_initial_response(
            prompt, attachment=hikari.Bytes(picture, "picture.png"), component=row
        )

    @app.listen(hikari.ComponentInteractionCreateEvent)
    async def again(event: hikari.ComponentInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, "again", flags=hikari.MessageFlag.EPHEMERAL
        )

    await app.start(check_for_updates=False)
    try:
        await asyncio.wait_for(ready.wait(), 10)
        message = await alice.wait_message(await alice.slash("imagine", {"prompt": "a hamster"}))
        assert message["content"] == "a hamster"
        assert await alice.download(message["attachments"][0]["url"]) == picture
        reply = await alice.wait_message(await alice.press(message, "Again"))
        assert (reply["content"], reply["flags"] & 64) == ("again", 64)
    finally:
        await app.close()

"""A small discord.py bot that uses everything an image bot uses."""

import asyncio
import io
import re
from typing import Self

import discord
from discord import app_commands


class Again(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"again:(?P<seed>\d+)"):
    """A button that works without anybody remembering its message."""

    def __init__(self, seed: int) -> None:
        super().__init__(discord.ui.Button(label="Again", custom_id=f"again:{seed}"))
        self.seed = seed

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction,  # noqa: ARG003  # discord.py's signature
        item: discord.ui.Item[discord.ui.View],  # noqa: ARG003
        match: re.Match[str],
    ) -> Self:
        return cls(int(match["seed"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"again with {self.seed}", ephemeral=True)


class Size(discord.ui.Select[discord.ui.View]):
    def __init__(self) -> None:
        options = [discord.SelectOption(label=name, value=name) for name in ("small", "large")]
        super().__init__(custom_id="size", options=options)

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.edit_message(content=f"size {self.values[0]}")


class Edit(discord.ui.Modal, title="Edit"):
    prompt = discord.ui.Label(
        text="Prompt", component=discord.ui.TextInput[discord.ui.View](custom_id="prompt", max_length=100)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        field = self.prompt.component
        assert isinstance(field, discord.ui.TextInput)
        await interaction.response.send_message(f"edited: {field.value}")


class SampleBot(discord.Client):
    """`picture` is what every command answers with."""

    def __init__(self, picture: bytes, *, sync_to: int | None = None) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.05,
        )
        self.picture = picture
        self.sync_to = sync_to
        self.ready = asyncio.Event()
        self.resumed = asyncio.Event()
        self.tree = app_commands.CommandTree(self)
        register(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        guild = discord.Object(self.sync_to) if self.sync_to else None
        if guild:
            self.tree.copy_global_to(guild=guild)
        await self.tree.sync(guild=guild)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the pause of five seconds between two IDENTIFYs."""

    async def on_ready(self) -> None:
        self.ready.set()

    async def on_resumed(self) -> None:
        self.resumed.set()

    def file(self) -> discord.File:
        return discord.File(io.BytesIO(self.picture), "picture.png", description="a picture")


def register(bot: SampleBot) -> None:
    _pictures(bot)
    _forms(bot)
    _types(bot)


def _pictures(bot: SampleBot) -> None:
    @bot.tree.command(description="Draws")
    async def imagine(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 100],
        steps: app_commands.Range[int, 1, 150] = 20,
        image: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer(thinking=True)
        read = len(await image.read()) if image else 0
        view = discord.ui.View(timeout=None).add_item(Again(7))
        await interaction.edit_original_response(
            content=f"{prompt} in {steps} steps from {read} bytes", attachments=[bot.file()], view=view
        )

    @bot.tree.command(description="Shows an embed around its file")
    async def card(interaction: discord.Interaction) -> None:
        embed = discord.Embed(title="Card").set_image(url="attachment://picture.png")
        await interaction.response.send_message(embed=embed, file=bot.file())

    @bot.tree.command(description="Answers twice")
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("first")
        await interaction.followup.send("second", ephemeral=True)

    @bot.tree.command(description="Never answers")
    async def silent(interaction: discord.Interaction) -> None:
        pass

    @bot.tree.command(description="A layout of components", nsfw=True)
    async def layout(interaction: discord.Interaction) -> None:
        view = discord.ui.LayoutView()
        gallery: discord.ui.MediaGallery[discord.ui.LayoutView] = discord.ui.MediaGallery(
            discord.MediaGalleryItem("attachment://picture.png")
        )
        view.add_item(discord.ui.Container(discord.ui.TextDisplay("hello"), gallery))
        await interaction.response.send_message(view=view, file=bot.file())


def _forms(bot: SampleBot) -> None:
    @bot.tree.command(description="Opens a form")
    async def edit(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Edit())

    @bot.tree.command(description="Asks for a size")
    async def size(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("which?", view=discord.ui.View(timeout=60).add_item(Size()))

    @bot.tree.command(description="Suggests")
    async def model(interaction: discord.Interaction, name: str) -> None:
        await interaction.response.send_message(name)

    @model.autocomplete("name")
    async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        del interaction
        names = [name for name in ("dreamshaper", "juggernaut") if typed in name]
        return [app_commands.Choice(name=name, value=name) for name in names]

    @bot.tree.context_menu(name="Describe")
    async def describe(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"described: {message.content}")

    @bot.tree.context_menu(name="Greet")
    async def greet(interaction: discord.Interaction, user: discord.User) -> None:
        await interaction.response.send_message(f"hello {user.name}")


def _types(bot: SampleBot) -> None:
    group = app_commands.Group(name="settings", description="Settings")

    @group.command(description="Every kind of option")
    async def everything(
        interaction: discord.Interaction,
        flag: bool,
        scale: app_commands.Range[float, 0, 30],
        who: discord.User,
        where: discord.TextChannel,
        role: discord.Role,
        either: discord.Member | discord.Role,
        sampler: discord.app_commands.Choice[str],
    ) -> None:
        said = (flag, scale, who.name, where.name, role.name, either.name, sampler.value)
        await interaction.response.send_message(" ".join(map(str, said)))

    app_commands.choices(
        sampler=[
            app_commands.Choice(name="Euler a", value="euler_a"),
            app_commands.Choice(name="DDIM", value="ddim"),
        ]
    )(everything)
    bot.tree.add_command(group)

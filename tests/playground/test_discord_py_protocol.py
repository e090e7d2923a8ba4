"""The real discord.py with what an image bot seldom uses: every field of a form, polls, shards."""

import asyncio
from datetime import timedelta
from typing import Any

import discord

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.playground.conftest import StartBot
from tests.playground.sample_bot import SampleBot


class Survey(discord.ui.Modal, title="Survey"):
    """Answers with everything that was filled in."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {
            "radio": discord.ui.RadioGroup(
                options=[discord.RadioGroupOption(label=n, value=n) for n in "ab"]
            ),
            "group": discord.ui.CheckboxGroup(
                options=[discord.CheckboxGroupOption(label=n, value=n) for n in "xyz"]
            ),
            "check": discord.ui.Checkbox(),
            "files": discord.ui.FileUpload(max_values=2),
            "people": discord.ui.UserSelect[discord.ui.View](max_values=2),
        }
        for name, field in self.fields.items():
            self.add_item(discord.ui.Label(text=name, component=field))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        radio, group, check, files, people = self.fields.values()
        names = [file.filename for file in files.values] + [person.name for person in people.values]
        await interaction.response.send_message(f"{radio.value} {group.values} {check.value} {names}")


async def test_a_form_with_every_new_field(alice: Person, bot: SampleBot, picture: bytes) -> None:
    @bot.tree.command(description="Opens a survey")
    async def survey(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Survey())

    await bot.tree.sync()
    opened = await alice.wait(await alice.slash("survey"), lambda seen: seen.state == "form")
    assert opened.modal
    ids = [row["component"]["custom_id"] for row in opened.modal["components"]]
    values = dict(zip(ids, ("b", ["x", "z"], True, None, ["bob"]), strict=True))
    del values[ids[3]]
    files = {ids[3]: ("one.png", picture), f"{ids[3]}[1]": ("two.png", picture)}
    answer = await alice.wait_message(await alice.submit(opened, values, files=files))
    assert answer["content"] == "b ['x', 'z'] True ['one.png', 'two.png', 'bob']"


async def test_a_poll_is_opened_read_and_ended(alice: Person, bob: Person, bot: SampleBot) -> None:
    channel = next(each for each in bot.get_all_channels() if isinstance(each, discord.TextChannel))
    poll = discord.Poll("Which?", timedelta(hours=1))
    poll.add_answer(text="the cat", emoji="🐱").add_answer(text="the dog")
    sent = await channel.send(poll=poll)
    for person in (alice, bob):
        await person.vote({"id": str(sent.id)}, [2])
    read = await channel.fetch_message(sent.id)
    assert read.poll
    assert [(answer.text, answer.vote_count) for answer in read.poll.answers] == [
        ("the cat", 0),
        ("the dog", 2),
    ]
    assert {voter.name async for voter in read.poll.answers[1].voters()} == {"alice", "bob"}
    assert (await read.end_poll()).poll
    ended = (await channel.fetch_message(sent.id)).poll
    assert ended
    assert ended.is_finalized()


class Sharded(discord.AutoShardedClient):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), shard_count=2, guild_ready_timeout=0.05)
        self.all_ready = asyncio.Event()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the pause of five seconds between two shards."""

    async def on_ready(self) -> None:
        self.all_ready.set()


async def test_two_shards_share_the_servers(start_bot: StartBot, playground: Playground) -> None:
    del start_bot  # it points discord.py here
    state = playground.state
    beside = str(int(state.guild_id) + (1 << 22))
    state.add_guild("Beside", [state.people["alice"], state.bot], id=beside)
    client = Sharded()
    running = asyncio.create_task(client.start(playground.token), name="shards")
    await asyncio.wait_for(client.all_ready.wait(), 10)
    shards = {guild.shard_id: str(guild.id) for guild in client.guilds}
    assert shards == {(int(id) >> 22) % 2: id for id in (state.guild_id, beside)}
    assert playground.gateway.connected == 2
    await client.close()
    await asyncio.wait_for(running, 5)

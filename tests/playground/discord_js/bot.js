// A small bot on discord.js that uses what an image bot uses. DISCORD_API is where Discord is, DISCORD_TOKEN
// the bot's token, PICTURE the file that it answers with. It is told nothing about the playground.
import {
  ActionRowBuilder,
  ApplicationCommandType,
  AttachmentBuilder,
  ButtonBuilder,
  ButtonStyle,
  Client,
  ContainerBuilder,
  ContextMenuCommandBuilder,
  Events,
  GatewayIntentBits,
  LabelBuilder,
  MediaGalleryBuilder,
  MessageFlags,
  ModalBuilder,
  SlashCommandBuilder,
  StringSelectMenuBuilder,
  TextDisplayBuilder,
  TextInputBuilder,
  TextInputStyle,
} from "discord.js";

const { DISCORD_API, DISCORD_TOKEN, PICTURE } = process.env;
const MODELS = ["dreamshaper", "juggernaut"];

const picture = (name = "picture.png") => new AttachmentBuilder(PICTURE, { name, description: "a picture" });
const row = (component) => new ActionRowBuilder().addComponents(component);

const definitions = [
  new SlashCommandBuilder()
    .setName("imagine")
    .setDescription("Draws")
    .addStringOption((option) => option.setName("prompt").setDescription("What").setRequired(true).setMaxLength(100))
    .addIntegerOption((option) => option.setName("steps").setDescription("How long").setMinValue(1).setMaxValue(150))
    .addAttachmentOption((option) => option.setName("image").setDescription("From")),
  new SlashCommandBuilder().setName("twice").setDescription("Answers twice"),
  new SlashCommandBuilder().setName("secret").setDescription("Answers only who asked, after a while"),
  new SlashCommandBuilder().setName("frames").setDescription("Adds a second picture to the first"),
  new SlashCommandBuilder().setName("gone").setDescription("Takes its answer back"),
  new SlashCommandBuilder().setName("layout").setDescription("A layout of components"),
  new SlashCommandBuilder().setName("edit").setDescription("Opens a form"),
  new SlashCommandBuilder().setName("size").setDescription("Asks for a size"),
  new SlashCommandBuilder()
    .setName("model")
    .setDescription("Suggests")
    .addStringOption((option) => option.setName("name").setDescription("Which").setRequired(true).setAutocomplete(true)),
  new SlashCommandBuilder()
    .setName("settings")
    .setDescription("Settings")
    .addSubcommand((command) =>
      command
        .setName("everything")
        .setDescription("Every kind of option")
        .addBooleanOption((option) => option.setName("flag").setDescription("Yes or no").setRequired(true))
        .addNumberOption((option) => option.setName("scale").setDescription("How much").setRequired(true))
        .addUserOption((option) => option.setName("who").setDescription("Who").setRequired(true))
        .addChannelOption((option) => option.setName("where").setDescription("Where").setRequired(true))
        .addRoleOption((option) => option.setName("role").setDescription("Which").setRequired(true)),
    ),
  new ContextMenuCommandBuilder().setName("Describe").setType(ApplicationCommandType.Message),
  new ContextMenuCommandBuilder().setName("Greet").setType(ApplicationCommandType.User),
];

const commands = {
  async imagine(interaction) {
    await interaction.deferReply();
    const image = interaction.options.getAttachment("image");
    const bytes = image ? (await (await fetch(image.url)).arrayBuffer()).byteLength : 0;
    const steps = interaction.options.getInteger("steps") ?? 20;
    const again = new ButtonBuilder().setCustomId("again:7").setLabel("Again").setStyle(ButtonStyle.Primary);
    await interaction.editReply({
      content: `${interaction.options.getString("prompt")} in ${steps} steps from ${bytes} bytes`,
      files: [picture()],
      components: [row(again)],
    });
  },

  async twice(interaction) {
    await interaction.reply("first");
    await interaction.followUp({ content: "second", flags: MessageFlags.Ephemeral });
  },

  async secret(interaction) {
    await interaction.deferReply({ flags: MessageFlags.Ephemeral });
    await interaction.editReply("between us");
  },

  async frames(interaction) {
    await interaction.reply({ files: [picture("one.png")] });
    const first = await interaction.fetchReply();
    await interaction.editReply({ attachments: [...first.attachments.values()], files: [picture("two.png")] });
  },

  async gone(interaction) {
    await interaction.reply("not for long");
    await interaction.deleteReply();
    await interaction.followUp("nothing to see");
  },

  async layout(interaction) {
    const gallery = new MediaGalleryBuilder().addItems((item) => item.setURL("attachment://picture.png"));
    const container = new ContainerBuilder()
      .setAccentColor(0xff8800)
      .addTextDisplayComponents(new TextDisplayBuilder().setContent("# A picture"))
      .addMediaGalleryComponents(gallery);
    await interaction.reply({ components: [container], files: [picture()], flags: MessageFlags.IsComponentsV2 });
  },

  async edit(interaction) {
    const prompt = new TextInputBuilder().setCustomId("prompt").setStyle(TextInputStyle.Short).setMaxLength(100);
    const label = new LabelBuilder().setLabel("Prompt").setTextInputComponent(prompt);
    await interaction.showModal(new ModalBuilder().setCustomId("edit").setTitle("Edit").addLabelComponents(label));
  },

  async size(interaction) {
    const options = ["small", "large"].map((name) => ({ label: name, value: name }));
    const menu = new StringSelectMenuBuilder().setCustomId("size").addOptions(options);
    await interaction.reply({ content: "which?", components: [row(menu)] });
  },

  async settings(interaction) {
    const { options } = interaction;
    const said = [
      options.getBoolean("flag"),
      options.getNumber("scale"),
      options.getUser("who").username,
      options.getChannel("where").name,
      options.getRole("role").name,
    ];
    await interaction.reply({ content: said.join(" "), allowedMentions: { parse: [] } });
  },

  async Describe(interaction) {
    await interaction.reply(`described: ${interaction.targetMessage.content}`);
  },

  async Greet(interaction) {
    await interaction.reply(`hello ${interaction.targetUser.username}`);
  },
};

async function answer(interaction) {
  if (interaction.isAutocomplete()) {
    const found = MODELS.filter((name) => name.includes(interaction.options.getFocused()));
    await interaction.respond(found.map((name) => ({ name, value: name })));
  } else if (interaction.isCommand()) {
    await commands[interaction.commandName](interaction);
  } else if (interaction.isButton()) {
    const seed = interaction.customId.split(":")[1];
    await interaction.reply({ content: `again with ${seed}`, flags: MessageFlags.Ephemeral });
  } else if (interaction.isStringSelectMenu()) {
    await interaction.update(`size ${interaction.values[0]}`);
  } else if (interaction.isModalSubmit()) {
    await interaction.reply(`edited: ${interaction.fields.getTextInputValue("prompt")}`);
  }
}

const client = new Client({ intents: [GatewayIntentBits.Guilds], rest: { api: `${DISCORD_API}/api` } });
client.on(Events.InteractionCreate, answer);
client.once(Events.ClientReady, () => client.application.commands.set(definitions));
// whoever started us closes our standard input to have us leave, however they ended
process.stdin.on("end", () => client.destroy().then(() => process.exit(0))).resume();
await client.login(DISCORD_TOKEN);

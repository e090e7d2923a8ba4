"""The command line: `darkroom try | run | bot | engine | playground | generate | describe | verify | models |
bench | doctor | version`.

Results go to stdout, everything else to stderr. Exit codes as in sysexits.h: 69 something is not
available, 78 a setting is wrong; 1 when a picture was asked for and not made, 2 for a wrong option.
"""

import typer

from bot.cli import pictures, programs, trial

app = typer.Typer(
    help="Darkroom: /imagine in a chat, a picture back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("try")(trial.try_)
app.command()(programs.run)
app.command("bot")(programs.bot_)
app.command()(programs.engine)
app.command()(programs.playground)
app.command()(pictures.generate)
app.command()(pictures.describe)
app.command()(pictures.verify)
app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)(programs.models)
app.command()(programs.bench)
app.command()(programs.doctor)
app.command()(programs.version)


def main() -> None:
    app()

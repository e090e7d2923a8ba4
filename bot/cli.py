"""The command line: `darkroom try | run | bot | engine | playground | generate | describe | verify | models |
bench | doctor | version`.

Results go to stdout, everything else to stderr. Exit codes as in sysexits.h: 69 something is not
available, 78 a setting is wrong; 1 when a picture was asked for and not made, 2 for a wrong option.
"""

import asyncio
import importlib.metadata
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

import bot.__main__
from bot import log as logs
from bot.config import Settings, discord_token, load
from bot.controls import parse
from bot.describe import describe_alone
from bot.doctor import examine
from bot.errors import Misconfigured, Refused
from bot.generate import format_of, generate_alone
from bot.given import Given
from bot.guidance import interval_of
from bot.jobs.ports import EngineError
from bot.judging import Judging
from bot.launcher import ChildGaveUp, Launcher, bot_child, engine_child
from bot.postprocess import Postprocess
from bot.redraw import Redraw
from bot.refiner import refiner_of
from bot.requests import Options

app = typer.Typer(
    help="Darkroom: /imagine in a chat, a picture back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; config.toml in this folder if it exists."),
]
T = TypeVar("T")
TRIAL_QUIET = "WARNING"  # a trial's terminal belongs to the conversation


def main() -> None:
    app()


@app.command("try")
def try_(
    once: Annotated[
        str | None, typer.Option(help="Type this slash command, save its pictures, and end.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures of --once.")] = Path("out"),
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the pictures of --once.")] = 600.0,
    config: Config = None,
) -> None:
    """Try Darkroom in a browser on this machine: no Discord, no account, a model that is there already."""
    settings = _settings(config)
    os.environ.setdefault("DARKROOM_LOG__LEVEL", TRIAL_QUIET)
    logs.set_up(os.environ["DARKROOM_LOG__LEVEL"], ())
    if once is None:
        _run(_until_signal(_try_in_browser(settings, config)))
    else:
        _end(_run(_try_once(settings, config, once, out, timeout)))


@app.command()
def run(config: Config = None) -> None:
    """Run bot and engine together, and keep them running."""
    settings = _settings(config)
    logs.set_up(settings.log.level, ())
    file = ["--config", str(config)] if config else []
    _check(lambda: discord_token(settings))  # before torch is started for nothing
    engine = engine_child(config=file, grace_s=float(settings.engine.get("grace_s", 30.0)))
    launcher = Launcher(children=[engine, bot_child(config=file)])
    _run(_until_signal(launcher.run()))


@app.command("bot")
def bot_(config: Config = None) -> None:
    """Run the Discord process alone; the engine runs elsewhere."""
    sys.exit(bot.__main__.main(["--config", str(config)] if config else []))


@app.command()
def engine(config: Config = None) -> None:
    """Run the drawing process alone; the bot runs elsewhere."""
    file = ["--config", str(config)] if config else []
    os.execv(sys.executable, [sys.executable, "-m", "engine", *file])


@app.command()
def playground(
    port: Annotated[int, typer.Option(help="Where to listen; 0: any free one.", min=0, max=65535)] = 0,
) -> None:
    """Run the local stand-in for Discord alone, for any bot; prints its addresses and the bot's token."""
    from bot.playground.__main__ import run  # the playground is not loaded by the other commands

    sys.exit(run(port))


@app.command()
def generate(
    out: Annotated[
        Path, typer.Option(help="The file to write: .png, .jpg or .webp; several become NAME-0, NAME-1, …")
    ],
    prompt: Annotated[
        str, typer.Option(help="What to draw; not needed where a picture is only processed.")
    ] = "",
    negative_prompt: Annotated[str, typer.Option(help="What not to draw.")] = "",
    init_image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    strength: Annotated[float | None, typer.Option(help="How much of it is drawn anew, 0.05 to 1.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="A picture of the same size: only where it is white is drawn anew.")
    ] = None,
    mask_blur: Annotated[
        int | None, typer.Option(help="Pixels by which its edge is softened, 0 to 64.")
    ] = None,
    fill: Annotated[
        str | None, typer.Option(help="What is there at first: original, fill, noise or nothing.")
    ] = None,
    only_masked: Annotated[
        bool, typer.Option("--only-masked", help="Draw that part alone, in full size.")
    ] = False,
    padding: Annotated[int | None, typer.Option(help="Pixels around it that are seen, 0 to 256.")] = None,
    outpaint: Annotated[str | None, typer.Option(help="Extend the picture, such as left=64,up=32.")] = None,
    depth: Annotated[
        Path | None, typer.Option(help="A grey picture of what is near, white, and far, for depth2img.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="depth2img or upscale, where a model can; all else is told by the others."),
    ] = None,
    noise_level: Annotated[int | None, typer.Option(help="How much upscale may make up, 0 to 350.")] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="A picture that steers; ,weight= ,start= ,end= ,preprocess= follow."
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="square, portrait, landscape, wide, or such as 512x768.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, 1 to 150.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale, 0 to 30.")] = None,
    guidance_interval: Annotated[
        str | None, typer.Option(help="On which steps, such as 0.2-0.8; the others take half of the time.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same picture.")] = None,
    variation_seed: Annotated[int | None, typer.Option(help="A seed to go towards.")] = None,
    variation_strength: Annotated[float | None, typer.Option(help="How far, 0 to 1.")] = None,
    count: Annotated[int | None, typer.Option(help="Pictures, 1 to 4.")] = None,
    best_of: Annotated[
        int | None, typer.Option(help="Draw so many, up to 16, and keep those nearest to the prompt.")
    ] = None,
    safety: Annotated[str | None, typer.Option(help="Check pictures: off, pass, blur or block.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Such as euler_a or 'DPM++ 2M'.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Such as karras.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name.")] = None,
    vae: Annotated[str | None, typer.Option(help="The name of a VAE in place of the model's own.")] = None,
    refiner: Annotated[str | None, typer.Option(help="An SDXL that draws the last steps.")] = None,
    switch_at: Annotated[float | None, typer.Option(help="When it takes over, 0.01 to 0.99.")] = None,
    tiling: Annotated[
        str | None, typer.Option(help="Without a seam between opposite edges: x, y or both.")
    ] = None,
    hires: Annotated[
        str | None, typer.Option(help="Draw it again so much larger, such as 2 or 1.5:lanczos.")
    ] = None,
    upscale: Annotated[str | None, typer.Option(help="Enlarge it, such as lanczos or x4plus:2.")] = None,
    post: Annotated[
        list[str] | None, typer.Option(help="Process it, such as 'sharpen amount=1'; may be repeated.")
    ] = None,
    config: Config = None,
) -> None:
    """Draw without any chat."""
    settings = _settings(config)
    logs.set_up(TRIAL_QUIET, ())
    redraw = Redraw(
        mask=mask is not None,
        mask_blur=mask_blur,
        fill=fill,
        only_masked=only_masked,
        padding=padding,
        outpaint=outpaint,
    )
    controls = _check(lambda: tuple(map(parse, control or ())))
    options = Options(
        prompt=prompt,
        controls=controls,
        redraw=redraw,
        task=None if task is None else task.strip().casefold(),
        noise_level=noise_level,
        variation_seed=variation_seed,
        variation_strength=variation_strength,
        negative_prompt=negative_prompt,
        strength=strength,
        size=size,
        steps=steps,
        guidance=guidance,
        guidance_interval=_check(lambda: interval_of(guidance_interval)),
        seed=seed,
        count=count,
        judging=Judging(best_of=best_of, safety=safety),
        sampler=sampler,
        schedule=schedule,
        model=model,
        vae=vae,
        tiling=tiling,
        refiner=_check(lambda: refiner_of(refiner, switch_at)),
        postprocess=Postprocess(upscale=upscale, steps=tuple(post or ()), hires=hires),
        format=_check(lambda: format_of(out)),
    )
    drawing = generate_alone(
        models=_models(settings),
        signing_key=_signing_key(settings),
        config=config,
        environment=_companions(settings),
        options=options,
        given=Given(init_image, mask, depth=depth, controls=tuple(each.picture for each in controls)),
        out=out,
    )
    for path in _run(drawing):
        print(path)


@app.command()
def describe(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP.")],
    model: Annotated[str | None, typer.Option(help="The model whose CLIP looks at it.")] = None,
    config: Config = None,
) -> None:
    """Say what is in a picture, in a few words."""
    settings = _settings(config)
    logs.set_up(TRIAL_QUIET, ())
    looking = describe_alone(
        models=_models(settings),
        signing_key=_signing_key(settings),
        config=config,
        environment=_companions(settings),
        file=file,
        model=model,
    )
    print(_run(looking))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP.")],
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of sentences.")] = False,
    config: Config = None,
) -> None:
    """Say what a picture's file tells about where it comes from: recipe, watermark, signature."""
    options = [*(["--json"] if as_json else []), *(["--config", str(config)] if config else [])]
    os.execv(sys.executable, [sys.executable, "-m", "engine.verify", *options, "--", str(file)])


@app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
def models(
    arguments: Annotated[list[str], typer.Argument(metavar="list | add | convert | check | remove")],
) -> None:
    """Keep the models folder: list, add, convert, check or remove a model."""
    os.execv(sys.executable, [sys.executable, "-m", "engine.models", *arguments])


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="Fewer ticks: seconds instead of a minute.")] = False,
    model: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    config: Config = None,
) -> None:
    """Measure what this machine will do: seconds per picture, what limits it, which setting would help."""
    options = [*(["--quick"] if quick else []), *(["--model", model] if model else [])]
    options += ["--config", str(config)] if config else []
    os.execv(sys.executable, [sys.executable, "-m", "engine.worker.profile", *options])


@app.command()
def doctor(config: Config = None) -> None:
    """Check what Darkroom needs, and say what to do where something is missing."""
    findings = _run(examine(_settings(config), config))
    for finding in findings:
        mark = {True: "ok", None: "note", False: "WRONG"}[finding.ok]
        print(f"{mark:<6} {finding.what:<14} {finding.says}")
    sys.exit(0 if all(finding.ok is not False for finding in findings) else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(importlib.metadata.version("darkroom"))


async def _try_in_browser(settings: Settings, config: Path | None) -> None:
    """Run until a signal. What was drawn is gone afterwards, like the chat: save what you like from the page."""
    from bot.trial import start_trial  # the playground is not loaded by the other commands

    with tempfile.TemporaryDirectory(prefix="darkroom-") as data:
        async with start_trial(
            data=Path(data),
            models=_models(settings),
            config=config,
            environment={
                "DARKROOM_ENGINE__SIGNING_KEY": str(_signing_key(settings).absolute()),
                **_companions(settings),
            },
        ) as trial:
            print("Starting …", file=sys.stderr)
            await trial.ready()
            print(
                f"Darkroom is running. Open {trial.playground.base}/ and type /imagine. Ctrl-C ends it.",
                flush=True,
            )
            await trial.launched  # until something ends it


async def _try_once(settings: Settings, config: Path | None, text: str, out: Path, timeout: float) -> int:
    from bot.playground.client import DidNotRespond, Person
    from bot.playground.errors import NotPossible
    from bot.trial import follow, start_trial

    with tempfile.TemporaryDirectory(prefix="darkroom-") as data:
        async with start_trial(
            data=Path(data),
            models=_models(settings),
            config=config,
            environment={
                "DARKROOM_ENGINE__SIGNING_KEY": str(_signing_key(settings).absolute()),
                **_companions(settings),
            },
        ) as trial:
            await trial.ready()
            async with Person(trial.playground.base) as person:
                try:
                    asked = await person.enter(text)
                    outcome = await follow(person, asked, out=out, timeout=timeout)
                except (NotPossible, DidNotRespond) as error:
                    raise Refused(str(error)) from None
                except TimeoutError:
                    raise Refused(f"The picture was not there after {timeout:g} s.") from None
    print(outcome.to_json(), flush=True)
    return 0 if outcome.state == "posted" else 1


def _settings(config: Path | None) -> Settings:
    return _check(lambda: load(config))


def _check(look: Callable[[], T]) -> T:
    """What a setting or an option says; where it is wrong, that is the end."""
    try:
        return look()
    except Misconfigured as error:
        _end(os.EX_CONFIG, str(error))
    except Refused as error:
        _end(1, str(error))


def _models(settings: Settings) -> Path:
    return Path(str(settings.engine.get("models") or settings.paths.data / "models"))


def _signing_key(settings: Settings) -> Path:
    return Path(str(settings.engine.get("signing_key") or settings.paths.data / "signing.pem"))


def _companions(settings: Settings) -> dict[str, str]:
    """Where what goes with models is, for an engine of our own, which has another data folder."""
    folders = {
        "wildcards": "wildcards",
        "controls": "controlnets",
        "upscalers": "upscalers",
        "faces": "faces",
        "tiny": "tiny",
    }
    folders |= {"clip": "clip", "safety_checker": "safety"}
    return {
        f"DARKROOM_ENGINE__{name.upper()}": str(
            Path(str(settings.engine.get(name) or settings.paths.data / folder)).absolute()
        )
        for name, folder in folders.items()
    }


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end; what a person can mend is one sentence and an exit code."""
    try:
        return asyncio.run(work)
    except Misconfigured as error:
        _end(os.EX_CONFIG, str(error))
    except ChildGaveUp as error:  # the child has said why
        _end(error.exit_code)
    except (Refused, EngineError, TimeoutError) as error:
        _end(1, str(error))
    except OSError as error:
        _end(1, f"{error.filename or 'darkroom'}: {error.strerror}.")
    except KeyboardInterrupt:
        _end(128 + signal.SIGINT)


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or SIGINT, then cancel and wait for a clean end."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def _end(code: int, sentence: str = "") -> NoReturn:
    if sentence:
        print(sentence, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

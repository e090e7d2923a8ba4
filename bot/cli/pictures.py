"""Pictures without a chat: `darkroom generate`, `describe` and `verify`."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bot import log as logs
from bot.cli.ending import Config, check, config_file, run_to_end
from bot.controls import parse
from bot.generate import check_place, format_of, generate_alone, prompt_of, unused_name
from bot.given import Given
from bot.guidance import interval_of
from bot.judging import Judging
from bot.own_engine import OwnEngine
from bot.postprocess import Postprocess
from bot.redraw import Redraw
from bot.refiner import refiner_of
from bot.requests import Options
from engine.wire import Format

QUIET = "WARNING"  # the terminal belongs to the result


def generate(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="What to draw, as --prompt says it.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write: .png, .jpg or .webp; several become NAME-0, NAME-1, …"
            " Without it darkroom-1.png in this folder, or the next number."
        ),
    ] = None,
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
    logs.set_up(QUIET, ())
    redraw = Redraw(
        mask=mask is not None,
        mask_blur=mask_blur,
        fill=fill,
        only_masked=only_masked,
        padding=padding,
        outpaint=outpaint,
    )
    controls = check(lambda: tuple(map(parse, control or ())))
    check(lambda: check_place(out or unused_name(Path())))
    options = Options(
        prompt=check(lambda: prompt_of(words or (), prompt)),
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
        guidance_interval=check(lambda: interval_of(guidance_interval)),
        seed=seed,
        count=count,
        judging=Judging(best_of=best_of, safety=safety),
        sampler=sampler,
        schedule=schedule,
        model=model,
        vae=vae,
        tiling=tiling,
        refiner=check(lambda: refiner_of(refiner, switch_at)),
        postprocess=Postprocess(upscale=upscale, steps=tuple(post or ()), hires=hires),
        format=Format.PNG if out is None else check(partial(format_of, out)),
    )
    drawing = generate_alone(
        OwnEngine(config=config),
        options=options,
        given=Given(init_image, mask, depth=depth, controls=tuple(each.picture for each in controls)),
        out=out,
    )
    for path in run_to_end(drawing):
        print(path)


def describe(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP.")],
    model: Annotated[str | None, typer.Option(help="The model whose CLIP looks at it.")] = None,
    config: Config = None,
) -> None:
    """Say what is in a picture, in a few words."""
    from bot.describe import describe_alone

    logs.set_up(QUIET, ())
    print(run_to_end(describe_alone(OwnEngine(config=config), file=file, model=model)))


def verify(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP.")],
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of sentences.")] = False,
    config: Config = None,
) -> None:
    """Say what a picture's file tells about where it comes from: recipe, watermark, signature."""
    options = [*(["--json"] if as_json else []), *config_file(config)]
    os.execv(sys.executable, [sys.executable, "-m", "engine.verify", *options, "--", str(file)])

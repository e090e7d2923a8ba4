"""`python -m engine.demo.training.upscaler`: make the ×4 upscaler beside the demo model, in one command.

    python -m engine.demo.training.upscaler --work data/training --out engine/demo/upscaler

It learns from the demo's scenes and from large shapes. Every stage is resumed where it stopped; files of an earlier run
in `--work` are used as they are, so another seed needs another folder. It needs Debian's `fonts-noto-color-emoji`.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from transformers import CLIPTokenizer

from engine.demo.training.autoencoder import train_autoencoder
from engine.demo.training.command import begin, learning, parser_of
from engine.demo.training.corpus import Corpus, OtherCorpus
from engine.demo.training.diffusion import encode
from engine.demo.training.drawing import Drawer, Upscaler
from engine.demo.training.export import export_upscaler, scaling_factor
from engine.demo.training.glyphs import FontMissing
from engine.demo.training.networks import UPSCALER_CHANNELS
from engine.demo.training.shapes import shapes_of
from engine.demo.training.upscaler_evaluation import draw_comparison, evaluate_upscaler, lanczos
from engine.demo.training.upscaling import Targets, train_upscaler
from engine.models.registry import DEMO_FOLDER

log = logging.getLogger("training")


def main() -> int:
    options = _arguments()
    try:
        corpus = begin(options)
    except (FontMissing, OtherCorpus) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.stage in ("all", "train"):
        _train(options, corpus)
    if options.stage in ("all", "evaluate"):
        _evaluate(options, corpus)
    return 0


def _arguments() -> argparse.Namespace:
    parser = parser_of("python -m engine.demo.training.upscaler", __doc__)
    parser.add_argument(
        "--shapes", type=int, default=10_000, help="pictures of large shapes beside the scenes"
    )
    parser.add_argument("--questions", type=int, default=100, help="held-out scenes that it is judged by")
    parser.add_argument(
        "--demo", type=Path, default=DEMO_FOLDER, help="the model that draws, whose tokenizer it takes over"
    )
    return parser.parse_args()


def _train(options: argparse.Namespace, corpus: Corpus) -> None:
    shared, work = learning(options), options.work
    autoencoder = train_autoencoder(
        corpus,
        file=work / "upscaler-autoencoder.pt",
        steps=options.autoencoder_steps,
        channels=UPSCALER_CHANNELS,
        **shared,
    )
    encoded = partial(encode, autoencoder=autoencoder, autocast=shared["autocast"])
    pictures = corpus.pictures[: options.latents or corpus.size]
    scenes = Targets(pictures, encoded(pictures, folder=corpus.folder), corpus.caption)
    drawn = shapes_of(work / "shapes", seed=options.seed, size=options.shapes)
    shapes = Targets(drawn, encoded(drawn, folder=work / "shapes"), lambda _number, _step: "")
    words, factor = options.demo / "tokenizer", scaling_factor(scenes.latents)
    denoiser = train_upscaler(
        scenes,
        shapes,
        CLIPTokenizer.from_pretrained(words, local_files_only=True),
        scaling_factor=factor,
        file=work / "upscaling.pt",
        steps=options.diffusion_steps,
        compiled=options.compile,
        **shared,
    )
    export_upscaler(
        options.out,
        tokenizer=words,
        autoencoder=autoencoder.cpu(),
        denoiser=denoiser.cpu(),
        factor=factor,
        targets=scenes,
    )


def _evaluate(options: argparse.Namespace, corpus: Corpus) -> None:
    upscaler = Upscaler(options.out)
    figures = {
        name: asdict(evaluate_upscaler(enlarge, corpus.kinds, options.questions))
        for name, enlarge in (("upscaler", upscaler.enlarge), ("Lanczos", lanczos))
    }
    log.info("%s", json.dumps(figures, indent=2))
    (options.work / "upscaler-evaluation.json").write_text(json.dumps(figures, indent=2) + "\n")
    draw_comparison(Drawer(options.demo), upscaler, options.work / "upscaler.jpg")


if __name__ == "__main__":
    sys.exit(main())

"""`python -m engine.demo.training`: make the demo model, from glyphs to a folder, in one command.

    python -m engine.demo.training --work data/training --out engine/demo/model

Every stage is resumed where it stopped; files of an earlier run in `--work` are used as they are. `--start
engine/demo/model` goes on from the model that ships, without its checkpoints. All chance comes from `--seed`. It needs
Debian's `fonts-noto-color-emoji`.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.demo.training.autoencoder import train_autoencoder, train_decoder
from engine.demo.training.clip import take_text_encoder, text_encoder_of, train_clip
from engine.demo.training.command import begin, learning, parser_of
from engine.demo.training.contact_sheet import draw_contact_sheet
from engine.demo.training.corpus import Corpus, OtherCorpus
from engine.demo.training.diffusion import encode_corpus, train_diffusion
from engine.demo.training.drawing import Drawer
from engine.demo.training.evaluation import draw_truth, evaluate, questions, train_judges
from engine.demo.training.export import export, scaling_factor
from engine.demo.training.exported import Exported, read_exported
from engine.demo.training.glyphs import FontMissing
from engine.demo.training.tokenizer import tokenizer_of
from engine.demo.vocabulary import known_words

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
    parser = parser_of("python -m engine.demo.training", __doc__)
    parser.add_argument(
        "--start", type=Path, help="an exported model whose diffusion network is trained further"
    )
    parser.add_argument(
        "--decoder-steps", type=int, default=0, help="the autoencoder's decoder alone, trained further"
    )
    parser.add_argument("--clip-steps", type=int, default=5_000)
    parser.add_argument(
        "--joint",
        action="store_true",
        help="the text encoder learns with the diffusion; the CLIP's picture tower then follows, in --clip-steps",
    )
    parser.add_argument("--judge-steps", type=int, default=1_500)
    parser.add_argument("--questions", type=int, default=500)
    return parser.parse_args()


def _train(options: argparse.Namespace, corpus: Corpus) -> None:
    shared = learning(options)
    start = read_exported(options.start) if options.start else _first_parts(options, corpus, shared)
    count = min(options.latents or corpus.size, corpus.size)
    latents = encode_corpus(
        corpus, start.autoencoder.to(shared["device"]), count=count, autocast=shared["autocast"]
    )
    factor = start.autoencoder.config.scaling_factor if options.start else scaling_factor(latents)
    autoencoder = start.autoencoder
    if options.decoder_steps:
        autoencoder = train_decoder(
            corpus,
            autoencoder,
            latents,
            file=options.work / "decoder.pt",
            steps=options.decoder_steps,
            **shared,
        )
    denoiser = train_diffusion(
        corpus,
        latents,
        start.tokenizer,
        text_encoder_of(start.clip),
        start=start.unet,
        scaling_factor=factor,
        file=options.work / "diffusion.pt",
        steps=options.diffusion_steps,
        joint=options.joint,
        compiled=options.compile,
        **shared,
    )
    clip = start.clip
    if options.joint:
        clip = train_clip(
            corpus,
            start.tokenizer,
            start=take_text_encoder(clip, denoiser.text_encoder),
            file=options.work / "clip-pictures.pt",
            steps=options.clip_steps,
            **shared,
        )
    export(
        options.out,
        tokenizer=start.tokenizer,
        clip=clip.cpu(),
        autoencoder=autoencoder.cpu(),
        unet=denoiser.unet.cpu(),
        factor=factor,
        latents=latents,
        corpus=corpus,
    )


def _first_parts(options: argparse.Namespace, corpus: Corpus, shared: dict[str, Any]) -> Exported:
    """What the diffusion network is trained with, trained before it."""
    work, tokenizer = options.work, tokenizer_of(options.work / "tokenizer", known_words())
    autoencoder = train_autoencoder(
        corpus, file=work / "autoencoder.pt", steps=options.autoencoder_steps, **shared
    )
    clip = train_clip(corpus, tokenizer, file=work / "clip.pt", steps=options.clip_steps, **shared)
    return Exported(tokenizer=tokenizer, clip=clip, autoencoder=autoencoder, unet=None)


def _evaluate(options: argparse.Namespace, corpus: Corpus) -> None:
    judges = train_judges(corpus, folder=options.work, steps=options.judge_steps, seed=options.seed)
    asked = questions(corpus.kinds, options.questions)
    drawer = Drawer(options.out)
    drawn = evaluate(judges, asked, lambda group: drawer.draw([(each.prompt, each.seed) for each in group]))
    figures = {
        "model": {what: asdict(share) for what, share in drawn.items()},
        "the scenes themselves": {
            what: asdict(share) for what, share in evaluate(judges, asked, draw_truth).items()
        },
    }
    log.info("%s", json.dumps(figures, indent=2))
    (options.work / "evaluation.json").write_text(json.dumps(figures, indent=2) + "\n")
    draw_contact_sheet(drawer, options.work / "contact-sheet.jpg")


if __name__ == "__main__":
    sys.exit(main())

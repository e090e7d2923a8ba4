"""What the training commands have in common: their options, the corpus, and where networks learn."""

import argparse
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.demo.training.corpus import Corpus, make_corpus
from engine.demo.vocabulary import KINDS


def parser_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """With the options that every command takes."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--work", type=Path, required=True, help="folder for the corpus and the checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model that is made")
    parser.add_argument("--stage", choices=("all", "train", "evaluate"), default="all")
    parser.add_argument("--seed", type=int, default=1839)
    parser.add_argument(
        "--kinds", type=int, default=len(KINDS), help="how many kinds of things, from the first"
    )
    parser.add_argument("--size", type=int, default=100_000, help="scenes drawn; each is seen many times")
    parser.add_argument("--latents", type=int, default=0, help="how many of them the diffusion sees; 0: all")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: as many as cores")
    parser.add_argument("--autoencoder-steps", type=int, default=20_000)
    parser.add_argument("--diffusion-steps", type=int, default=60_000)
    parser.add_argument(
        "--compile", action="store_true", help="compile the diffusion network for this machine"
    )
    return parser


def begin(options: argparse.Namespace) -> Corpus:
    """The scenes, drawn where they are not there yet. Raises FontMissing, OtherCorpus."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads or torch.get_num_threads())
    return make_corpus(
        options.work / "corpus",
        seed=options.seed,
        size=options.size,
        kinds=KINDS[: options.kinds],
        processes=os.cpu_count() or 1,
    )


def learning(options: argparse.Namespace) -> dict[str, Any]:
    """What every training takes: `seed`, `device` and `autocast`."""
    device = torch.device(options.device)
    return {"seed": options.seed, "device": device, "autocast": _autocast(device)}


def _autocast(device: torch.device) -> Callable[[], Any]:
    return partial(torch.autocast, device.type, torch.bfloat16)

"""The worker's command line. Values are as in the [engine] table of the configuration."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from engine.speed import Compiler, Speed


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Ends the process with a line on stderr where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.worker", description="The process that owns one device."
    )
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    parser.add_argument("--wildcards", type=Path, required=True, help="folder of NAME.txt files for prompts")
    parser.add_argument("--loras", type=Path, required=True, help="folder of LoRAs")
    parser.add_argument("--embeddings", type=Path, required=True, help="folder of textual inversions")
    parser.add_argument("--vaes", type=Path, required=True, help="folder of VAEs")
    parser.add_argument("--clip", type=Path, required=True, help="folder of open_clip models")
    parser.add_argument("--safety-checker", type=Path, required=True, help="folder of the safety checker")
    parser.add_argument("--controls", type=Path, required=True, help="folder of ControlNets and their like")
    parser.add_argument("--upscalers", type=Path, required=True, help="folder of upscalers")
    parser.add_argument("--faces", type=Path, required=True, help="folder of face restorers")
    parser.add_argument("--tiny", type=Path, required=True, help="folder of tiny autoencoders")
    parser.add_argument("--previews", default="matrix", help="matrix, tiny")
    parser.add_argument("--decoder", default="own", help="own, tiny")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: as many as cores")
    parser.add_argument("--max-rows", type=int, default=0, help="rows a tick may hold; 0: measured")
    parser.add_argument("--speed", type=Speed, default=Speed.EXACT, help="exact, balanced, fast")
    parser.add_argument("--compiler", type=Compiler, default=Compiler.AUTO, help="auto, inductor, openvino")
    parser.add_argument("--caps", type=Path, help="file for measured caps; without it they are forgotten")
    parser.add_argument("--compiled", type=Path, help="folder where torch keeps what it compiled")
    parser.add_argument("--memory", default="auto", help="of the device, such as 6GB; auto: what a GPU has")
    parser.add_argument("--model-cache", default="auto", help="for models not in use, such as 8GB")
    parser.add_argument("--unload-minutes", type=float, default=0.0, help="of idleness; 0: models stay")
    parser.add_argument("--cpu-fallback", action="store_true", help="draw on the CPU what fits nowhere else")
    parser.add_argument("--watermark", default="", help="six characters woven into pictures; empty: none")
    parser.add_argument("--signing-key", type=Path, help="PEM file of the key; without it nothing is signed")
    return parser.parse_args(arguments)

"""`python -m bench.serving`: many people before one device, ours beside what bots do today, in one run.

On a CPU it serves with the demo model and with a mid-size random network; with `--gpu` Stable Diffusion 1.5, 2.1 and XL
at true size with random weights. Ratios between arms of one run mean something, times of different machines do not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import diffusers
import transformers

from bench.budget import Budget
from bench.serving.line_up import COMPILED, EVERYTHING, LineUp
from bench.serving.report import Report, machine, write
from bench.serving.subjects import Subject, demo, full_size, mid_size
from bench.serving.trial import Plan, Trial
from bench.serving.verdict import compared, same_pictures, sentences
from engine.speed import has_openvino
from engine.worker.device import choose_device

MINUTES = 4.5  # on a CPU, for both models, unless something else is asked for
REQUESTS, ROUNDS = 16, 3  # at most
ON_A_GPU = 40, 2


def main() -> int:
    options = _arguments()
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    began = time.monotonic()
    sys.stdout.write(", ".join(f"{name} {value}" for name, value in machine().items() if value) + "\n")
    plan = plan_of(options)
    reports = []
    budget = None if plan.minutes is None else Budget(plan.minutes)
    subjects = subjects_of(options)
    for number, subject in enumerate(subjects):
        share = None if budget is None else budget.part(1 / (len(subjects) - number))
        reports.append(serve(subject, plan, options.device, share))
        write(reports, options.out)
        sys.stdout.write(told(reports[-1]))
        sys.stdout.flush()
    sys.stdout.write(
        f"{time.monotonic() - began:.0f} s in all; every figure is in {options.out / 'serving.json'}\n"
    )
    return 0 if all(same_pictures(report) for report in reports if compared(report)) else 1


def serve(subject: Subject, plan: Plan, device: str = "auto", budget: Budget | None = None) -> Report:
    """One model through all arms; its files are made first, and removed afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        line_up = LineUp(subject.written(Path(scratch)), choose_device(device), subject.side)
        return Trial(subject, line_up, plan, budget).run()


def told(report: Report) -> str:
    """What is said of one model."""
    given = "" if report.minutes is None else f" in {report.minutes:.1f} minutes"
    title = f"\n{report.model}, {report.side} × {report.side}, {report.device}"
    if report.left_out:
        return "\n".join([f"{title}: {report.left_out}", *sentences(report)]) + "\n"
    steps = ", ".join(map(str, report.steps))
    return (
        f"{title}; {report.rounds} rounds of {report.requests} requests of {steps} steps{given},"
        f" median (least–largest):\n\n{report.table()}\n\n" + "\n".join(sentences(report)) + "\n"
    )


def subjects_of(options: argparse.Namespace) -> list[Subject]:
    """What is to be served; on a CPU the demo model and the mid-size network unless something else is asked for."""
    if options.model is not None:
        return [Subject(name=options.name or options.model.name, side=options.side, folder=options.model)]
    if options.gpu:
        return full_size()
    asked = [*[demo()] * options.demo, *[mid_size()] * options.mid_size]
    return asked or [demo(), mid_size()]


def plan_of(options: argparse.Namespace) -> Plan:
    """On a GPU compiling takes a moment and many requests do; on a CPU it is the other way round.

    Whoever says how many requests or rounds there are to be is given them, however long they take.
    """
    requests, rounds = ON_A_GPU if options.gpu else (REQUESTS, ROUNDS)
    free = options.gpu or options.requests or options.rounds
    return Plan(
        requests=options.requests or requests,
        rounds=options.rounds or rounds,
        minutes=options.minutes or (None if free else MINUTES),
        compiled=compiled_arms(options),
        as_downloaded=options.float32,
    )


def compiled_arms(options: argparse.Namespace) -> Sequence[str]:
    """On a CPU torch compiles for minutes, OpenVINO, where it is installed, for seconds."""
    if options.compiled is None and not options.gpu:
        return (EVERYTHING,) if has_openvino() else ()
    return COMPILED if options.compiled in (True, None) else ()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="only the demo model")
    parser.add_argument("--mid-size", action="store_true", help="only the mid-size random network")
    parser.add_argument("--gpu", action="store_true", help="Stable Diffusion 1.5, 2.1 and XL, random weights")
    parser.add_argument("--model", type=Path, help="only this folder in diffusers' layout")
    parser.add_argument("--name", help="what the report calls it")
    parser.add_argument("--side", type=int, default=512, help="of its pictures, in pixels")
    parser.add_argument(
        "--minutes", type=float, help=f"for all models; on a CPU {MINUTES:g}, unless the next two are given"
    )
    parser.add_argument("--requests", type=int, help="in each round; with --minutes at most")
    parser.add_argument("--rounds", type=int, help="with --minutes at most")
    parser.add_argument(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        help="all compiled arms too: minutes more on a CPU; the default with --gpu. Ours by OpenVINO is there anyway,"
        " where that is installed",
    )
    parser.add_argument(
        "--float32", action="store_true", help="diffusers in float32 too, as it is downloaded"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    return parser


def _arguments() -> argparse.Namespace:
    made = parser()
    options = made.parse_args()
    if options.requests is not None and options.requests < 4:
        made.error(f"--requests must be at least 4, for percentiles; it was {options.requests}")
    return options


if __name__ == "__main__":
    sys.exit(main())

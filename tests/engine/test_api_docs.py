import json
import re
from pathlib import Path
from typing import get_args

from engine import frames
from engine.catalogue import Catalogue
from engine.errors import CODES
from engine.executor import Health
from engine.front import Front
from engine.metrics import Metrics
from engine.models.registry import Registry
from engine.queue import FairQueue
from engine.server import create_app
from engine.spool import Spool
from engine.wire import (
    Cancelled,
    Failed,
    Finished,
    GenerationRequest,
    Loading,
    Progress,
    Queued,
    Task,
    WireModel,
)
from tests.engine.no_worker import no_worker

OPERATING = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The table under a header row that begins with `heading`, by its first column."""
    table = DOCUMENT.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {row[0].strip("`"): row[1:] for row in cells}


def fields(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def documented(heading: str, models: tuple[type[WireModel], ...]) -> None:
    expected = {model.model_fields["type"].default: set(model.model_fields) - {"type"} for model in models}
    assert {name: fields(cells[0]) for name, cells in rows(heading).items()} == expected


def test_the_table_of_errors_is_the_one_in_the_code() -> None:
    expected = {
        name: [str(code.status), "yes" if code.retryable else "no", code.meaning]
        for name, code in CODES.items()
    }
    assert rows("code") == expected


def test_the_table_of_events_is_the_one_in_the_code() -> None:
    documented("`type`", (Queued, Loading, Progress, Finished, Failed, Cancelled))


def test_the_tables_of_frames_are_those_in_the_code() -> None:
    documented("to the worker", (frames.Begin, *get_args(frames.ToWorker)))
    documented("from the worker", get_args(frames.FromWorker))


def test_the_table_of_calls_is_that_of_the_server(tmp_path: Path) -> None:
    worker = no_worker(lambda: 0)
    catalogue = Catalogue(registry=Registry(tmp_path), executor=worker, queue_capacity=1)
    spool = Spool(tmp_path, keep_s=1, clock=lambda: 0)
    front = Front(executor=worker, catalogue=catalogue, spool=spool, queue=FairQueue(capacity=1))
    app = create_app(front, catalogue, token="t", hosts=(), heartbeat_s=1)
    served = {
        f"{route.method} {route.resource.canonical}".replace("{index}", "{n}")
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert set(rows("call")) == served


def test_the_operators_table_of_metrics_is_the_page() -> None:
    health = Health(ready=True, device="cpu", in_flight=1)
    page = Metrics(waiting=lambda: 0, running=lambda: 0, health=lambda: health).page().decode()
    counted = re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE)
    assert set(re.findall(r"`(darkroom_\w+)`", OPERATING)) == {
        name for name in counted if not name.endswith("_created")
    }


def test_the_example_that_enlarges_is_a_request_to_the_upscaler_that_ships(tmp_path: Path) -> None:
    examples = map(json.loads, re.findall(r"request=(\{.*?\})'", DOCUMENT, re.DOTALL))
    (example,) = [each for each in examples if each.get("task") == "upscale"]
    request = GenerationRequest.model_validate(example)
    models = {model.name: model for model in Registry(tmp_path).models()}
    assert Task.UPSCALE in models[request.model].tasks
    defaults = models[request.model].defaults
    assert (request.steps, request.guidance_scale) == (defaults.steps, defaults.guidance_scale)

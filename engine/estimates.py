"""What those who wait are told: their place, and how long it takes. Pure."""

from collections.abc import Collection, Iterable, Mapping

from engine.job import Job
from engine.pace import Pace
from engine.queue import Ticket
from engine.wire import Queued

MOVED = 0.2  # people are told a new time when it is so much off, and not at every step


def announce(
    order: Iterable[Ticket], jobs: Mapping[str, Job], *, running: Collection[Job], pace: Pace
) -> None:
    """Tell each waiting job its place and time, where either changed enough to be worth saying."""
    cost = sum(job.left for job in running)
    for position, ticket in enumerate(order, start=1):
        cost += ticket.cost
        queued = Queued(position=position, eta_s=pace.seconds(cost))
        events = jobs[ticket.job_id].log
        told = events.newest(Queued)
        if told is None or told.position != position or _moved(told.eta_s, queued.eta_s):
            events.add(queued)


def shared_cost(job: Job, running: Collection[Job]) -> float:
    """What is drawn until this job is done: its own rest, and as much of those that share its ticks."""
    return sum(min(job.left, each.left) for each in running)


def _moved(told: float | None, now: float | None) -> bool:
    """Whether a time is known now, or is a fifth away from what was said."""
    if told is None or now is None:
        return (told is None) != (now is None)
    return abs(now - told) > MOVED * max(told, 1.0)

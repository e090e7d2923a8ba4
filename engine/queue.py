"""Which jobs wait, and which is drawn next. Pure: no clock, no sockets, no torch.

Owners take turns by deficit round robin (Shreedhar and Varghese, "Efficient Fair Queuing using Deficit
Round Robin", SIGCOMM 1995): whoever is at the front of the ring receives a quantum of cost and draws while
it lasts. Many small pictures and one large one so get the same share.

Loading a model takes longer than a picture, so a job for the loaded model may go before the job whose turn
it is, until such jobs have passed it with `AHEAD` cost in all.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine import hires, postprocessing
from engine.prompts.composition import parts
from engine.prompts.wildcards import no_lines, words_of
from engine.wire import UPSCALE_FACTOR, GenerationRequest, Task

QUANTUM = 512 * 512 * 20  # one ordinary picture: pixels × steps
AHEAD = 8 * QUANTUM


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A job's place in the queue. `cost` is in pixels × steps × images; `model` is None where none draws."""

    job_id: str
    owner: str
    model: str | None
    cost: int


@dataclass(kw_only=True)
class _Share:
    """One owner's waiting jobs, oldest first, and the cost that the owner may still draw in this turn."""

    owner: str
    tickets: deque[Ticket]
    deficit: int = 0


@dataclass(kw_only=True)
class FairQueue:
    """At most `capacity` tickets. `loaded`, where it is asked for, is the model that the worker holds."""

    capacity: int
    _ring: deque[_Share] = field(default_factory=deque)  # the front's turn it is
    _passed: int = 0  # cost that went before the job whose turn it is

    def __len__(self) -> int:
        return sum(len(share.tickets) for share in self._ring)

    def __contains__(self, job_id: str) -> bool:
        return any(ticket.job_id == job_id for ticket in self)

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for share in self._ring for ticket in share.tickets)

    @property
    def full(self) -> bool:
        return len(self) >= self.capacity

    def add(self, ticket: Ticket) -> None:
        """Join the end of the owner's line. Raises OverflowError where the queue is full."""
        if self.full:
            raise OverflowError(f"the queue holds {self.capacity} jobs already")
        for share in self._ring:
            if share.owner == ticket.owner:
                share.tickets.append(ticket)
                return
        self._ring.append(_Share(owner=ticket.owner, tickets=deque([ticket])))
        if len(self._ring) == 1:
            self._begin_turn()

    def remove(self, job_id: str) -> Ticket | None:
        """Take a job out, wherever it stands. None where it does not wait here."""
        for ticket in self:
            if ticket.job_id == job_id:
                self._take(ticket)
                return ticket
        return None

    def peek(self, loaded: str | None = None) -> Ticket | None:
        """What `pop` gives next."""
        if not self._ring:
            return None
        turn = self._whose_turn()
        if turn.model is not None and turn.model != loaded:
            for ticket in self:
                if ticket.model == loaded and self._passed + ticket.cost <= AHEAD:
                    return ticket
        return turn

    def pop(self, loaded: str | None = None) -> Ticket | None:
        """Take the next job out. None where nobody waits."""
        ticket = self.peek(loaded)
        if ticket is None:
            return None
        if ticket is self._ring[0].tickets[0]:
            self._passed = 0
        else:
            self._passed += ticket.cost
        share = next(share for share in self._ring if share.owner == ticket.owner)
        share.deficit -= ticket.cost
        self._take(ticket)
        return ticket

    def order(self, loaded: str | None = None) -> list[Ticket]:
        """Every job, next first, if nobody comes or goes."""
        rest, order = self._copy(), []
        while ticket := rest.pop(loaded):
            order.append(ticket)
            loaded = ticket.model or loaded
        return order

    def _whose_turn(self) -> Ticket:
        """Move the ring on to the owner who may draw; idempotent until something is taken."""
        waited = 0
        while (share := self._ring[0]).deficit < share.tickets[0].cost:
            self._ring.rotate(-1)
            self._begin_turn()
            waited += 1
            if waited == len(self._ring):
                self._skip_rounds()
        return self._ring[0].tickets[0]

    def _begin_turn(self) -> None:
        self._ring[0].deficit += QUANTUM

    def _skip_rounds(self) -> None:
        """A whole round in which nobody could afford their next job: do at once all that would be like it."""
        rounds = min(-(-(share.tickets[0].cost - share.deficit) // QUANTUM) for share in self._ring) - 1
        for share in self._ring:
            share.deficit += max(rounds, 0) * QUANTUM

    def _take(self, ticket: Ticket) -> None:
        share = next(share for share in self._ring if share.owner == ticket.owner)
        share.tickets.remove(ticket)
        if share.tickets:
            return
        was_in_front = share is self._ring[0]
        self._ring.remove(share)
        if was_in_front and self._ring:
            self._begin_turn()

    def _copy(self) -> "FairQueue":
        ring = deque(replace(share, tickets=share.tickets.copy()) for share in self._ring)
        return FairQueue(capacity=self.capacity, _ring=ring, _passed=self._passed)


def cost_of(request: GenerationRequest, given: tuple[int, int] | None = None) -> int:
    """What a request costs, in pixels × steps × images, candidates of `best_of` included; `given` is the (width,
    height) of its input image.

    img2img runs only `strength` of its steps, hires a second pass. A prompt of several parts (AND) costs a row more
    for each, where the usual image has two; the parts that a wildcard's file brings are not known here. Of what is
    upscaled the pixels of the result count.
    """
    if request.task is Task.DESCRIBE:
        return request.width * request.height  # about what one step of a drawing costs
    cost = postprocessing.cost_of(request, given)
    if request.task.needs_model:
        steps = request.steps if request.strength is None else max(1, int(request.steps * request.strength))
        rows = 1 + len(parts(words_of(request, 0, lines=no_lines).prompt))
        larger = UPSCALE_FACTOR**2 if request.task is Task.UPSCALE else 1
        cost += (larger * request.width * request.height * steps + hires.cost_of(request)) * rows // 2
    return max(1, cost * request.candidates)

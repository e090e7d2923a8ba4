"""What waits until the model at work has nothing left to draw: pictures for their refiner, and jobs of other models.

Two models at once may not fit, so the loop at work is never left before it is empty. While a picture waits for its
refiner no new job begins: it would never come to its turn.
"""

from dataclasses import dataclass, field

from engine.frames import Start
from engine.worker.flight import ImageInFlight


@dataclass
class Changeover:
    """`images` have had their first model's steps; `jobs` came too late for the model that they need."""

    images: list[ImageInFlight] = field(default_factory=list)
    jobs: list[Start] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.images or self.jobs)

    def leave(self, job_id: str) -> bool:
        """Drop what belongs to a job; True where the job had not begun."""
        self.images = [image for image in self.images if image.job_id != job_id]
        jobs = [command for command in self.jobs if command.job != job_id]
        had, self.jobs = len(jobs) < len(self.jobs), jobs
        return had

    def take_jobs(self) -> list[Start]:
        """The jobs that waited, the first first."""
        taken, self.jobs = self.jobs, []
        return taken

    def take_images(self) -> list[ImageInFlight]:
        """The images of the job that waited longest; none where none waits."""
        job_id = self.images[0].job_id if self.images else ""
        taken = [image for image in self.images if image.job_id == job_id]
        self.images = [image for image in self.images if image.job_id != job_id]
        return taken

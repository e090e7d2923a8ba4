"""Pictures of families that the step loop does not know: drawn by diffusers' own pipeline, one after another.

It has the interface of the step loop: an image joins and leaves, and a tick is one step. The pipeline's call
blocks, so it stands in a thread of its own that goes on only during a tick.
"""

from collections.abc import Generator

from engine.models.pipeline_loading import LoadedPipeline
from engine.models.vae import Vae
from engine.worker.pipeline_image import PipelineImage
from engine.worker.pixels import Pixels
from engine.worker.step_loop import Tick
from engine.worker.stepped_call import SteppedCall


class PipelineLoop:
    """The images of one loaded model, in the order in which they joined. The first is being drawn."""

    def __init__(self, *, model: LoadedPipeline) -> None:
        self.model = model
        self.images: list[PipelineImage] = []
        self._call: SteppedCall | None = None
        self._on_device = False

    @property
    def bytes(self) -> int:
        """What the weights of all parts take."""
        numbers = (each for net in self.model.networks for each in (*net.parameters(), *net.buffers()))
        return sum(each.numel() * each.element_size() for each in numbers)

    @property
    def on_device(self) -> bool:
        return self._on_device

    def enter(self) -> None:
        """Move the model in from the host's memory. Raises torch.OutOfMemoryError, or its like."""
        self._on_device = True  # also where it gets in only half: somebody has to put it out again
        self.model.text_to_image.to(self.model.device.place)

    def park(self) -> None:
        """Leave the device to others."""
        self.model.text_to_image.to("cpu")
        self._on_device = False

    def decode(
        self,
        image: PipelineImage,
        vae: Vae | None = None,  # noqa: ARG002 - refused
    ) -> Generator[None, None, Pixels]:
        """The finished picture: it was decoded with its last step. Raises NotANumber."""
        yield from ()
        return image.pixels()

    def notices(self, image: PipelineImage) -> tuple[str, ...]:  # noqa: ARG002 - every one is drawn the same way
        return ()

    def join(self, image: PipelineImage, owner: str = "") -> None:  # noqa: ARG002 - there are no turns here
        self.images.append(image)

    def leave(self, job_id: str) -> None:
        """Take all images of a job out; what is being drawn of it ends where it stands."""
        if self._call is not None and self.images[0].job_id == job_id:
            self._call.abandon()
            self._call = None
        self.images = [image for image in self.images if image.job_id != job_id]

    def tick(self) -> Tick:
        """One step of the first image; with its last step it is decoded, and has left."""
        image = self.images[0]
        if self._call is None:
            self._call = SteppedCall(image.draw)
        try:
            if self._call.step():
                return Tick(advanced=[image])
        except Exception as error:
            self._end()
            return Tick(failed=[(image, error)])
        self._end()
        return Tick(advanced=[image])

    def probe(self) -> bool:
        """There is nothing to measure: False."""
        return False

    def _end(self) -> None:
        self._call = None
        del self.images[0]

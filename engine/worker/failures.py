"""What went wrong with a drawing, as the person reads it."""

import logging

from engine.errors import Refusal
from engine.models.loading import ModelBroken
from engine.wire import ErrorBody
from engine.worker.device import is_out_of_memory
from engine.worker.pixels import NotANumber
from engine.worker.schedulers import SamplerDoesNotFit

log = logging.getLogger(__name__)


def meaning(job_id: str, error: BaseException) -> ErrorBody:
    """An error as the person reads it. The codes are those of `engine/errors.py`."""
    match error:
        case Refusal():
            return error.body
        case ModelBroken():
            return ErrorBody(code="model_broken", message=str(error))
        case SamplerDoesNotFit():
            return ErrorBody(code="invalid_field", message=str(error), field="sampler")
        case NotANumber():
            message = "The model produced numbers that are not a picture. Another seed or sampler may work."
            return ErrorBody(code="nan_output", message=message)
        case _ if is_out_of_memory(error):
            message = "The picture does not fit into the device's memory. A smaller size may work."
            return ErrorBody(code="out_of_memory", message=message, field="width")
        case OSError():
            log.error("job %s: a picture could not be written: %s", job_id, error)
            message = "The engine could not write the picture to its disk."
            return ErrorBody(code="storage_full", message=message, retryable=True)
        case _:
            log.error("job %s failed", job_id, exc_info=error)
            message = f"The engine could not draw this; its log has the reason under job {job_id}."
            return ErrorBody(code="internal", message=message)

"""A picture on its way: drawn by the step loop, or by diffusers' own pipeline."""

from engine.worker.flight import ImageInFlight
from engine.worker.pipeline_image import PipelineImage

Picture = ImageInFlight | PipelineImage

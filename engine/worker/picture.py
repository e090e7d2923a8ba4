"""A picture on its way: drawn by the step loop, or by diffusers' own pipeline; or one that was there before."""

from engine.tasks.process import GivenImage
from engine.worker.flight import ImageInFlight
from engine.worker.pipeline_image import PipelineImage

Picture = ImageInFlight | PipelineImage
Developed = Picture | GivenImage  # what has pixels in the end

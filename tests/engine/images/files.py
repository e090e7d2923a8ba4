"""Files as other tools write them, made by hand from what those tools document."""

import gzip
import io
import json
from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286

A1111 = (
    "a (red:1.2) hamster, <lora:fur:0.8>\nin a hat\nNegative prompt: blurry,\ndull\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 123, Size: 512x768, "
    'Model hash: 6ce0161689, Model: v1-5-pruned, Lora hashes: "fur: 0123456789ab, hat: ba9876543210", Version: v1.10.1'
)

# ComfyUI's default workflow, as its API takes it
COMFYUI = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 640, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a hamster", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}
COMFYUI_WORKFLOW = {
    "links": [[1, 4, 0, 3, 0, "MODEL"], [4, 6, 0, 3, 1, "CONDITIONING"], [6, 7, 0, 3, 2, "CONDITIONING"]]
}

# The same with the parts of the sampler apart, as for FLUX
COMFYUI_CUSTOM = {
    "13": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["25", 0],
            "guider": ["22", 0],
            "sampler": ["16", 0],
            "sigmas": ["17", 0],
            "latent_image": ["27", 0],
        },
    },
    "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
    "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "17": {
        "class_type": "BasicScheduler",
        "inputs": {"scheduler": "simple", "steps": 4, "denoise": 1, "model": ["12", 0]},
    },
    "22": {"class_type": "BasicGuider", "inputs": {"model": ["12", 0], "conditioning": ["26", 0]}},
    "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
    "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["30", 0], "clip": ["11", 0]}},
    "30": {"class_type": "PrimitiveString", "inputs": {"value": "a hamster"}},
    "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 768}},
}

INVOKEAI = {
    "generation_mode": "txt2img",
    "app_version": "3.4.0",
    "positive_prompt": "a hamster",
    "negative_prompt": "blurry",
    "width": 512,
    "height": 512,
    "seed": 1234,
    "steps": 30,
    "cfg_scale": 7.5,
    "scheduler": "euler",
    "model": {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1", "model_type": "main"},
}

NOVELAI = {
    "Title": "AI generated image",
    "Description": "a hamster, masterpiece",
    "Software": "NovelAI",
    "Source": "Stable Diffusion 81274D13",
    "Comment": json.dumps(
        {
            "steps": 28,
            "sampler": "k_euler_ancestral",
            "seed": 99,
            "strength": 0.7,
            "scale": 11.0,
            "uc": "lowres",
        }
    ),
}


def png(texts: Mapping[str, str], image: Image.Image | None = None) -> bytes:
    """A PNG; texts are tEXt where they are Latin-1 and iTXt otherwise."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    return _saved(image or _small(), "PNG", pnginfo=info)


def with_comment(kind: str, comment: bytes) -> bytes:
    """A JPEG or WebP with an Exif UserComment."""
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return _saved(_small(), kind, exif=exif)


def with_exif(kind: str, fields: Mapping[int, str]) -> bytes:
    """A JPEG or WebP with plain Exif fields."""
    exif = Image.Exif()
    for tag, value in fields.items():
        exif[tag] = value
    return _saved(_small(), kind, exif=exif)


def stealth_png(texts: Mapping[str, str], side: int = 96) -> bytes:
    """A PNG with the texts in the lowest bits of its alpha channel, column by column, as NovelAI does it."""
    packed = gzip.compress(json.dumps(texts).encode(), mtime=0)
    message = b"stealth_pngcomp" + (8 * len(packed)).to_bytes(4) + packed
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    alpha = np.full(side * side, 254, np.uint8)
    alpha[: len(bits)] |= bits
    image = _small().resize((side, side))
    image.putalpha(Image.fromarray(np.ascontiguousarray(alpha.reshape(side, side).T)))
    return _saved(image, "PNG")


def _small() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((64, 48))


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()

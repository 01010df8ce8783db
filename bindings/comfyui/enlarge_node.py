# SPDX-License-Identifier: Apache-2.0
"""A ComfyUI node over the Python package: put this file into custom_nodes/ and install the package `enlarge`.

ComfyUI's pictures are tensors (batch, height, width, channels) of float32 from 0 to 1 on the processor.
"""

from __future__ import annotations

from typing import Any

import enlarge


def _names() -> "list[str]":
    stored = {model.name for model in enlarge.models(runs=True) if model.path}
    return [*enlarge.builtin_models(), *sorted(stored)]


class EnlargeUpscale:
    """Enlarges a batch of pictures. Engines are kept, one for each choice of model, device and precision."""

    CATEGORY = "image/upscaling"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    _engines: "dict[tuple[str, str, str], enlarge.Engine]" = {}

    @classmethod
    def INPUT_TYPES(cls) -> "dict[str, Any]":
        devices = ["auto", *(device.id for device in enlarge.devices() if device.usable and device.kind != "reference")]
        return {"required": {
            "image": ("IMAGE",),
            "model": (_names(), {"default": "fine-x4"}),
            "scale": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 16.0, "step": 0.25}),  # 0: the model's own
            "device": (devices,),
            "precision": (["auto", "fp32", "fp16", "int16"],),
        }}

    def upscale(self, image: Any, model: str, scale: float, device: str = "auto",
                precision: str = "auto") -> "tuple[Any]":
        choice = (model, device, precision)
        if choice not in self._engines:
            self._engines[choice] = enlarge.Engine(model, device=device, precision=precision)
        engine = self._engines[choice]
        batch, height, width, channels = image.shape
        wide, high = engine.output_size((width, height), scale=scale or None)
        big = image.new_empty((batch, high, wide, channels))
        for number in range(batch):
            engine.upscale(image[number], out=big[number])
        return (big.clamp_(0, 1) if hasattr(big, "clamp_") else big.clip(0, 1),)


NODE_CLASS_MAPPINGS = {"EnlargeUpscale": EnlargeUpscale}
NODE_DISPLAY_NAME_MAPPINGS = {"EnlargeUpscale": "Enlarge (Real-ESRGAN family)"}

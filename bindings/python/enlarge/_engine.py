# SPDX-License-Identifier: Apache-2.0
"""A network compiled for a device, and pictures in memory."""

from __future__ import annotations

import ctypes
import operator
import os
from typing import Any, Callable, Optional, Union

from . import _library as c
from ._arrays import Pixels, empty_like, pixels_of
from ._cancel import Cancellation, cancellation_handle
from ._errors import ArgumentError
from ._models import PRECISIONS, Model, device_of

#: Called with 0 to 1; False stops with CancelledError, an exception stops and is raised.
ProgressCall = Callable[[float], Any]


def _two_sides(size: Any) -> "tuple[int, int]":
    try:
        width, height = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ArgumentError(f"size {size!r}; expected two whole numbers, width and height") from None
    if not (0 <= width < 1 << 31 and 0 <= height < 1 << 31):
        raise ArgumentError(f"size {size!r}; expected sides from 0 to 2147483647")
    return width, height


def size_fields(scale: Optional[float], size: Optional["tuple[int, int]"], fit: bool) -> "dict[str, Any]":
    width, height = (0, 0) if size is None else _two_sides(size)
    return {"scale": 0.0 if scale is None else float(scale), "width": width, "height": height, "fit": int(bool(fit))}


class Engine:
    """A model compiled for a device. Any number of threads may use it; calls release the GIL."""

    def __init__(self, model: "Union[Model, str, os.PathLike[str]]", *, device: str = "auto", precision: str = "auto",
                 threads: int = 0, memory_bytes: int = 0, tile: int = 0, tta: bool = False, alpha: str = "network",
                 strength: float = 1.0, max_pixels: int = 0, max_side: int = 0, cache: Optional[str] = None,
                 log: Optional[Callable[[str, str], Any]] = None) -> None:
        """Compiles the model, which may take seconds.

        device: "auto", "cpu", "cuda:1", "vulkan:0", "reference". precision: "auto", "fp32", "fp16", "int16", "int8".
        threads: 0 = all cores. memory_bytes: of work; 0 = half of what is free. tile: largest side in input pixels.
        tta: average over the 8 symmetries. alpha: "network" or "lanczos". strength: 1 the network, 0 plain Lanczos.
        max_pixels, max_side: of pictures on either side; beyond: LimitError. cache: the folder where automatic
        precision keeps what it measured; None = the usual place, "" = nowhere. log: called with a code and a line.
        Raises ArgumentError, UnsupportedError, DeviceError, OutOfMemoryError.
        """
        if precision not in PRECISIONS:
            raise ArgumentError(f"precision '{precision}'; expected one of {', '.join(PRECISIONS)}")
        if alpha not in ("network", "lanczos"):
            raise ArgumentError(f"alpha '{alpha}'; expected network or lanczos")
        self.model = model if isinstance(model, Model) else Model.open(model)
        folder = c.path_bytes(c.text_call("cache_folder") if cache is None else cache)
        # Kept with the engine, whose threads call it.
        self._log = c.Log(0)
        if log is not None:
            tell = log
            self._log = c.Log(lambda _, level, code, text: tell(code.decode(), text.decode("utf-8", "replace")))
        options = c.Options(
            device=c.text_bytes("device", device), precision=PRECISIONS.index(precision), threads=threads,
            memory_bytes=memory_bytes, tile=tile, tta=int(tta), alpha=int(alpha == "lanczos"),
            cache_folder=folder or None, plain=1.0 - strength, log=self._log, max_pixels=max_pixels, max_side=max_side)
        self._handle = c.made("engine_create", "engine_destroy", self.model._handle.value, ctypes.byref(options))
        self._idle: "list[c.Handle]" = []
        info, where = c.EngineInfo(), c.DeviceInfo()
        c.call("engine_describe", self._handle.value, ctypes.byref(info), ctypes.byref(where))
        self.description: str = info.description.decode()
        self.precision: str = PRECISIONS[info.precision]  # for pictures of 8 bits
        self.device = device_of(where)

    def __repr__(self) -> str:
        return f"<enlarge.Engine {self.model.name} on {self.description}>"

    def output_size(self, size: "tuple[int, int]", *, scale: Optional[float] = None,
                    to: "Optional[tuple[int, int]]" = None, fit: bool = True) -> "tuple[int, int]":
        """(width, height) of the result for a picture of `size`."""
        width, height = ctypes.c_int32(), ctypes.c_int32()
        wanted, (from_width, from_height) = size_fields(scale, to, fit), _two_sides(size)
        c.call("output_size", self.model._handle.value, from_width, from_height, wanted["scale"], wanted["width"],
               wanted["height"], wanted["fit"], ctypes.byref(width), ctypes.byref(height))
        return width.value, height.value

    def upscale(self, image: Any, *, scale: Optional[float] = None, size: "Optional[tuple[int, int]]" = None,
                fit: bool = True, out: Any = None, layout: str = "hwc", bits: int = 16,
                progress: Optional[ProgressCall] = None, cancel: Optional[Cancellation] = None) -> Any:
        """Enlarges a picture in memory and gives the same kind of array: NumPy's, a PyTorch tensor, else a memoryview.

        image: (height, width) or (height, width, channels), with layout="chw" (channels, height, width); 1 grey, 2 grey
        and alpha, 3 RGB, 4 RGBA, alpha not premultiplied. uint8, uint16 (`bits` of them count) or float16, float32 from
        0 black to 1 white. Anything with the buffer protocol, __array_interface__ or DLPack, on the processor.
        scale: of both sides; else size: (width, height), either of which may be 0; with both, `fit` keeps the shape;
        neither: the model's own scale. out: an array for the result; its size then decides.
        progress: called with 0 to 1. cancel: stops from another thread.
        Raises ArgumentError, LimitError, OutOfMemoryError, CancelledError.
        """
        if layout not in ("hwc", "chw"):
            raise ArgumentError(f"layout '{layout}'; expected hwc or chw")
        planar = layout == "chw"
        pixels = pixels_of(image, planar)
        if out is None:
            width, height = self.output_size((pixels.width, pixels.height), scale=scale, to=size, fit=fit)
            out = empty_like(image, pixels, pixels.sized(width, height))
        elif scale is not None or size is not None:
            raise ArgumentError("scale and size do not go with out, whose size decides")
        result = Pixels(out, planar, writable=True)
        if not result.dense:
            raise ArgumentError("the array for the result has gaps between its samples")
        self._run(pixels.image(bits), result.image(bits), progress, cancel)
        return out

    def _run(self, source: c.Image, target: c.Image, progress: Optional[ProgressCall],
             cancel: Optional[Cancellation]) -> None:
        watched = c.Watched()
        # Always watched: Ctrl-C is seen when Python code runs.
        tell = c.Progress(lambda _, fraction: int(watched.ask(lambda: progress(fraction) if progress else None)))
        call = c.Call(progress=tell, cancellation=cancellation_handle(cancel))
        session = self._session()
        watched.call("session_upscale", session.value, ctypes.byref(source), ctypes.byref(target), ctypes.byref(call),
                     None)
        self._idle.append(session)

    def _session(self) -> c.Handle:
        """One that no other thread uses; its memory is kept for the next picture."""
        try:
            return self._idle.pop()
        except IndexError:
            return c.made("session_create", "session_destroy", self._handle.value)

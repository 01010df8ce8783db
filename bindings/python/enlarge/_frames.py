# SPDX-License-Identifier: Apache-2.0
"""Frames of video in memory, as decoders give and encoders take them."""

from __future__ import annotations

import collections
import ctypes
import time
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Optional, Sequence

from . import _library as c
from ._arrays import Pixels, empty_like
from ._engine import Engine, size_fields
from ._errors import ArgumentError, Error

_LAYOUTS = ("grey", "i420", "i422", "i444", "nv12", "p010", "rgb")
_RANGES = ("unknown", "limited", "full")
_SITINGS = ("unknown", "left", "center", "topleft", "top", "bottomleft", "bottom")


@dataclass(frozen=True)
class FrameKind:
    """What frames are like. Colours are numbered as in ITU-T H.273; 0 (or 2) is not known."""

    layout: str  #: "grey", "i420", "i422", "i444", "nv12", "p010" (the upper bits of 16) or "rgb" (planes R, G, B)
    width: int
    height: int
    bits: int = 0  #: 8 to 16, beyond 8 in uint16; 0 = 8, or 10 of p010
    alpha: bool = False  #: one plane more, of full size
    matrix: int = 0  #: 1 BT.709, 5 and 6 BT.601, 9 BT.2020
    primaries: int = 0
    transfer: int = 0
    range: str = "unknown"  #: "limited" or "full"
    siting: str = "unknown"  #: of chroma: "left", "center", "topleft", "top", "bottomleft" or "bottom"

    def shapes(self) -> "list[tuple[int, int]]":
        """(rows, samples in a row) of each plane; of interleaved chroma both samples count."""
        across, down = -(-self.width // 2), -(-self.height // 2)
        luma = (self.height, self.width)
        chroma = {"i420": [(down, across)] * 2, "i422": [(self.height, across)] * 2, "i444": [luma] * 2,
                  "nv12": [(down, 2 * across)], "p010": [(down, 2 * across)], "rgb": [luma] * 2}.get(self.layout, [])
        return [luma, *chroma, *([luma] if self.alpha else [])]

    def _frame(self) -> c.Frame:
        for name, value, known in (("layout", self.layout, _LAYOUTS), ("range", self.range, _RANGES),
                                   ("siting", self.siting, _SITINGS)):
            if value not in known:
                raise ArgumentError(f"{name} '{value}'; expected one of {', '.join(known)}")
        return c.Frame(width=self.width, height=self.height, layout=_LAYOUTS.index(self.layout), bits=self.bits,
                       alpha=int(self.alpha), matrix=self.matrix, primaries=self.primaries, transfer=self.transfer,
                       range=_RANGES.index(self.range), siting=_SITINGS.index(self.siting))


def _kind(frame: c.Frame) -> FrameKind:
    return FrameKind(_LAYOUTS[frame.layout], frame.width, frame.height, frame.bits, bool(frame.alpha), frame.matrix,
                     frame.primaries, frame.transfer, _RANGES[frame.range], _SITINGS[frame.siting])


class FrameStream:
    """Frames of one kind, one after another, in a thread of the library, with the bits of video files.

        stream = enlarge.FrameStream(engine, enlarge.FrameKind("i420", 640, 360, matrix=1))
        for y, u, v in stream.upscale(frames):     # each the planes of a frame: arrays of (rows, samples)
            ...

    Two frames keep it busy. Methods may be called from any thread.
    """

    def __init__(self, engine: Engine, kind: FrameKind, *, scale: Optional[float] = None,
                 size: "Optional[tuple[int, int]]" = None, fit: bool = True, reuse: bool = True) -> None:
        """scale, size, fit: as Engine.upscale(). reuse: what did not change since the frame before is not computed
        again, with the same bits. Raises ArgumentError, LimitError."""
        self._handle: Optional[c.Handle] = None
        # In the order of submission: planes of the result, and what must live until then.
        self._waiting: "collections.deque[tuple[list[Any], Any]]" = collections.deque()
        self.kind = kind
        wanted = size_fields(scale, size, fit)
        self._in, self._out = kind._frame(), c.Frame()
        c.call("output_frame", engine._handle.value, ctypes.byref(self._in), wanted["scale"], wanted["width"],
               wanted["height"], wanted["fit"], ctypes.byref(self._out))
        #: What the results are like, every guess about colours written down.
        self.output = _kind(self._out)
        options = c.StreamOptions(no_reuse=int(not reuse))
        self._handle = c.made("stream_create", "stream_destroy", engine._handle.value, ctypes.byref(self._in),
                              ctypes.byref(self._out), ctypes.byref(options))

    def __len__(self) -> int:
        """Frames that were submitted and not yet taken."""
        return len(self._waiting)

    def _fill(self, planes: Sequence[Any], kind: FrameKind, like: c.Frame, writable: bool) -> "tuple[c.Frame, Any]":
        frame = c.Frame.from_buffer_copy(like)
        shapes = kind.shapes()
        if len(planes) != len(shapes):
            raise ArgumentError(f"{len(planes)} planes; expected {len(shapes)} for {kind.layout}")
        kept = [Pixels(plane, False, writable) for plane in planes]
        sample = 0 if frame.bits <= 8 and kind.layout != "p010" else 1
        for number, (pixels, shape) in enumerate(zip(kept, shapes)):
            found = (pixels.height, pixels.width * pixels.channels)
            if found != shape or not pixels.dense or pixels.sample != sample:
                raise ArgumentError(f"plane {number} is {found[1]} samples by {found[0]} rows; expected {shape[1]} by "
                                    f"{shape[0]}, of {'uint16' if sample else 'uint8'}, rows without gaps")
            frame.plane[number] = pixels.address
            frame.stride_bytes[number] = pixels.strides[0]
        return frame, kept

    def submit(self, planes: Sequence[Any], out: Optional[Sequence[Any]] = None) -> None:
        """Enlarges a frame; returns at once. The planes may not change until next() has given the result, which goes
        into the planes of `out` where those are given, else into new ones of the same kind of array."""
        frame, kept = self._fill(planes, self.kind, self._in, False)
        if out is None:
            out = [empty_like(plane, pixels, shape)
                   for plane, pixels, shape in zip(planes, kept, self.output.shapes())]
        result, results = self._fill(out, self.output, self._out, True)
        handle = self._open()
        self._waiting.append((list(out), (kept, results)))
        try:
            c.call("stream_submit", handle, ctypes.byref(frame), ctypes.byref(result), None)
        except Error:
            self._waiting.pop()
            raise

    def next(self, timeout: Optional[float] = None) -> "Optional[list[Any]]":
        """The planes of the next result, in the order of submission; None where nothing was submitted or, after
        `timeout` seconds, not ready. Raises what went wrong with that frame."""
        end = None if timeout is None else time.monotonic() + timeout
        while self._waiting:
            left = 0.1 if end is None else min(0.1, max(0.0, end - time.monotonic()))  # Ctrl-C is seen in between
            done = c.FrameDone()
            try:
                c.call("stream_next", self._open(), left, ctypes.byref(done))
            except Error:
                if done.finished:
                    self._waiting.popleft()
                raise
            if done.finished:
                return self._waiting.popleft()[0]
            if end is not None and time.monotonic() >= end:
                break
        return None

    def upscale(self, frames: Iterable[Sequence[Any]]) -> "Iterator[list[Any]]":
        """The results for frames, each a sequence of planes; up to two are read ahead."""
        for planes in frames:
            self.submit(planes)
            if len(self) > 2:
                result = self.next()
                if result is not None:
                    yield result
        while len(self):
            result = self.next()
            if result is not None:
                yield result

    def flush(self) -> None:
        """After a seek: forgets what was submitted and not yet taken."""
        c.call("stream_flush", self._open())
        self._waiting.clear()

    def close(self) -> None:
        """Stops what is in work; afterwards no frame's memory is touched."""
        self._handle = None
        self._waiting.clear()

    def __enter__(self) -> "FrameStream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()  # before the arrays go

    def _open(self) -> Any:
        if self._handle is None:
            raise ArgumentError("the stream was closed")
        return self._handle.value

# SPDX-License-Identifier: Apache-2.0
"""Pixels of any kind of array, without copying: the buffer protocol, __array_interface__, DLPack."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Optional

from ._errors import ArgumentError
from ._library import Image

# enlarge_sample and bytes by the letter and size of a type.
_SAMPLES = {("u", 1): 0, ("u", 2): 1, ("f", 2): 2, ("f", 4): 3}
_NAMES = {0: "uint8", 1: "uint16", 2: "float16", 3: "float32"}
_BYTES = {0: 1, 1: 2, 2: 2, 3: 4}
_EXPECTED = "expected uint8, uint16, float16 or float32"


class _PyBuffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p), ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64)]


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes, _get_buffer.restype = [ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int], ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes, _release_buffer.restype = [ctypes.POINTER(_PyBuffer)], None
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes, _capsule_pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p


class Pixels:
    """Where an array's pixels lie, for as long as this object lives.

    shape is (height, width), (height, width, channels) or, with planar, (channels, height, width).
    """

    def __init__(self, array: Any, planar: bool, writable: bool = False) -> None:
        self._buffer: Optional[_PyBuffer] = None
        self._keeps: list[Any] = [array]
        self.address, self.readonly = 0, False
        self.shape: tuple[int, ...] = ()
        self.strides: tuple[int, ...] = ()
        self.sample = -1
        self._what = type(array).__name__
        if _is_tensor(array):
            self._read_dlpack(array)
        elif hasattr(array, "__array_interface__"):
            self._read_interface(array.__array_interface__)
        elif hasattr(array, "__dlpack__") and not _has_buffer(array):
            self._read_dlpack(array)
        elif _has_buffer(array):
            self._read_buffer(array)
        else:
            raise ArgumentError(f"{self._what} is no array: expected one with the buffer protocol, "
                                "__array_interface__ or DLPack")
        if writable and self.readonly:
            raise ArgumentError("the array for the result cannot be written")
        self._find_sides(planar)

    def __del__(self) -> None:
        if self._buffer is not None:
            _release_buffer(ctypes.byref(self._buffer))

    def _type(self, kind: str, size: int, shown: str) -> None:
        sample = _SAMPLES.get((kind, size))
        if sample is None:
            raise ArgumentError(f"an array of {shown}; {_EXPECTED}")
        self.sample = sample

    def _read_buffer(self, array: Any) -> None:
        buffer = _PyBuffer()
        _get_buffer(array, ctypes.byref(buffer), 0x1C)  # format, shape and strides; may be read-only
        self._buffer = buffer
        text = (buffer.format or b"B").decode()
        if text[0] in "><!" and (text[0] == "<") != (sys.byteorder == "little") and buffer.itemsize > 1:
            raise ArgumentError(f"an array of {text} in the other byte order; {_EXPECTED}")
        letter = text.lstrip("@=<>!")
        kind = "u" if letter in ("B", "H") else "f" if letter in ("e", "f") else letter
        self._type(kind, buffer.itemsize, f"format '{text}'")
        self.address, self.readonly = buffer.buf or 0, bool(buffer.readonly)
        self.shape = tuple(buffer.shape[i] for i in range(buffer.ndim))
        self.strides = (tuple(buffer.strides[i] for i in range(buffer.ndim)) if buffer.strides  # ctypes gives none
                        else _contiguous(self.shape, buffer.itemsize))

    def _read_interface(self, interface: dict[str, Any]) -> None:
        text = interface["typestr"]
        if text[0] in "<>" and (text[0] == "<") != (sys.byteorder == "little") and text[2:] != "1":
            raise ArgumentError(f"an array of {text} in the other byte order; {_EXPECTED}")
        size = int(text[2:]) if text[2:].isdigit() else 0  # "|O" and "<M8[s]" have none
        self._type(text[1], size, text.lstrip("|<>="))
        data = interface.get("data")
        if isinstance(data, tuple):
            self.address, self.readonly = data
        else:  # bytes, as Pillow's pictures give
            self._buffer = _PyBuffer()
            _get_buffer(data, ctypes.byref(self._buffer), 0)
            self.address, self.readonly = self._buffer.buf or 0, True
        self.shape = tuple(interface["shape"])
        self.strides = tuple(interface.get("strides") or _contiguous(self.shape, _BYTES[self.sample]))

    def _read_dlpack(self, array: Any) -> None:
        if hasattr(array, "__dlpack_device__"):
            try:
                device = int(array.__dlpack_device__()[0])
            except ValueError as error:  # PyTorch's "meta" has no pixels at all
                raise ArgumentError(f"{self._what} lies where no pixels can be read: {error}") from None
            self._check_device(device)
        if getattr(array, "requires_grad", False):
            array = array.detach()
        if _is_tensor(array) and array.is_neg():  # the sign is in the tensor, not in memory
            array, self.readonly = array.resolve_neg(), True
            self._keeps.append(array)
        try:
            capsule = array.__dlpack__()
        except (BufferError, RuntimeError) as error:  # sparse, quantized
            raise ArgumentError(f"{self._what} has no pixels in memory: {error}") from None
        self._keeps.append(capsule)  # frees the tensor with itself
        tensor = ctypes.cast(_capsule_pointer(capsule, b"dltensor"), ctypes.POINTER(_DLTensor)).contents
        self._check_device(tensor.device_type)
        kind = {1: "u", 2: "f"}.get(tensor.code, "?")
        shown = getattr(array, "dtype", f"type {tensor.code} of {tensor.bits} bits")
        self._type(kind if tensor.lanes == 1 else "?", tensor.bits // 8, str(shown))
        size = _BYTES[self.sample]
        self.address = (tensor.data or 0) + tensor.byte_offset
        self.shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
        self.strides = (tuple(tensor.strides[i] * size for i in range(tensor.ndim)) if tensor.strides
                        else _contiguous(self.shape, size))

    def _check_device(self, kind: int) -> None:
        if kind not in (1, 3, 11):  # CPU, and host memory that a GPU sees
            raise ArgumentError(f"{self._what} lies on a GPU (DLPack device {kind}); move it with .cpu()")

    def _find_sides(self, planar: bool) -> None:
        shape, size = self.shape, _BYTES[self.sample]
        expected = "(channels, height, width)" if planar else "(height, width, channels)"
        sides = (0, 0, 0)  # channels, height, width
        if len(shape) == 2:
            sides = (1, shape[0], shape[1])
        elif len(shape) == 3:
            sides = (shape[0], shape[1], shape[2]) if planar else (shape[2], shape[0], shape[1])
        self.channels, self.height, self.width = sides
        if len(shape) not in (2, 3) or not 1 <= self.channels <= 4 or 0 in shape:
            raise ArgumentError(f"an array of shape {shape}; expected (height, width) or {expected} with 1 to 4 "
                                "channels")
        self.planar = planar and len(shape) == 3
        step = size if self.planar or len(shape) == 2 else size * self.channels
        across = self.strides[-1] if self.planar or len(shape) == 2 else self.strides[1]
        self.dense = (across == step or self.width == 1) and (
            self.planar or len(shape) == 2 or self.strides[2] == size or self.channels == 1)

    def image(self, bits: int) -> Image:
        image = Image(width=self.width, height=self.height, channels=self.channels, sample=self.sample,
                      bits=bits if self.sample == 1 else 0, planar=int(self.planar))
        row = self.strides[1] if self.planar else self.strides[0]
        for plane in range(self.channels if self.planar else 1):
            image.plane[plane] = self.address + (self.strides[0] * plane if self.planar else 0)
            image.stride_bytes[plane] = row
        return image

    def sized(self, width: int, height: int) -> tuple[int, ...]:
        """The shape of a result of this size."""
        if len(self.shape) == 2:
            return (height, width)
        return (self.channels, height, width) if self.planar else (height, width, self.channels)


def _contiguous(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    strides: list[int] = []
    for side in reversed(shape):
        strides.insert(0, size)
        size *= side
    return tuple(strides)


def _has_buffer(array: Any) -> bool:
    try:
        memoryview(array).release()
    except TypeError:
        return False
    except (BufferError, ValueError):
        return True
    return True


def _is_tensor(array: Any) -> bool:
    return type(array).__module__.split(".")[0] == "torch"


def pixels_of(array: Any, planar: bool) -> Pixels:
    """Where the pixels of an array lie; of one with gaps between the samples, where those of a copy do."""
    pixels = Pixels(array, planar)
    if pixels.dense:
        return pixels
    if _is_tensor(array):
        return Pixels(array.contiguous(), planar)
    module = sys.modules.get("numpy")
    if module is not None and isinstance(array, module.ndarray):
        return Pixels(module.ascontiguousarray(array), planar)
    raise ArgumentError(f"an array of shape {pixels.shape} with strides {pixels.strides}: its samples have gaps "
                        "between them; make a contiguous copy")


def empty_like(array: Any, pixels: Pixels, shape: tuple[int, ...]) -> Any:
    """An array of this shape, of the same kind and type: NumPy's, a PyTorch tensor, else a memoryview."""
    if _is_tensor(array):
        return array.new_empty(shape).detach()
    module = sys.modules.get("numpy")
    if module is not None and isinstance(array, module.ndarray):
        return module.empty(shape, array.dtype)
    total = _BYTES[pixels.sample]
    for side in shape:
        total *= side
    letter: Any = {0: "B", 1: "H", 2: "H", 3: "f"}[pixels.sample]
    if pixels.sample == 2:
        raise ArgumentError("float16 in and out needs NumPy or PyTorch arrays, or an array given as out=")
    return memoryview(bytearray(total)).cast(letter, list(shape))

# SPDX-License-Identifier: Apache-2.0
"""The C interface (enlarge.h) through ctypes: structs, functions, statuses. Calls release the GIL."""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import threading
from ctypes import (CFUNCTYPE, POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_ssize_t,
                    c_void_p)
from typing import Any, Callable, Optional

from ._errors import Error, error_of


class _Sized(ctypes.Structure):
    """A struct whose first field says its size."""

    def __init__(self, **values: Any) -> None:
        unknown = sorted(set(values) - {field[0] for field in self._fields_})
        if unknown:
            raise error_of(2, f"unknown option {unknown[0]}")
        super().__init__(**values)
        self.size = ctypes.sizeof(self)
        for name, value in values.items():  # ctypes cuts numbers off
            if isinstance(value, int) and isinstance(getattr(self, name), int) and getattr(self, name) != value:
                raise error_of(2, f"{name} is {value}; that is more than the library can count")


Progress = CFUNCTYPE(c_int, c_void_p, c_double)
PullProgress = CFUNCTYPE(c_int, c_void_p, c_int64, c_int64)
Log = CFUNCTYPE(None, c_void_p, c_int32, c_char_p, c_char_p)


class Fact(ctypes.Structure):
    _fields_ = [("key", c_char_p), ("value", c_char_p)]


class ModelInfo(_Sized):
    _fields_ = [
        ("size", c_size_t), ("name", c_char_p), ("family", c_char_p), ("licence", c_char_p), ("scale", c_int32),
        ("channels", c_int32), ("features", c_int32), ("blocks", c_int32), ("receptive_radius", c_int32),
        ("parameters", c_int64), ("macs_per_pixel", c_double), ("variant", c_char_p), ("facts", POINTER(Fact)),
        ("fact_count", c_size_t), ("size_multiple", c_int32), ("tiles_exact", c_int32)]


class ModelLimits(_Sized):
    _fields_ = [
        ("size", c_size_t), ("file_bytes", c_int64), ("header_bytes", c_int64), ("tensors", c_int64),
        ("tensor_elements", c_int64), ("total_elements", c_int64), ("nesting", c_int32)]


class Options(_Sized):
    _fields_ = [
        ("size", c_size_t), ("device", c_char_p), ("precision", c_int32), ("threads", c_int32),
        ("memory_bytes", c_int64), ("tile", c_int32), ("tta", c_int32), ("alpha", c_int32), ("cache_folder", c_char_p),
        ("plain", c_double), ("log", Log), ("log_user", c_void_p), ("max_pixels", c_int64), ("max_side", c_int32)]


class Image(_Sized):
    _fields_ = [
        ("size", c_size_t), ("width", c_int32), ("height", c_int32), ("channels", c_int32), ("sample", c_int32),
        ("bits", c_int32), ("planar", c_int32), ("plane", c_void_p * 4), ("stride_bytes", c_ssize_t * 4)]


class Call(_Sized):
    _fields_ = [
        ("size", c_size_t), ("progress", Progress), ("progress_user", c_void_p), ("cancellation", c_void_p)]


class DeviceInfo(_Sized):
    _fields_ = [
        ("size", c_size_t), ("id", c_char_p), ("name", c_char_p), ("detail", c_char_p), ("fallback_to", c_char_p),
        ("memory_bytes", c_int64), ("kind", c_int32), ("usable", c_int32), ("precisions", c_int32),
        ("takes_frames", c_int32)]


class EngineInfo(_Sized):
    _fields_ = [
        ("size", c_size_t), ("description", c_char_p), ("precision", c_int32), ("devices", c_int32),
        ("plain_loops", c_int32)]


class PublicModel(_Sized):
    _fields_ = [
        ("size", c_size_t), ("name", c_char_p), ("author", c_char_p), ("file", c_char_p), ("page", c_char_p),
        ("sha256", c_char_p), ("licence", c_char_p), ("licence_address", c_char_p), ("family", c_char_p),
        ("purpose", c_char_p), ("path", c_char_p), ("aliases", POINTER(c_char_p)), ("alias_count", c_size_t),
        ("tags", POINTER(c_char_p)), ("tag_count", c_size_t), ("addresses", POINTER(c_char_p)),
        ("address_count", c_size_t), ("bytes", c_int64), ("scale", c_int32), ("commercial", c_int32),
        ("runs", c_int32), ("original", c_int32)]


class ModelQuery(_Sized):
    _fields_ = [
        ("size", c_size_t), ("text", c_char_p), ("family", c_char_p), ("scale", c_int32), ("commercial", c_int32),
        ("runs", c_int32)]


class PictureOptions(_Sized):
    _fields_ = [
        ("size", c_size_t), ("scale", c_double), ("width", c_int32), ("height", c_int32), ("fit", c_int32),
        ("format", c_char_p), ("quality", c_int32), ("lossless", c_int32), ("overwrite", c_int32), ("page", c_int32),
        ("allow_damaged", c_int32), ("no_provenance", c_int32), ("background", c_char_p), ("notice", Log),
        ("notice_user", c_void_p)]


class FileReport(_Sized):
    _fields_ = [
        ("size", c_size_t), ("in_width", c_int32), ("in_height", c_int32), ("out_width", c_int32),
        ("out_height", c_int32), ("passes", c_int32), ("tiles", c_int64), ("recomputed_tiles", c_int64),
        ("seconds", c_double)]


class VideoProgress(_Sized):
    _fields_ = [
        ("size", c_size_t), ("frames", c_int64), ("frames_total", c_int64), ("resumed_frames", c_int64),
        ("fraction", c_double), ("frames_per_second", c_double), ("speed", c_double), ("seconds_left", c_double),
        ("output_bytes", c_int64), ("stopping", c_int32), ("frames_to_stop", c_int64)]


VideoWatch = CFUNCTYPE(c_int, c_void_p, POINTER(VideoProgress))


class VideoOptions(_Sized):
    _fields_ = [
        ("size", c_size_t), ("scale", c_double), ("width", c_int32), ("height", c_int32), ("fit", c_int32),
        ("overwrite", c_int32), ("input_format", c_char_p), ("input_options", c_char_p), ("container", c_char_p),
        ("container_options", c_char_p), ("video_codec", c_char_p), ("preset", c_char_p),
        ("encoder_options", c_char_p), ("pixel_format", c_char_p), ("filter_before", c_char_p),
        ("filter_after", c_char_p), ("crf", c_double), ("has_crf", c_int32), ("no_deinterlace", c_int32),
        ("square_pixels", c_int32), ("skip_unsupported", c_int32), ("no_reuse", c_int32), ("restart", c_int32),
        ("segment_frames", c_int32), ("codec_threads", c_int32), ("gpu_decode", c_int32), ("live", c_int32),
        ("from_seconds", c_double), ("to_seconds", c_double), ("frame_rate", c_double), ("timeout_seconds", c_double),
        ("drop_after_seconds", c_double), ("max_pixels", c_int64), ("max_side", c_int32), ("watch", VideoWatch),
        ("watch_user", c_void_p), ("cancellation", c_void_p), ("notice", Log), ("notice_user", c_void_p)]


class VideoReport(_Sized):
    _fields_ = [
        ("size", c_size_t), ("in_width", c_int32), ("in_height", c_int32), ("out_width", c_int32),
        ("out_height", c_int32), ("frames_in", c_int64), ("frames_out", c_int64), ("resumed_frames", c_int64),
        ("reused_frames", c_int64), ("partial_frames", c_int64), ("damaged", c_int64), ("dropped_frames", c_int64),
        ("retimed_frames", c_int64), ("recomputed_tiles", c_int64), ("output_bytes", c_int64),
        ("input_cut_short", c_int32), ("computed_share", c_double), ("seconds", c_double)]


class Frame(_Sized):
    _fields_ = [
        ("size", c_size_t), ("width", c_int32), ("height", c_int32), ("layout", c_int32), ("bits", c_int32),
        ("alpha", c_int32), ("matrix", c_int32), ("primaries", c_int32), ("transfer", c_int32), ("range", c_int32),
        ("siting", c_int32), ("plane", c_void_p * 4), ("stride_bytes", c_ssize_t * 4)]


class StreamOptions(_Sized):
    _fields_ = [("size", c_size_t), ("no_reuse", c_int32)]


class FrameDone(_Sized):
    _fields_ = [
        ("size", c_size_t), ("finished", c_int32), ("waiting", c_int32), ("user", c_void_p), ("computed", c_double),
        ("recomputed_tiles", c_int64)]


VisitDevice = CFUNCTYPE(None, c_void_p, POINTER(DeviceInfo))
VisitModel = CFUNCTYPE(None, c_void_p, POINTER(PublicModel))
VisitText = CFUNCTYPE(None, c_void_p, c_char_p)

# Arguments of the functions that take a context first and return a status; the context is left out here.
_CALLS: dict[str, list[Any]] = {
    "model_open_within": [c_char_p, POINTER(ModelLimits), POINTER(c_void_p)],
    "model_read_within": [c_char_p, c_size_t, c_char_p, POINTER(ModelLimits), POINTER(c_void_p)],
    "model_blend": [c_void_p, c_void_p, c_float, POINTER(c_void_p)],
    "model_describe": [c_void_p, POINTER(ModelInfo)],
    "output_size": [c_void_p, c_int32, c_int32, c_double, c_int32, c_int32, c_int, POINTER(c_int32), POINTER(c_int32)],
    "engine_create": [c_void_p, POINTER(Options), POINTER(c_void_p)],
    "engine_describe": [c_void_p, POINTER(EngineInfo), POINTER(DeviceInfo)],
    "session_create": [c_void_p, POINTER(c_void_p)],
    "session_upscale": [c_void_p, POINTER(Image), POINTER(Image), POINTER(Call), c_void_p],
    "visit_devices": [VisitDevice, c_void_p],
    "visit_models": [POINTER(ModelQuery), VisitModel, c_void_p],
    "visit_builtin_models": [VisitText, c_void_p],
    "visit_stored_models": [VisitText, c_void_p],
    "model_pull": [c_char_p, PullProgress, c_void_p, c_void_p, POINTER(c_char_p)],
    "models_folder": [POINTER(c_char_p)],
    "cache_folder": [POINTER(c_char_p)],
    "default_model": [c_int, c_double, POINTER(c_char_p)],
    "output_frame": [c_void_p, POINTER(Frame), c_double, c_int32, c_int32, c_int, POINTER(Frame)],
    "stream_create": [c_void_p, POINTER(Frame), POINTER(Frame), POINTER(StreamOptions), POINTER(c_void_p)],
    "stream_submit": [c_void_p, POINTER(Frame), POINTER(Frame), c_void_p],
    "stream_next": [c_void_p, c_double, POINTER(FrameDone)],
    "stream_flush": [c_void_p],
    "picture_file": [c_void_p, c_char_p, c_char_p, POINTER(PictureOptions), POINTER(Call), POINTER(FileReport)],
    "video_file": [c_void_p, c_char_p, c_char_p, POINTER(VideoOptions), POINTER(VideoReport)],
}
_OTHERS: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "context_create": (c_void_p, []),
    "context_destroy": (None, [c_void_p]),
    "error": (c_char_p, [c_void_p]),
    "model_close": (None, [c_void_p]),
    "engine_destroy": (None, [c_void_p]),
    "session_destroy": (None, [c_void_p]),
    "stream_destroy": (None, [c_void_p]),
    "cancellation_create": (c_void_p, [c_double]),
    "cancel": (None, [c_void_p]),
    "cancellation_destroy": (None, [c_void_p]),
    "is_video_file": (c_int, [c_char_p]),
}


def _load() -> ctypes.CDLL:
    """The library that ENLARGE_LIBRARY names, else the one in this package, else the system's."""
    named = os.environ.get("ENLARGE_LIBRARY")
    beside = pathlib.Path(__file__).with_name("libenlarge.so.0")
    path = named or (str(beside) if beside.exists() else "libenlarge.so.0")
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"enlarge: the library cannot be loaded: {error}; ENLARGE_LIBRARY may name it") from None
    for name, arguments in _CALLS.items():
        function = getattr(library, "enlarge_" + name)
        function.restype, function.argtypes = c_int, [c_void_p, *arguments]
    for name, (result, arguments) in _OTHERS.items():
        function = getattr(library, "enlarge_" + name)
        function.restype, function.argtypes = result, arguments
    return library


library = _load()


class _Context:
    def __init__(self) -> None:
        self._destroy = library.enlarge_context_destroy
        self.handle = library.enlarge_context_create()
        if not self.handle:
            raise MemoryError("enlarge: no memory for a context")

    def __del__(self) -> None:
        self._destroy(self.handle)


_local = threading.local()


def _context() -> int:
    """This thread's."""
    if not hasattr(_local, "context"):
        _local.context = _Context()
    handle: int = _local.context.handle
    return handle


def call(name: str, *arguments: Any) -> None:
    """Calls enlarge_<name> with this thread's context; raises the Error of its status."""
    context = _context()
    try:
        status = getattr(library, "enlarge_" + name)(context, *arguments)
    except ctypes.ArgumentError as error:  # a number where a text is expected
        raise error_of(2, f"{name.replace('_', ' ')}: {error}") from None
    if status:
        raise error_of(status, library.enlarge_error(context).decode("utf-8", "replace"))


def text_call(name: str, *arguments: Any) -> str:
    """The text that enlarge_<name> gives through its last argument."""
    text = c_char_p()
    call(name, *arguments, ctypes.byref(text))
    return (text.value or b"").decode("utf-8", "surrogateescape")


class Handle:
    """A handle of the library, destroyed with this object."""

    def __init__(self, value: Optional[int], destroy: str) -> None:
        self.value = value
        self._destroy: Callable[[Optional[int]], None] = getattr(library, "enlarge_" + destroy)

    def __del__(self) -> None:
        self._destroy(self.value)


def made(name: str, destroy: str, *arguments: Any) -> Handle:
    """What enlarge_<name> makes."""
    handle = c_void_p()
    call(name, *arguments, ctypes.byref(handle))
    return Handle(handle.value, destroy)


def _c_text(text: bytes) -> bytes:
    if b"\0" in text:
        raise error_of(2, f"{text.decode('utf-8', 'replace')!r} has a zero byte in it")
    return text


def path_bytes(path: "str | bytes | os.PathLike[Any]") -> bytes:
    return _c_text(os.fsencode(path))


def text_bytes(what: str, text: Any) -> bytes:
    if not isinstance(text, str):
        raise error_of(2, f"{what} is {text!r}; expected a text")
    return _c_text(text.encode())


def optional_bytes(what: str, text: Optional[str]) -> Optional[bytes]:
    return None if text is None else text_bytes(what, text)


class _Signals:
    """While a call runs, what handlers of signals raise (Ctrl-C: KeyboardInterrupt) is kept for whoever watches it:
    Python runs them as a callback begins, where C code cannot pass on what they raise."""

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)

    def __init__(self, watched: "Watched") -> None:
        self._watched = watched
        self._old: "list[tuple[int, Any]]" = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():  # where alone Python runs them
            return
        for number in self._NUMBERS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._old.append((number, handler))
                signal.signal(number, self._keeping(handler))

    def _keeping(self, handler: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        return lambda number, frame: self._watched.keep(lambda: handler(number, frame))

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._old:
            signal.signal(number, handler)


class Watched:
    """Callbacks into Python during one call: what they raise, Ctrl-C included, stops the call and is raised after."""

    def __init__(self) -> None:
        self.raised: Optional[BaseException] = None

    def keep(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: B902 - raised when the call has ended
            self.raised = error

    def ask(self, question: Callable[[], Any]) -> bool:
        """Whether to go on: not after False, nor after anything was raised."""
        try:
            return self.raised is None and question() is not False
        except BaseException as error:  # noqa: B902 - C code lies between here and who shall see it
            self.raised = error
            return False

    def call(self, name: str, *arguments: Any) -> None:
        try:
            with _Signals(self):
                call(name, *arguments)
        except Error:
            if self.raised is None:
                raise
        if self.raised is not None:
            raise self.raised

# SPDX-License-Identifier: Apache-2.0
"""Picture files and video files."""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Optional, Union

from . import _library as c
from ._cancel import Cancellation, cancellation_handle
from ._engine import Engine, ProgressCall, size_fields
from ._errors import ArgumentError
from ._models import Model

Path = Union[str, "os.PathLike[str]"]
#: Called with a code ("profile-dropped") and a sentence.
NoticeCall = Callable[[str, str], Any]


@dataclass(frozen=True)
class FileReport:
    """How a picture file went."""

    input: "tuple[int, int]"  #: width, height
    output: "tuple[int, int]"
    tiles: int
    seconds: float  #: in the network


@dataclass(frozen=True)
class VideoProgress:
    """How far a video is."""

    frames: int  #: finished, earlier runs included
    frames_total: int  #: an estimate; 0 if not known
    fraction: float  #: 0 to 1; 0 if the total is not known
    frames_per_second: float
    speed: float  #: seconds of video per second
    seconds_left: float  #: negative if not known
    output_bytes: int
    stopping: bool


@dataclass(frozen=True)
class VideoReport:
    """How a video file went."""

    input: "tuple[int, int]"
    output: "tuple[int, int]"
    frames_in: int
    frames_out: int
    resumed_frames: int  #: of an earlier run
    reused_frames: int  #: identical to the one before
    damaged: int
    dropped_frames: int
    output_bytes: int
    cut_short: bool  #: the input ended before its end
    seconds: float


def is_video_file(path: Path) -> bool:
    """Whether a file holds moving pictures."""
    return bool(c.library.enlarge_is_video_file(c.path_bytes(path)))


def _engine(model: Union[Engine, Model, Path, None], video: bool, factor: Optional[float]) -> Engine:
    if isinstance(model, Engine):
        return model
    return Engine(model if model is not None else c.text_call("default_model", int(video), float(factor or 0)))


def _notice(notice: Optional[NoticeCall]) -> Any:
    if notice is None:
        return c.Log(0)
    tell = notice
    return c.Log(lambda _, level, code, text: tell(code.decode(), text.decode("utf-8", "replace")))


def upscale_file(input: Path, output: Path, model: Union[Engine, Model, Path, None] = None, *,
                 scale: Optional[float] = None, size: "Optional[tuple[int, int]]" = None, fit: bool = True,
                 overwrite: bool = False, format: Optional[str] = None, quality: int = 0, lossless: bool = False,
                 page: int = 0, allow_damaged: bool = False, provenance: bool = True,
                 background: Optional[str] = None, progress: Optional[ProgressCall] = None,
                 cancel: Optional[Cancellation] = None, notice: Optional[NoticeCall] = None) -> FileReport:
    """Enlarges a picture file, with its metadata and colours, as the command line does.

    model: an Engine (kept by callers that do more than one file), a Model, a name, a path, or None for the default.
    scale, size, fit, progress, cancel: as Engine.upscale. quality: 1 to 100 of lossy formats. page: from 1.
    background: "#rrggbb" behind what is transparent. provenance: records the network's name in the picture.
    Raises NotFoundError, ExistsError, FormatError, UnsupportedError, LimitError, IoError, CancelledError.
    """
    engine = _engine(model, False, scale)
    watched = c.Watched()
    tell = c.Progress(lambda _, fraction: int(watched.ask(lambda: progress(fraction) if progress else None)))
    call = c.Call(progress=tell, cancellation=cancellation_handle(cancel))
    told = _notice(notice)
    options = c.PictureOptions(
        format=c.optional_bytes("format", format), quality=quality, lossless=int(lossless), overwrite=int(overwrite),
        page=page, allow_damaged=int(allow_damaged), no_provenance=int(not provenance),
        background=c.optional_bytes("background", background), notice=told, **size_fields(scale, size, fit))
    report = c.FileReport()
    session = engine._session()
    watched.call("picture_file", session.value, c.path_bytes(input), c.path_bytes(output), ctypes.byref(options),
                 ctypes.byref(call), ctypes.byref(report))
    engine._idle.append(session)
    return FileReport((report.in_width, report.in_height), (report.out_width, report.out_height), report.tiles,
                      report.seconds)


class Video:
    """A video in work, in a thread of its own: iterating gives VideoProgress until it is finished, and raises what went
    wrong; result() waits. Leaving a `with` block early stops it."""

    def __init__(self, run: "Callable[[Video], VideoReport]") -> None:
        self._progress: "queue.SimpleQueue[Optional[VideoProgress]]" = queue.SimpleQueue()
        self._control = 1
        self._error: Optional[BaseException] = None
        self._report: Optional[VideoReport] = None
        self._thread = threading.Thread(target=self._work, args=(run,), name="enlarge video")
        self._thread.start()

    def _work(self, run: "Callable[[Video], VideoReport]") -> None:
        try:
            self._report = run(self)
        except BaseException as error:  # noqa: B902 - raised where somebody waits
            self._error = error
        self._progress.put(None)

    def _watch(self, progress: Any) -> int:
        now = progress.contents
        self._progress.put(VideoProgress(
            now.frames, now.frames_total, now.fraction, now.frames_per_second, now.speed, now.seconds_left,
            now.output_bytes, bool(now.stopping)))
        return self._control

    def __iter__(self) -> Iterator[VideoProgress]:
        while True:
            try:
                now = self._progress.get()
            except KeyboardInterrupt:
                self.stop()
                raise
            if now is None:
                break
            yield now
        self._progress.put(None)  # for whoever iterates again
        self.result()

    def result(self) -> VideoReport:
        """Waits for the end; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report

    def stop(self, soon: bool = False) -> None:
        """Ends the work with CancelledError: at once, or when the segment in work is finished, so that nothing is lost.
        The same call continues it later."""
        self._control = 2 if soon else 0

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *raised: Any) -> None:
        self.stop()
        self._thread.join()


_VIDEO_TEXTS = ("input_format", "container", "video_codec", "preset", "pixel_format", "filter_before", "filter_after")
_VIDEO_NUMBERS = ("segment_frames", "codec_threads", "from_seconds", "to_seconds", "frame_rate", "timeout_seconds",
                  "drop_after_seconds", "max_pixels", "max_side")
_VIDEO_SWITCHES = ("square_pixels", "skip_unsupported", "restart", "gpu_decode", "live")
_VIDEO_PAIRS = ("input_options", "container_options", "encoder_options")


def _video_fields(given: "Mapping[str, Any]") -> "dict[str, Any]":
    fields: "dict[str, Any]" = {}
    for name, value in given.items():
        if name in _VIDEO_TEXTS:
            fields[name] = c.optional_bytes(name, value)
        elif name in _VIDEO_NUMBERS:
            fields[name] = value
        elif name in _VIDEO_SWITCHES:
            fields[name] = int(value)
        elif name in _VIDEO_PAIRS:
            fields[name] = c.text_bytes(name, "\n".join(f"{key}={one}" for key, one in value.items()))
        elif name in ("deinterlace", "reuse"):
            fields["no_" + name] = int(not value)
        elif name == "crf":
            fields.update(crf=value, has_crf=1)
        else:
            known = sorted((*_VIDEO_TEXTS, *_VIDEO_NUMBERS, *_VIDEO_SWITCHES, *_VIDEO_PAIRS, "crf", "deinterlace",
                            "reuse"))
            raise ArgumentError(f"unknown option {name}; expected one of {', '.join(known)}")
    return fields


def upscale_video(input: Path, output: Path, model: Union[Engine, Model, Path, None] = None, *,
                  scale: Optional[float] = None, size: "Optional[tuple[int, int]]" = None, fit: bool = True,
                  overwrite: bool = False, cancel: Optional[Cancellation] = None,
                  notice: Optional[NoticeCall] = None, **options: Any) -> Video:
    """Enlarges a video file in a thread of its own, sound and all else copied, as the command line does.

        for now in enlarge.upscale_video("in.mkv", "out.mkv"):
            print(f"{now.fraction:.0%}, {now.frames_per_second:.1f} frames/s")

    options: video_codec, crf, preset, pixel_format, encoder_options (a dict), container, container_options,
    input_format, input_options, from_seconds, to_seconds, filter_before, filter_after, deinterlace, square_pixels,
    frame_rate, segment_frames, codec_threads, restart, reuse, skip_unsupported, gpu_decode, live, timeout_seconds,
    drop_after_seconds, max_pixels, max_side: as in enlarge.h. notice: called from threads of the library.
    Options that cannot be meant raise at once; what goes wrong later, where the result is waited for.
    """
    fields = _video_fields(options)
    engine = _engine(model, True, scale)
    told = _notice(notice)

    def run(video: Video) -> VideoReport:
        watch = c.VideoWatch(lambda _, progress: video._watch(progress))
        how = c.VideoOptions(overwrite=int(overwrite), watch=watch, cancellation=cancellation_handle(cancel),
                             notice=told, **size_fields(scale, size, fit), **fields)
        report = c.VideoReport()
        session = engine._session()
        c.call("video_file", session.value, c.path_bytes(input), c.path_bytes(output), ctypes.byref(how),
               ctypes.byref(report))
        engine._idle.append(session)
        return VideoReport((report.in_width, report.in_height), (report.out_width, report.out_height),
                           report.frames_in, report.frames_out, report.resumed_frames, report.reused_frames,
                           report.damaged, report.dropped_frames, report.output_bytes, bool(report.input_cut_short),
                           report.seconds)

    return Video(run)

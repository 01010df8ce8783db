# SPDX-License-Identifier: Apache-2.0
"""Networks and devices: which there are, and how to get them."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from . import _library as c
from ._cancel import Cancellation, cancellation_handle
from ._errors import ArgumentError


class Model:
    """A network, read and checked. It never changes; any thread may use it. Made by Model.open() or Model.read()."""

    def __init__(self, handle: c.Handle) -> None:
        self._handle = handle
        info = c.ModelInfo()
        c.call("model_describe", handle.value, ctypes.byref(info))
        self.name: str = info.name.decode("utf-8", "replace")
        self.family: str = info.family.decode()
        self.licence: str = info.licence.decode()  # "" if not known
        self.scale: int = info.scale
        self.channels: int = info.channels
        self.parameters: int = info.parameters
        self.macs_per_pixel: float = info.macs_per_pixel  # of the input
        #: All that is known, in the order to show it.
        self.facts: dict[str, str] = {
            info.facts[i].key.decode(): info.facts[i].value.decode("utf-8", "replace") for i in range(info.fact_count)}

    @staticmethod
    def open(name: "Union[str, os.PathLike[str]]", **limits: int) -> "Model":
        """The built-in model of this name, a public model that is stored here, or a weight file at a path.

        limits: file_bytes, header_bytes, tensors, tensor_elements, total_elements, nesting, for files of strangers.
        Raises NotFoundError (which says how to get a public model), FormatError, UnsupportedError, LimitError.
        """
        bounds = c.ModelLimits(**limits)
        return Model(c.made("model_open_within", "model_close", c.path_bytes(name), ctypes.byref(bounds)))

    @staticmethod
    def read(data: bytes, name: str = "model", **limits: int) -> "Model":
        """A weight file in memory (.pth, .safetensors, .onnx). `name` is for messages."""
        bounds = c.ModelLimits(**limits)
        if not isinstance(data, bytes):
            raise ArgumentError(f"a weight file is {type(data).__name__}; expected bytes")
        return Model(c.made("model_read_within", "model_close", data, len(data), c.text_bytes("name", name),
                            ctypes.byref(bounds)))

    def blend(self, other: "Model", share: float) -> "Model":
        """(1 - share) of this and share of the other, tensor by tensor; both of the same family and sizes."""
        return Model(c.made("model_blend", "model_close", self._handle.value, other._handle.value, share))

    def __repr__(self) -> str:
        return f"<enlarge.Model {self.name}: {self.family}, x{self.scale}>"


@dataclass(frozen=True)
class PublicModel:
    """A network that somebody published."""

    name: str
    author: str
    file: str
    page: str
    sha256: str
    licence: str  #: SPDX; "unknown" when its author named none
    licence_address: str
    family: str
    purpose: str
    path: str  #: where it is stored here; "" when it is not
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    addresses: tuple[str, ...]
    bytes: int
    scale: int
    commercial: Optional[bool]  #: whether the licence allows commercial use; None when that is not known
    runs: bool  #: whether this build runs it
    original: bool


_TEXTS = ("name", "author", "file", "page", "sha256", "licence", "licence_address", "family", "purpose", "path")


def _public(model: c.PublicModel) -> PublicModel:
    def texts(pointer: Any, count: int) -> tuple[str, ...]:
        return tuple(pointer[i].decode("utf-8", "replace") for i in range(count))

    values: dict[str, Any] = {name: getattr(model, name).decode("utf-8", "surrogateescape") for name in _TEXTS}
    return PublicModel(
        **values, aliases=texts(model.aliases, model.alias_count), tags=texts(model.tags, model.tag_count),
        addresses=texts(model.addresses, model.address_count), bytes=model.bytes, scale=model.scale,
        commercial=None if model.commercial < 0 else bool(model.commercial), runs=bool(model.runs),
        original=bool(model.original))


def models(text: str = "", *, family: str = "", scale: int = 0, commercial: bool = False,
           runs: bool = False) -> list[PublicModel]:
    """Public models that fit; all of them without arguments. Nothing is asked of the network.

    text: words that must each occur in name, author, family, tags or purpose. commercial: only those whose licence is
    known to allow commercial use. runs: only those that this build runs.
    """
    found: list[PublicModel] = []
    watched = c.Watched()
    visit = c.VisitModel(lambda _, model: watched.ask(lambda: found.append(_public(model.contents))) and None)
    query = c.ModelQuery(text=c.text_bytes("text", text), family=c.text_bytes("family", family), scale=scale,
                         commercial=int(commercial), runs=int(runs))
    watched.call("visit_models", ctypes.byref(query), visit, None)
    return found


def _texts(name: str) -> list[str]:
    found: list[str] = []
    c.call(name, c.VisitText(lambda _, text: found.append(text.decode("utf-8", "surrogateescape"))), None)
    return found


def builtin_models() -> list[str]:
    """The names of the models that are compiled in."""
    return _texts("visit_builtin_models")


def stored_models() -> list[str]:
    """Paths of the weight files that are stored here."""
    return _texts("visit_stored_models")


def models_folder() -> str:
    """Where pull() puts files."""
    return c.text_call("models_folder")


def pull(name: str, *, progress: Optional[Callable[[int, int], Any]] = None,
         cancel: Optional[Cancellation] = None) -> str:
    """Downloads a public model, checks its SHA-256, and gives its path; at once when it is there already.

    progress: called with the bytes there and the bytes in all; False stops with CancelledError, and the next pull
    continues. Raises NotFoundError, NetworkError, FormatError, IoError.
    """
    watched = c.Watched()
    path = ctypes.c_char_p()
    told = c.PullProgress(lambda _, done, total: int(watched.ask(lambda: progress(done, total) if progress else None)))
    watched.call("model_pull", c.text_bytes("name", name), told, None, cancellation_handle(cancel), ctypes.byref(path))
    return (path.value or b"").decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Device:
    """Something that runs networks, or cannot."""

    id: str  #: what device= takes: "cpu", "cuda:0", "vulkan:0"
    name: str
    detail: str  #: driver, precisions; or why it cannot be used
    kind: str  #: "cpu", "gpu" or "reference"
    usable: bool
    memory_bytes: int
    precisions: tuple[str, ...]  #: that precision= takes


PRECISIONS = ("auto", "fp32", "fp16", "int16", "int8")


def device_of(info: c.DeviceInfo) -> Device:
    return Device(
        id=info.id.decode(), name=info.name.decode("utf-8", "replace"), detail=info.detail.decode("utf-8", "replace"),
        kind=("cpu", "gpu", "reference")[info.kind], usable=bool(info.usable), memory_bytes=info.memory_bytes,
        precisions=tuple(name for i, name in enumerate(PRECISIONS) if info.precisions >> i & 1))


def devices() -> list[Device]:
    """Everything that can run networks here, best first, and what cannot with the reason."""
    found: list[Device] = []
    c.call("visit_devices", c.VisitDevice(lambda _, info: found.append(device_of(info.contents))), None)
    return found

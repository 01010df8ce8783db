# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by the statuses of enlarge.h."""

from __future__ import annotations


class Error(Exception):
    """Any failure of the library. `status` is its number in enlarge.h; the text says what was found and expected."""

    status = 0


class InternalError(Error):
    """A bug of the library."""

    status = 1


class ArgumentError(Error, ValueError):
    """An option, shape or type that cannot be meant."""

    status = 2


class NotFoundError(Error, FileNotFoundError):
    """A file, model or device that is not there."""

    status = 3


class IoError(Error, OSError):
    """Reading or writing failed."""

    status = 4


class ExistsError(Error, FileExistsError):
    """The output is there already; overwrite=True replaces it."""

    status = 5


class FormatError(Error):
    """A file that is damaged or not what it claims to be."""

    status = 6


class UnsupportedError(Error):
    """Understood, and not something the library does."""

    status = 7


class LimitError(Error):
    """Larger than allowed."""

    status = 8


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory."""

    status = 9


class DeviceError(Error):
    """A device is missing, too old or failed."""

    status = 10


class NetworkError(Error):
    """A download failed."""

    status = 11


class NumericError(Error):
    """The network produced NaN or infinity in full precision."""

    status = 12


class CancelledError(Error):
    """Stopped by the caller, or the time was over."""

    status = 13


_BY_STATUS = {kind.status: kind for kind in Error.__subclasses__()}


def error_of(status: int, text: str) -> Error:
    return _BY_STATUS.get(status, Error)(text)

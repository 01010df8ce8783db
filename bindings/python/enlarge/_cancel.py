# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Optional

from . import _library as c
from ._errors import ArgumentError


class Cancellation:
    """Stops work from another thread, or after a time. One may be given to any number of calls."""

    def __init__(self, seconds: float = 0) -> None:
        """seconds: from now; 0: only cancel() stops."""
        self._handle = c.Handle(c.library.enlarge_cancellation_create(seconds), "cancellation_destroy")

    def cancel(self) -> None:
        """From any thread; cannot be taken back."""
        c.library.enlarge_cancel(self._handle.value)


def cancellation_handle(cancel: Optional[Cancellation]) -> Optional[int]:
    if cancel is not None and not isinstance(cancel, Cancellation):
        raise ArgumentError(f"cancel is {cancel!r}; expected a Cancellation")
    return None if cancel is None else cancel._handle.value

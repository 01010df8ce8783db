# SPDX-License-Identifier: Apache-2.0
"""Pictures and video larger and cleaner with Real-ESRGAN-family networks.

    import enlarge
    engine = enlarge.Engine("fine-x4")
    big = engine.upscale(small)                       # a NumPy array, a PyTorch tensor, any buffer
    enlarge.upscale_file("in.jpg", "out.png", engine)
    for now in enlarge.upscale_video("in.mkv", "out.mkv"):
        print(now.frames)
"""

from ._cancel import Cancellation
from ._engine import Engine
from ._errors import (ArgumentError, CancelledError, DeviceError, Error, ExistsError, FormatError, InternalError,
                      IoError, LimitError, NetworkError, NotFoundError, NumericError, OutOfMemoryError,
                      UnsupportedError)
from ._files import FileReport, Video, VideoProgress, VideoReport, is_video_file, upscale_file, upscale_video
from ._frames import FrameKind, FrameStream
from ._library import library as _loaded
from ._models import (Device, Model, PublicModel, builtin_models, devices, models, models_folder, pull,
                      stored_models)

__version__: str = _loaded.enlarge_version().decode()

__all__ = [
    "ArgumentError", "Cancellation", "CancelledError", "Device", "DeviceError", "Engine", "Error", "ExistsError",
    "FileReport", "FormatError", "FrameKind", "FrameStream", "InternalError", "IoError", "LimitError", "Model",
    "NetworkError", "NotFoundError", "NumericError", "OutOfMemoryError", "PublicModel", "UnsupportedError", "Video",
    "VideoProgress", "VideoReport", "builtin_models", "devices", "is_video_file", "models", "models_folder", "pull",
    "stored_models", "upscale_file", "upscale_video"]

# SPDX-License-Identifier: Apache-2.0
"""Scripts that were written for vs-mlrt run with enlarge by changing an import:

    from enlarge_vs import RealESRGAN, RealESRGANModel, Backend     # instead of: from vsmlrt import ...
    clip = RealESRGAN(clip, model=RealESRGANModel.animevideov3, backend=Backend.OV_CPU(num_streams=2))

Clips may be of any format that core.enlarge.Upscale() takes, not RGBS alone. Networks are named as everywhere in
enlarge: a file (.onnx, .pth, .safetensors, .param), a built-in one, or a public one that was stored by
`enlarge models pull`.
"""

import enum
import os
import typing

import vapoursynth as vs

__all__ = ["Backend", "RealESRGAN", "RealESRGANModel", "inference"]


class RealESRGANModel(enum.IntEnum):
    """vs-mlrt's numbers."""

    animevideov3 = 0
    animevideo_xsx2 = 1
    animevideo_xsx4 = 2
    animejanaiV2L1 = 5005
    animejanaiV2L2 = 5006
    animejanaiV2L3 = 5007
    animejanaiV3_HD_L1 = 5008
    animejanaiV3_HD_L2 = 5009
    animejanaiV3_HD_L3 = 5010


# Level 1 is the fastest.
_NAMES = {
    RealESRGANModel.animevideov3: "realesr-animevideov3",
    RealESRGANModel.animevideo_xsx2: "2x-realesrganv2-animevideo-xsx2",
    RealESRGANModel.animevideo_xsx4: "4x-realesrganv2-animevideo-xsx4",
    RealESRGANModel.animejanaiV2L1: "2x-AnimeJaNai-v2-SuperUltraCompact",
    RealESRGANModel.animejanaiV2L2: "2x-AnimeJaNai-v2-UltraCompact",
    RealESRGANModel.animejanaiV2L3: "2x-AnimeJaNai-v2-Compact",
    RealESRGANModel.animejanaiV3_HD_L1: "2x-AnimeJaNai-HD-V3-SuperUltraCompact",
    RealESRGANModel.animejanaiV3_HD_L2: "2x-AnimeJaNai-HD-V3-UltraCompact",
    RealESRGANModel.animejanaiV3_HD_L3: "2x-AnimeJaNai-HD-V3-Compact",
}


class _Processor:
    """A backend of vs-mlrt that runs on the processor. What concerns other engines alone is taken and not used."""

    def __init__(self, *, num_streams: int = 2, num_threads: int = 0, **_ignored: typing.Any) -> None:
        self.arguments = {"device": "cpu", "num_streams": num_streams, "threads": num_threads}


class _Graphics:
    """A backend of vs-mlrt that runs on a GPU."""

    def __init__(self, *, device_id: int = 0, num_streams: int = 2, fp16: bool = False, **_ignored: typing.Any) -> None:
        self.arguments = {"device": f"cuda:{device_id}", "num_streams": num_streams,
                          "precision": "fp16" if fp16 else "auto"}


class Backend:
    """The names of vs-mlrt's backends: those for the processor, and those for NVIDIA's GPUs."""

    class OV_CPU(_Processor):
        pass

    class ORT_CPU(_Processor):
        pass

    class ORT_CUDA(_Graphics):
        pass

    class TRT(_Graphics):
        pass

    class TRT_RTX(_Graphics):
        pass


def _tile(tiles: typing.Any, tilesize: typing.Any, clip: vs.VideoNode) -> int:
    """The largest side of a tile. Overlaps are enlarge's own affair: tiles show no seams whatever their size."""
    if tilesize is not None:
        return int(max(tilesize)) if isinstance(tilesize, (tuple, list)) else int(tilesize)
    if tiles is None:
        return 0
    across, down = tiles if isinstance(tiles, (tuple, list)) else (tiles, tiles)
    return max(-(-clip.width // int(across)), -(-clip.height // int(down)))


def _upscale(clip: vs.VideoNode, model: str, tile: int, backend: typing.Any, **options: typing.Any) -> vs.VideoNode:
    arguments = dict(getattr(backend, "arguments", None) or (backend or Backend.OV_CPU)().arguments)
    return vs.core.enlarge.Upscale(clip, model=model, tile=tile, **arguments, **options)


def RealESRGAN(clip: vs.VideoNode, tiles: typing.Any = None, tilesize: typing.Any = None, overlap: typing.Any = None,
               model: typing.Union[RealESRGANModel, str] = RealESRGANModel.animevideov3, backend: typing.Any = None,
               scale: typing.Optional[float] = None) -> vs.VideoNode:
    """`model`: one of RealESRGANModel, or the name or file of any other network. `scale`: None is the network's own."""
    name = model if isinstance(model, str) else _NAMES[RealESRGANModel(model)]
    options = {} if scale is None else {"scale": float(scale)}
    return _upscale(clip, name, _tile(tiles, tilesize, clip), backend, **options)


def inference(clips: typing.Union[vs.VideoNode, typing.Sequence[vs.VideoNode]], network_path: typing.Any,
              overlap: typing.Any = None, tilesize: typing.Any = None, backend: typing.Any = None) -> vs.VideoNode:
    """A network out of a file, for one clip."""
    if not isinstance(clips, vs.VideoNode):
        if len(clips) != 1:
            raise vs.Error(f"enlarge_vs.inference: {len(clips)} clips; expected one: networks take pictures, no maps")
        clips = clips[0]
    return _upscale(clips, os.fspath(network_path), _tile(None, tilesize, clips), backend)

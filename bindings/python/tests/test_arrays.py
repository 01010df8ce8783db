# SPDX-License-Identifier: Apache-2.0
"""Pictures in memory: the bits of the command line, every kind of array, what is refused."""
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import threading

import enlarge
import numpy
import pytest
from conftest import read_pnm, write_pnm


def photo(shape, dtype=numpy.uint8):
    """Waves and noise, the same every time."""
    random = numpy.random.default_rng(7)
    y, x = numpy.mgrid[: shape[0], : shape[1]]
    wave = 0.5 + 0.3 * numpy.sin(x / 5.0) * numpy.cos(y / 7.0)
    picture = (wave[..., None] if len(shape) == 3 else wave) + random.normal(0, 0.05, shape)
    picture = picture.clip(0, 1)
    if numpy.dtype(dtype).kind == "f":
        return picture.astype(dtype)
    return (picture * numpy.iinfo(dtype).max).round().astype(dtype)


@pytest.mark.parametrize("shape", [(33, 47, 3), (20, 21)])
@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.uint16])
@pytest.mark.parametrize("scale", [None, 1.5])
def test_the_bits_are_those_of_the_command_line(engine, program, tmp_path, shape, dtype, scale):
    small = photo(shape, dtype)
    write_pnm(tmp_path / "in.ppm", small)
    program(tmp_path / "in.ppm", "-o", tmp_path / "out.ppm", "--model", "swift-x2",
            *(["--scale", scale] if scale else []))
    big = engine.upscale(small, scale=scale)
    assert big.dtype == dtype and isinstance(big, numpy.ndarray)
    assert numpy.array_equal(big, read_pnm(tmp_path / "out.ppm"))


def test_a_real_photograph_has_the_bits_of_the_command_line(engine, program, source, tmp_path):
    program(source / "samples" / "cat.jpg", "-o", tmp_path / "big.ppm", "--model", "swift-x2")
    program(source / "samples" / "cat.jpg", "-o", tmp_path / "plain.ppm", "--strength", "0", "--scale", "1")
    assert numpy.array_equal(engine.upscale(read_pnm(tmp_path / "plain.ppm")), read_pnm(tmp_path / "big.ppm"))


def test_every_type_and_number_of_channels(engine):
    for channels in (1, 2, 3, 4):
        rgb = photo((10, 12, channels), numpy.float32)
        big = engine.upscale(rgb)
        assert big.shape == (20, 24, channels) and big.dtype == numpy.float32
        half = engine.upscale(rgb.astype(numpy.float16))
        assert half.dtype == numpy.float16 and abs(half.astype("f4") - big).max() < 2e-3


def test_layouts_and_strides_are_the_same_picture(engine):
    small = photo((16, 20, 3))
    big = engine.upscale(small)
    assert numpy.array_equal(engine.upscale(small.transpose(2, 0, 1).copy(), layout="chw"), big.transpose(2, 0, 1))
    assert numpy.array_equal(engine.upscale(small.transpose(2, 0, 1), layout="chw"), big.transpose(2, 0, 1))
    wide = numpy.zeros((16, 40, 3), numpy.uint8)
    wide[:, 5:25] = small
    assert numpy.array_equal(engine.upscale(wide[:, 5:25]), big)
    assert numpy.array_equal(engine.upscale(small[::-1]), engine.upscale(small[::-1].copy()))
    assert numpy.array_equal(engine.upscale(small[:, ::2]), engine.upscale(small[:, ::2].copy()))


def test_buffers_and_dlpack_without_numpy_in_between(engine):
    small = photo((8, 9, 3))
    big = engine.upscale(small)
    view = engine.upscale(memoryview(small.tobytes()).cast("B", [8, 9, 3]))
    assert isinstance(view, memoryview) and view.shape == (16, 18, 3) and view.tobytes() == big.tobytes()

    class OnlyDlpack:
        def __dlpack__(self, stream=None):
            return small.__dlpack__()

        def __dlpack_device__(self):
            return (1, 0)

    assert numpy.array_equal(engine.upscale(OnlyDlpack(), out=numpy.empty((16, 18, 3), numpy.uint8)), big)

    class OnAGpu(OnlyDlpack):
        def __dlpack_device__(self):
            return (2, 0)

    with pytest.raises(enlarge.ArgumentError, match="lies on a GPU"):
        engine.upscale(OnAGpu())

    class OnlyInterface:
        __array_interface__ = small.__array_interface__

    assert numpy.array_equal(numpy.asarray(engine.upscale(OnlyInterface())), big)

    class LikePillow:
        __array_interface__ = {"shape": (8, 9, 3), "typestr": "|u1", "version": 3, "data": small.tobytes()}

    assert numpy.array_equal(numpy.asarray(engine.upscale(LikePillow())), big)


def test_arrays_of_ctypes_and_subclasses(engine):
    small = photo((8, 9, 3))
    big = engine.upscale(small)
    plain = (ctypes.c_uint8 * 3 * 9 * 8).from_buffer_copy(small.tobytes())  # a buffer without strides
    assert numpy.array_equal(numpy.asarray(engine.upscale(plain)), big)

    class Own(numpy.ndarray):
        pass

    mirrored = small.view(Own)[:, ::-1]
    assert numpy.array_equal(engine.upscale(mirrored), engine.upscale(numpy.asarray(mirrored).copy()))


def test_a_number_that_is_none_is_said(engine):
    for value in (numpy.nan, numpy.inf):
        small = photo((8, 9, 3), numpy.float32)
        small[3, 4, 1] = value
        with pytest.raises(enlarge.NumericError, match="not a number or infinite"):
            engine.upscale(small)


def test_tensors_come_back_as_tensors(engine):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    small = photo((8, 9, 3), numpy.float32)
    big = engine.upscale(torch.from_numpy(small))
    assert isinstance(big, torch.Tensor) and numpy.array_equal(big.numpy(), engine.upscale(small))
    floats = torch.from_numpy(small).permute(2, 0, 1).float() / 255
    big = engine.upscale(floats, layout="chw")  # strides of the other layout
    assert big.dtype == torch.float32 and torch.equal(big, engine.upscale(floats.contiguous(), layout="chw"))
    grown = engine.upscale(floats.contiguous().requires_grad_(True), layout="chw")
    assert torch.equal(grown, big) and not grown.requires_grad
    half = engine.upscale(floats.contiguous().half(), layout="chw")
    assert half.dtype == torch.float16 and (half.float() - big).abs().max() < 3e-3
    own = torch.empty_like(big)
    assert engine.upscale(floats.contiguous(), layout="chw", out=own) is own and torch.equal(own, big)
    negative = torch._neg_view(floats)
    assert torch.equal(engine.upscale(negative, layout="chw"), engine.upscale(-floats, layout="chw"))
    for wrong, text in ((floats.double(), "float64"), (floats[0].to_sparse(), "has no pixels in memory"),
                        (floats.bfloat16(), "bfloat16"),
                        (floats.to("meta"), "no pixels can be read")):
        with pytest.raises(enlarge.ArgumentError, match=text):
            engine.upscale(wrong, layout="chw")


def test_sizes(engine):
    small = photo((30, 40, 3))
    assert engine.upscale(small, size=(100, 0)).shape == (75, 100, 3)
    assert engine.upscale(small, size=(100, 100)).shape == (75, 100, 3)
    assert engine.upscale(small, size=(100, 100), fit=False).shape == (100, 100, 3)
    assert engine.output_size((40, 30), scale=3) == (120, 90)
    out = numpy.empty((60, 80, 3), numpy.uint16)  # another type than the input's
    assert engine.upscale(small, out=out) is out
    assert abs(out / 257.0 - engine.upscale(small)).max() <= 0.51


@pytest.mark.parametrize("wrong, text", [
    (numpy.zeros((4, 4, 3), numpy.int32), r"an array of i4; expected uint8, uint16, float16 or float32"),
    (numpy.zeros((4, 4, 3), ">u2"), "other byte order"),
    (numpy.zeros((4, 4, 5), numpy.uint8), r"shape \(4, 4, 5\); expected \(height, width\) or"),
    (numpy.zeros((2, 4, 4, 3), numpy.uint8), r"shape \(2, 4, 4, 3\)"),
    (numpy.zeros((0, 4, 3), numpy.uint8), r"shape \(0, 4, 3\)"),
    (numpy.zeros((4, 4), object), "an array of O; expected"),
    (numpy.zeros((4, 4), "M8[s]"), r"an array of M8\[s\]; expected"),
    (numpy.full((4, 4, 3), numpy.nan, numpy.float64), "an array of f8; expected"),
    ([[1, 2], [3, 4]], "list is no array"),
    (None, "NoneType is no array"),
])
def test_wrong_shapes_and_types_are_named(engine, wrong, text):
    with pytest.raises(enlarge.ArgumentError, match=text):
        engine.upscale(wrong)


def test_wrong_options_are_named(engine):
    small = photo((4, 4, 3))
    for options in ({"scale": -1}, {"scale": 2, "size": (9, 9)}, {"layout": "whc"}, {"bits": 77},
                    {"scale": 2, "out": numpy.empty((8, 8, 3), numpy.uint8)}):
        with pytest.raises(enlarge.ArgumentError):
            engine.upscale(small.astype(numpy.uint16) if "bits" in options else small, **options)
    for options, text in (({"size": 5}, "size 5; expected two whole numbers"),
                          ({"size": (2.5, 4)}, "expected two whole numbers"),
                          ({"size": (1 << 31, 4)}, "expected sides from 0"), ({"size": (-1, 4)}, "expected sides from"),
                          ({"cancel": 3}, "cancel is 3; expected a Cancellation")):
        with pytest.raises(enlarge.ArgumentError, match=text):
            engine.upscale(small, **options)
    for options, text in (({"threads": 1 << 40}, "threads is 1099511627776"), ({"device": None}, "device is None"),
                          ({"device": "cpu\0"}, "zero byte")):
        with pytest.raises(enlarge.ArgumentError, match=text):
            enlarge.Engine("swift-x2", **options)
    for wrong, text in (("swift-x2\0.pth", "zero byte"), ("", "no model is named")):
        with pytest.raises(enlarge.Error, match=text):
            enlarge.Model.open(wrong)
    with pytest.raises(enlarge.ArgumentError, match="is bytearray; expected bytes"):
        enlarge.Model.read(bytearray(8))
    readonly = numpy.empty((8, 8, 3), numpy.uint8)
    readonly.flags.writeable = False
    with pytest.raises(enlarge.ArgumentError, match="cannot be written"):
        engine.upscale(small, out=readonly)
    with pytest.raises(ValueError, match="precision 'fp8'"):
        enlarge.Engine("swift-x2", precision="fp8")
    with pytest.raises(enlarge.LimitError):
        enlarge.Engine("swift-x2", device="cpu", precision="fp32", max_side=6).upscale(small)


def test_threads_share_an_engine_and_python_runs_meanwhile(engine):
    pictures = [photo((64, 48 + i, 3)) for i in range(6)]
    expected = [engine.upscale(picture) for picture in pictures]
    got = [None] * 6
    threads = [threading.Thread(target=lambda i=i: got.__setitem__(i, engine.upscale(pictures[i]))) for i in range(6)]
    for thread in threads:
        thread.start()
    turns = 0
    while any(thread.is_alive() for thread in threads):
        turns += 1  # would not, if calls kept the GIL
    for thread in threads:
        thread.join()
    assert all(numpy.array_equal(a, b) for a, b in zip(got, expected)) and turns > 10


def test_progress_stopping_and_what_a_callback_raises(engine):
    small, seen = photo((64, 64, 3)), []
    engine.upscale(small, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1
    with pytest.raises(enlarge.CancelledError):
        engine.upscale(small, progress=lambda fraction: False)
    with pytest.raises(ZeroDivisionError):
        engine.upscale(small, progress=lambda fraction: 1 / 0)
    stop = enlarge.Cancellation()
    stop.cancel()
    with pytest.raises(enlarge.CancelledError, match="stopped by the caller"):
        engine.upscale(small, cancel=stop)
    assert engine.upscale(small).shape == (128, 128, 3)


def test_what_a_handler_of_a_signal_raises_stops_the_call(engine, capfd):
    large = photo((600, 600, 3), numpy.float32)
    for number, handler, kind in ((signal.SIGALRM, lambda *_: 1 / 0, ZeroDivisionError),
                                  (signal.SIGALRM, signal.default_int_handler, KeyboardInterrupt)):
        before = signal.signal(number, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(kind):
                while True:
                    engine.upscale(large)
            assert signal.getsignal(number) is handler
        finally:
            signal.signal(number, before)
    assert "ignored" not in capfd.readouterr().err


FORK = """
import os, sys
import enlarge

engine = enlarge.Engine("swift-x2", device="cpu", threads=3)
small = memoryview(bytes(range(192))).cast("B", (8, 8, 3))
big = engine.upscale(small).tobytes()
stream = enlarge.FrameStream(engine, enlarge.FrameKind("grey", 8, 8))
frame = [memoryview(bytes(64)).cast("B", (8, 8))]
list(stream.upscale([frame]))
child = os.fork()
if child == 0:
    assert engine.upscale(small).tobytes() == big
    for use in (stream.flush, lambda: stream.submit(frame)):
        try:
            use()
            sys.exit(2)
        except enlarge.ArgumentError as error:
            assert "forked" in str(error), error
    assert len(list(enlarge.FrameStream(engine, stream.kind).upscale([frame]))) == 1
    stream.close()
    del stream, engine
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_goes_on_with_the_engine_and_ends():
    where = pathlib.Path(enlarge.__file__).parents[1]
    environment = dict(os.environ, PYTHONPATH=str(where))
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=120, env=environment)


def test_structs_are_those_of_the_header(source):
    """Every struct of _library.py against the kept ABI: names, places and sizes of all fields."""
    from enlarge import _library

    kinds = [kind for kind in vars(_library).values()
             if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and hasattr(kind, "_fields_")]
    here = set()
    for kind in kinds:
        name = "enlarge_" + "".join("_" * (i > 0 and ch.isupper()) + ch.lower() for i, ch in enumerate(kind.__name__))
        here.add(f"struct {name} has {ctypes.sizeof(kind)} bytes")
        for field, *_ in kind._fields_:
            place = getattr(kind, field)
            here.add(f"field {name}.{field} at {place.offset}, {place.size} bytes")
    kept = (source / "tests" / "api" / "enlarge.abi").read_text().splitlines()
    structs = {line.split()[1] for line in here if line.startswith("struct")}
    wanted = {line for line in kept
              if line.split()[0] in ("struct", "field") and line.split()[1].split(".")[0] in structs}
    assert len(kinds) >= 15 and here == wanted

# SPDX-License-Identifier: Apache-2.0
"""Frames of video in memory: the bits of the command line, order, what is refused."""
import enlarge
import numpy
import pytest

WIDTH, HEIGHT, FRAMES = 46, 34, 5


def clip(kind, frames=FRAMES):
    random = numpy.random.default_rng(3)
    top = (1 << (kind.bits or 8)) - 1
    dtype = numpy.uint8 if top == 255 else numpy.uint16
    return [[(random.random(shape) * top).astype(dtype) for shape in kind.shapes()] for _ in range(frames)]


def write_y4m(path, kind, colour, frames):
    head = f"YUV4MPEG2 W{kind.width} H{kind.height} F25:1 Ip A1:1 C{colour}\n".encode()
    path.write_bytes(head + b"".join(b"FRAME\n" + b"".join(plane.tobytes() for plane in frame) for frame in frames))


def read_y4m(path, kind):
    """All samples, frame by frame."""
    data = path.read_bytes()
    size = sum(rows * samples for rows, samples in kind.shapes()) * (1 if kind.bits == 8 else 2)
    begin = data.index(b"\n") + 1
    assert (len(data) - begin) % (size + 6) == 0
    return [data[at + 6:at + 6 + size] for at in range(begin, len(data), size + 6)]


@pytest.mark.parametrize("layout, bits, colour", [("i420", 8, "420mpeg2"), ("i420", 10, "420p10"), ("i422", 8, "422"),
                                                  ("i444", 12, "444p12"), ("grey", 8, "mono")])
def test_frames_have_the_bits_of_the_command_line(engine, program, tmp_path, layout, bits, colour):
    kind = enlarge.FrameKind(layout, WIDTH, HEIGHT, bits)
    frames = clip(kind)
    write_y4m(tmp_path / "in.y4m", kind, colour, frames)
    program(tmp_path / "in.y4m", "-o", tmp_path / "out.y4m", "--model", "swift-x2")
    stream = enlarge.FrameStream(engine, kind)
    assert (stream.output.width, stream.output.height, stream.output.bits) == (2 * WIDTH, 2 * HEIGHT, bits)
    big = [b"".join(plane.tobytes() for plane in planes) for planes in stream.upscale(frames)]
    assert big == read_y4m(tmp_path / "out.y4m", stream.output)


def test_interleaved_chroma_is_the_same_picture(engine):
    planar = enlarge.FrameKind("i420", WIDTH, HEIGHT, 8)
    y, u, v = clip(planar, 1)[0]
    expected = next(enlarge.FrameStream(engine, planar).upscale([[y, u, v]]))
    stream = enlarge.FrameStream(engine, enlarge.FrameKind("nv12", WIDTH, HEIGHT))
    both = numpy.stack([u, v], axis=2)
    for chroma in (both, both.reshape(both.shape[0], -1)):
        big = next(stream.upscale([[y, chroma]]))
        assert numpy.array_equal(big[0], expected[0])
        pairs = big[1].reshape(HEIGHT, WIDTH, 2)
        assert numpy.array_equal(pairs[..., 0], expected[1]) and numpy.array_equal(pairs[..., 1], expected[2])


def test_colours_are_taken_and_written_down(engine):
    kind = enlarge.FrameKind("i420", WIDTH, HEIGHT)
    guessed = enlarge.FrameStream(engine, kind)
    assert (guessed.output.matrix, guessed.output.range, guessed.output.siting) == (6, "limited", "left")
    told = enlarge.FrameKind("i420", WIDTH, HEIGHT, matrix=9, primaries=9, transfer=16, range="full", siting="topleft")
    stream = enlarge.FrameStream(engine, told)
    assert stream.output == enlarge.FrameKind("i420", 2 * WIDTH, 2 * HEIGHT, 8, False, 9, 9, 16, "full", "topleft")
    frames = clip(kind, 1)
    assert not numpy.array_equal(next(stream.upscale(frames))[0], next(guessed.upscale(frames))[0])


def test_order_flush_and_results_of_ones_own(engine):
    kind = enlarge.FrameKind("grey", WIDTH, HEIGHT)
    frames = clip(kind)
    with enlarge.FrameStream(engine, kind, scale=1.5, reuse=False) as stream:
        assert stream.next() is None
        own = numpy.empty(stream.output.shapes()[0], numpy.uint8)
        stream.submit(frames[0], out=[own])
        stream.submit(frames[1])
        assert len(stream) == 2
        first = stream.next()
        assert first[0] is own
        second = stream.next(timeout=60)
        stream.submit(frames[2])
        stream.flush()
        assert len(stream) == 0 and stream.next() is None
        again = list(stream.upscale(frames[:2]))
    assert numpy.array_equal(again[0][0], own) and numpy.array_equal(again[1][0], second[0])
    with pytest.raises(enlarge.ArgumentError, match="was closed"):
        stream.submit(frames[0])


def test_wrong_frames_are_named(engine):
    kind = enlarge.FrameKind("i420", WIDTH, HEIGHT)
    stream = enlarge.FrameStream(engine, kind)
    y, u, v = clip(kind, 1)[0]
    for planes, text in (([y, u], "2 planes; expected 3 for i420"),
                         ([y, u, y], f"plane 2 is {WIDTH} samples by {HEIGHT} rows; expected 23 by 17"),
                         ([y.astype(numpy.uint16), u, v], "expected 46 by 34, of uint8"),
                         ([y, u, v[:, ::2]], "plane 2")):
        with pytest.raises(enlarge.ArgumentError, match=text):
            stream.submit(planes)
    for wrong, text in ((enlarge.FrameKind("yuv", 8, 8), "layout 'yuv'; expected one of grey"),
                        (enlarge.FrameKind("i420", 8, 8, range="tv"), "range 'tv'; expected one of unknown"),
                        (enlarge.FrameKind("i420", 8, 8, 7), "7 bits; expected 8 to 16"),
                        (enlarge.FrameKind("i420", 0, 8), "0")):
        with pytest.raises(enlarge.ArgumentError, match=text):
            enlarge.FrameStream(engine, wrong)

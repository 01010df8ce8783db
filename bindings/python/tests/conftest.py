# SPDX-License-Identifier: Apache-2.0
"""ENLARGE_LIBRARY, ENLARGE_PROGRAM and ENLARGE_SOURCE name the library, the command line and the repository."""
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ.get("ENLARGE_SOURCE", pathlib.Path(__file__).parents[3]))
sys.path.insert(0, str(SOURCE / "bindings" / "python"))
sys.path.insert(0, str(SOURCE / "bindings" / "comfyui"))


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def program():
    """Runs the command line in the engine that the tests use."""
    path = os.environ["ENLARGE_PROGRAM"]

    def run(*words):
        subprocess.run([path, "--precision", "fp32", "--device", "cpu", "--quiet", *map(str, words)], check=True)

    return run


@pytest.fixture(scope="session")
def engine():
    import enlarge

    return enlarge.Engine("swift-x2", device="cpu", precision="fp32")


def read_pnm(path):
    """A binary PGM, PPM or PFM as an array (height, width[, channels])."""
    import numpy

    data = path.read_bytes()
    kind, width, height, top = data.split(maxsplit=4)[:4]
    rest = data[len(data) - len(data.split(maxsplit=3)[3]):]
    rest = rest[rest.index(b"\n") + 1:]
    channels = 3 if kind in (b"P6", b"PF") else 1
    if kind in (b"P5", b"P6"):
        dtype = numpy.dtype("u1" if int(top) < 256 else ">u2")
        array = numpy.frombuffer(rest, dtype).astype(dtype.newbyteorder("="))
    else:
        array = numpy.frombuffer(rest, "<f4" if float(top) < 0 else ">f4").astype("f4")
    shape = (int(height), int(width), channels) if channels > 1 else (int(height), int(width))
    array = array.reshape(shape)
    return array[::-1].copy() if kind in (b"Pf", b"PF") else array


def write_pnm(path, array):
    kind = b"P5" if array.ndim == 2 else b"P6"
    top = 255 if array.itemsize == 1 else 65535
    data = array if array.itemsize == 1 else array.astype(">u2")
    path.write_bytes(b"%s\n%d %d\n%d\n" % (kind, array.shape[1], array.shape[0], top) + data.tobytes())

# SPDX-License-Identifier: Apache-2.0
"""PFM files of float pictures: arrays of channels, rows and columns. In the files rows come from the bottom."""
import numpy


def write_pfm(path, picture):
    with open(path, "wb") as out:
        out.write(f"PF\n{picture.shape[2]} {picture.shape[1]}\n-1.0\n".encode())
        out.write(numpy.ascontiguousarray(picture.transpose(1, 2, 0)[::-1], "<f4").tobytes())


def read_pfm(path):
    with open(path, "rb") as file:
        channels = {b"PF": 3, b"Pf": 1}[file.readline().strip()]
        width, height = map(int, file.readline().split())
        order = "<f4" if float(file.readline()) < 0 else ">f4"
        values = numpy.frombuffer(file.read(), order).reshape(height, width, channels)
    return values[::-1].transpose(2, 0, 1)

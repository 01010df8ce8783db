#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random ONNX graphs: what ONNX Runtime computes against what enlarge does.

Usage: random_graphs.py ENLARGE [--count 300] [--first 0] [--only OPERATOR] [--keep FOLDER] [--list] [--one-size]

Needs onnx, onnxruntime and numpy; without them it says so and exits with 77. Graph N is the same in every run: one
operator, N modulo their number, with attributes at random, between two convolutions, at several sizes of picture.
enlarge must compute the same within 1e-4 (or 1e-5 of the largest value), or refuse the file, or say that it continues
pictures of such a size where the file does something else. Where ONNX Runtime itself cannot run a size, or its result
is no whole multiple of the picture, there is nothing to compare with; such sizes are counted. Prints a line for each
graph that differs, and at the end how many of each operator ran and were refused, and why. Exits with 1 when one
differed.
"""
import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"random_graphs.py: skipped, {missing.name} is not installed")
    sys.exit(77)

from pfm import read_pfm, write_pfm

C = 4  # channels between the convolutions
SIZES = [(24, 36), (17, 23), (13, 30), (31, 19)]


class Builder:
    def __init__(self, seed):
        self.pick = random.Random(seed)
        self.numbers = numpy.random.default_rng(seed)
        self.nodes, self.constants, self.opset, self.shown = [], [], 18, []

    def name(self):
        return f"t{len(self.nodes) + len(self.constants)}"

    def constant(self, values, kind=numpy.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.asarray(values, kind), name))
        return name

    def weights(self, *sides, size=None):
        fan = max(1, int(numpy.prod(sides[1:])))
        return self.constant(self.numbers.standard_normal(sides) * (size or fan**-0.5))

    def node(self, kind, inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        self.shown.append(f"{kind}({', '.join(f'{k}={v}' for k, v in attributes.items())})")
        return names[0] if outputs == 1 else names

    def conv(self, x, source, to, kernel=1):
        return self.node("Conv", [x, self.weights(to, source, kernel, kernel), self.weights(to, size=0.1)],
                         pads=[kernel // 2] * 4)

    def size_of(self, x="input"):
        return self.node("Shape", [x])

    # Whatever size it has, as large as the picture again.
    def back(self, x, channels=C):
        sides = self.node("Slice", [self.size_of(), self.constant([2], numpy.int64), self.constant([4], numpy.int64)])
        front = self.constant([1, channels], numpy.int64)
        return self.node("Resize", [x, "", "", self.node("Concat", [front, sides], axis=0)], mode="linear",
                         coordinate_transformation_mode="half_pixel")

    def maybe(self, *choices):
        return self.pick.choice(choices)

    def model(self, last, scale=1):
        last = self.node("Conv", [last, self.weights(3, C, 1, 1), self.weights(3, size=0.1)])
        self.nodes[-1].output[0] = "output"
        picture = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, a, b])
                   for n, a, b in (("input", "h", "w"), ("output", "oh", "ow"))]
        graph = helper.make_graph(self.nodes, "g", picture[:1], picture[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                 ir_version=min(8, onnx.IR_VERSION))


def conv(b, x):
    groups = b.maybe(1, 1, 2, C)
    kernel = [b.maybe(1, 2, 3, 3, 5), b.maybe(1, 2, 3, 3, 5)]
    strides = b.maybe(None, [2, 2], [b.maybe(1, 2, 3), b.maybe(1, 2, 3)])
    dilations = b.maybe(None, None, [b.maybe(1, 2), b.maybe(1, 2, 3)])
    automatic = b.maybe(None, None, None, "SAME_UPPER", "SAME_LOWER", "VALID")
    pads = None if automatic else b.maybe(None, [k // 2 for k in kernel] * 2, [b.pick.randint(0, 3) for _ in range(4)])
    bias = [b.weights(C, size=0.1)] if b.maybe(True, False) else []
    return b.back(b.node("Conv", [x, b.weights(C, C // groups, *kernel)] + bias, group=groups, strides=strides,
                         dilations=dilations, auto_pad=automatic, pads=pads, kernel_shape=b.maybe(None, kernel)))


# Down by a stride and up again, as branches of attention do; the result has the picture's size by itself or not.
def down_and_up(b, x):
    f = b.maybe(2, 2, 3, 4)
    kernel, pads = b.maybe((f, [0] * 4), (3, [1] * 4), (f + 1, [f // 2] * 4), (f + 2, [1] * 4))
    low = b.node("Conv", [x, b.weights(C, C, kernel, kernel)], strides=[f, f], pads=pads)
    low = b.conv(b.node("Relu", [low]), C, C, 3)
    up = b.maybe("transposed", "shuffle", "nearest", "linear", "sized")
    if up == "transposed":
        high = b.node("ConvTranspose", [low, b.weights(C, C, f, f)], strides=[f, f])
    elif up == "shuffle":
        high = b.node("DepthToSpace", [b.conv(low, C, C * f * f)], blocksize=f, mode="CRD")
    elif up == "sized":
        high = b.back(low)
    else:
        high = b.node("Resize", [low, "", b.constant([1, 1, f, f])], mode=up, nearest_mode="floor",
                      coordinate_transformation_mode="asymmetric" if up == "nearest" else "half_pixel")
    return b.node("Add", [high, x]) if b.maybe(True, False) else high


def conv_transpose(b, x):
    groups = b.maybe(1, 1, 2)
    strides = b.maybe(None, [2, 2], [b.maybe(1, 2, 3), b.maybe(1, 2, 3)])
    kernel = [b.maybe(2, 3, 4), b.maybe(2, 3, 4)]
    extra = None if strides is None else b.maybe(None, None, [b.pick.randint(0, s - 1) for s in strides])
    return b.back(b.node("ConvTranspose", [x, b.weights(C, C // groups, *kernel)], group=groups, strides=strides,
                         pads=b.maybe(None, [1] * 4, [b.pick.randint(0, 1) for _ in range(4)]), output_padding=extra,
                         dilations=b.maybe(None, None, [2, 1]), auto_pad=b.maybe(None, None, None, "VALID")))


def pool(b, x):
    kind, k = b.maybe("MaxPool", "AveragePool"), b.maybe(2, 3, 3, 5)
    kernel = b.maybe([k, k], [k, k], [k, b.maybe(1, 2, 3)])
    s = b.maybe(1, 2, 3, k)
    more = {}
    if kind == "AveragePool":
        more["count_include_pad"] = b.maybe(None, 0, 1)
    pads = [b.pick.randint(0, 1)] * 4 if b.maybe(True, True, False) else [b.pick.randint(0, 1) for _ in range(4)]
    return b.back(b.node(kind, [x], kernel_shape=kernel, strides=b.maybe(None, [s, s], [s, s], [s, 1]),
                         pads=b.maybe(None, pads), ceil_mode=b.maybe(None, None, 0, 1),
                         auto_pad=None, **more))


def resize(b, x):
    mode = b.maybe("nearest", "linear", "cubic")
    position = b.maybe(None, "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    more = {}
    if mode == "nearest":
        more["nearest_mode"] = b.maybe(None, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    if mode == "cubic":
        more["cubic_coeff_a"] = b.maybe(None, -0.5)
        more["exclude_outside"] = b.maybe(None, None, 1)
    if b.maybe(False, False, False, True):
        more["antialias"] = 1
    kind = b.maybe("scales", "scales", "sizes", "axes", "constant")
    f = b.maybe(2.0, 3.0, 4.0, 0.5, 1.5, 1 / 3, 0.75)
    if kind == "sizes":
        sides = b.node("Shape", [x], start=2, end=4)
        twice = b.node("Mul", [sides, b.constant([2], numpy.int64)]) if f >= 1 else \
            b.node("Div", [sides, b.constant([2], numpy.int64)])
        given = ["", "", b.node("Concat", [b.constant([1, C], numpy.int64), twice], axis=0)]
    elif kind == "axes":
        given = ["", b.constant([f, f])]
        more["axes"] = [2, 3]
    elif kind == "constant":
        given = ["", b.constant([1, 1, f, b.maybe(f, 1.0)])]
    else:
        given = ["", b.constant([1, 1, f, f])]
    low = b.node("Resize", [x] + given, mode=mode, coordinate_transformation_mode=position, **more)
    return b.back(low) if f in (0.5, 1.5, 1 / 3, 0.75) or b.maybe(True, False) else low


def old_resize(b, x):
    b.opset = b.maybe(9, 10, 10, 11)
    mode, f = b.maybe("nearest", "linear"), b.maybe(2.0, 3.0, 4.0)
    if b.opset == 9:
        return b.node("Upsample", [x, b.constant([1, 1, f, f])], mode=mode)
    if b.opset == 10:
        return b.node("Resize", [x, b.constant([1, 1, f, f])], mode=mode)
    return b.node("Resize", [x, b.constant(numpy.zeros(0)), b.constant([1, 1, f, f])], mode=mode)


def pad(b, x):
    mode = b.maybe("constant", "constant", "reflect", "edge", "wrap")
    b.opset = 19 if mode == "wrap" else b.maybe(11, 13, 18)
    by = [0, 0] + [b.pick.randint(-1 if b.maybe(0, 1) else 0, 3) for _ in range(2)]
    by += [b.maybe(0, 0, 0, 1) if mode == "constant" else 0, 0] + [b.pick.randint(0, 3) for _ in range(2)]
    by[4] = 0
    value = [b.constant(b.maybe(0.0, 0.0, 1.0, -0.5))] if mode == "constant" and b.maybe(True, False) else []
    axes = []
    if b.opset >= 18 and b.maybe(False, True):
        by, axes = by[2:4] + by[6:8], [b.constant([2, 3], numpy.int64)]
        value = value or [""]
    y = b.node("Pad", [x, b.constant(by, numpy.int64)] + value + axes, mode=mode)
    return back_any(b, y)


# As back(), for old files.
def back_any(b, x):
    zeros = b.constant([2], numpy.int64), b.constant([4], numpy.int64)
    sides = b.node("Slice", [b.size_of(), *zeros])
    front = b.constant([1, C], numpy.int64)
    empty = [b.constant(numpy.zeros(0)), b.constant(numpy.zeros(0))] if b.opset < 13 else ["", ""]
    return b.node("Resize", [x, *empty, b.node("Concat", [front, sides], axis=0)], mode="linear",
                  coordinate_transformation_mode="half_pixel")


def blocks(b, x):
    f = b.maybe(2, 3)
    mode = b.maybe(None, "DCR", "CRD")
    if b.maybe(True, False):
        return b.node("DepthToSpace", [b.conv(x, C, C * f * f)], blocksize=f, mode=mode)
    low = b.node("SpaceToDepth", [x], blocksize=f)
    return b.node("DepthToSpace", [b.conv(low, C * f * f, C * f * f)], blocksize=f, mode=mode)


def activation(b, x):
    b.opset = b.maybe(10, 13, 18, 20, 20)
    kind = b.maybe("Clip", "Clip", "LeakyRelu", "PRelu", "PRelu", "HardSigmoid", "HardSwish", "Gelu", "Gelu",
                   "Softplus", "Mish",
                   "Elu", "Selu", "Celu", "ThresholdedRelu", "Softsign", "Tanh", "Sigmoid", "Erf", "Pow", "Sqrt", "Exp",
                   "Abs", "Neg", "Reciprocal", "Log", "Sin", "Floor", "Round", "Sign")
    least = {"HardSwish": 14, "Gelu": 20, "Mish": 18, "Celu": 12, "Erf": 9}.get(kind, 0)
    b.opset = max(b.opset, least)
    if kind == "Clip":
        low, high = b.maybe(None, -0.2, 0.0, 0.0), b.maybe(None, 0.3, 6.0, 1.0)
        if b.opset < 11:
            return b.node("Clip", [x], min=low, max=high)
        given = ["" if v is None else b.constant(v) for v in (low, high)]
        return b.node("Clip", [x] + given)
    if kind == "LeakyRelu":
        return b.node(kind, [x], alpha=b.maybe(None, 0.2, -0.5, 0.0))
    if kind == "PRelu":
        sides = b.maybe([C, 1, 1], [1], [1, C, 1, 1], [1, 1, 1], [C])
        return b.node(kind, [x, b.constant(b.numbers.uniform(0, 0.5, sides))])
    if kind == "HardSigmoid":
        return b.node(kind, [x], alpha=b.maybe(None, 1 / 6), beta=b.maybe(None, 0.4))
    if kind == "Gelu":
        return b.node(kind, [x], approximate=b.maybe(None, "none", "tanh"))
    if kind in ("Elu", "Celu", "ThresholdedRelu"):
        return b.node(kind, [x], alpha=b.maybe(None, 0.5))
    if kind == "Pow":
        exponent = b.maybe(2.0, 3.0, 0.5, 1.0, -1.0, 1.7)
        return b.node(kind, [b.node("Abs", [x]), b.constant(exponent)])
    if kind in ("Sqrt", "Log"):
        return b.node(kind, [b.node("Add", [b.node("Abs", [x]), b.constant(0.1)])])
    if kind == "Reciprocal":
        return b.node(kind, [b.node("Add", [b.node("Abs", [x]), b.constant(1.0)])])
    return b.node(kind, [x])


def arithmetic(b, x):
    kind = b.maybe("Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum")
    other = b.maybe("scalar", "channel", "bare channel", "row", "own", "own", "batch channel", "pixel mean", "spatial")
    if other == "scalar":
        y = b.constant(b.maybe(0.5, 2.0, -1.5))
    elif other == "channel":
        y = b.constant(b.numbers.uniform(0.5, 1.5, [C, 1, 1]))
    elif other == "batch channel":
        y = b.constant(b.numbers.uniform(0.5, 1.5, [1, C, 1, 1]))
    elif other == "bare channel":
        y = b.constant(b.numbers.uniform(0.5, 1.5, [C]))
    elif other == "row":
        y = b.constant(b.numbers.uniform(0.5, 1.5, [1, 1, 1, 1]))
    elif other == "pixel mean":
        y = b.node("ReduceMean", [b.conv(x, C, C), b.constant([1], numpy.int64)], keepdims=1)
    elif other == "spatial":
        y = b.node("GlobalAveragePool", [b.conv(x, C, C)])
    else:
        y = b.conv(x, C, C)
    operands = [x, y] if b.maybe(True, False) else [y, x]
    if kind in ("Max", "Min", "Mean", "Sum") and b.maybe(True, False, False):
        operands.append(b.conv(x, C, C))
    return b.node(kind, operands)


def slicing(b, x):
    what = b.maybe("channels", "rows", "step", "backwards", "negative", "far")
    whole = lambda *v: b.constant(v, numpy.int64)
    if what == "channels":
        wide = b.conv(x, C, 3 * C)
        first = b.maybe(0, 1, 3)
        return b.node("Slice", [wide, whole(first), whole(first + 2 * C), whole(b.maybe(1, -3)), whole(2)])
    if what == "rows":
        return b.back(b.node("Slice", [x, whole(2, 1), whole(b.maybe(-1, -2, 2**63 - 1), 11), whole(2, 3)]))
    if what == "step":
        s = b.maybe(2, 3)
        return b.back(b.node("Slice", [x, whole(b.maybe(0, 1), 0), whole(2**31 - 1, b.maybe(2**31 - 1, -1)),
                                       whole(2, 3),
                                       whole(s, b.maybe(1, s))]))
    if what == "backwards":
        return b.node("Slice", [x, whole(-1), whole(-2**31), whole(b.maybe(2, 3)), whole(-1)])
    if what == "negative":
        return b.back(b.node("Slice", [x, whole(-9), whole(-1), whole(b.maybe(2, 3))]))
    return b.back(b.node("Slice", [x, whole(0), whole(b.maybe(1000, 12, 14)), whole(2)]))


def norms(b, x):
    kind = b.maybe("LayerNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
                   "BatchNormalization", "LpNormalization", "MeanVarianceNormalization", "RMSNormalization")
    b.opset = {"GroupNormalization": b.maybe(18, 21), "RMSNormalization": 23}.get(kind, b.maybe(17, 18))
    epsilon = b.maybe(None, 1e-3)
    scale = lambda n: b.constant(b.numbers.uniform(0.5, 1.5, n))
    if kind in ("LayerNormalization", "RMSNormalization"):
        turned = b.node("Transpose", [x], perm=[0, 2, 3, 1])
        axis = b.maybe(None, -1, 3, 2, -2)
        given = [turned, scale(C)] + ([b.weights(C)] if kind == "LayerNormalization" and b.maybe(1, 0) else [])
        if axis in (2, -2):
            return b.node(kind, [x, b.constant([1.5])], axis=b.maybe(-1, 2, -2), epsilon=epsilon)
        return b.node("Transpose", [b.node(kind, given, axis=axis, epsilon=epsilon)], perm=[0, 3, 1, 2])
    if kind == "InstanceNormalization":
        return b.node(kind, [x, scale(C), b.weights(C)], epsilon=epsilon)
    if kind == "GroupNormalization":
        groups = b.maybe(1, 2, C)
        n = groups if b.opset < 21 else C
        return b.node(kind, [x, scale(n), b.weights(n)], num_groups=groups, epsilon=epsilon)
    if kind == "BatchNormalization":
        return b.node(kind, [x, scale(C), b.weights(C), b.weights(C), scale(C)], epsilon=epsilon)
    if kind == "LpNormalization":
        return b.node(kind, [x], axis=b.maybe(None, 1), p=b.maybe(None, 1, 2))
    return b.node(kind, [x])


def softmax(b, x):
    b.opset = b.maybe(9, 11, 12, 13, 18)
    kind = b.maybe("Softmax", "Softmax", "LogSoftmax", "Hardmax")
    return b.node(kind, [x], axis=b.maybe(None, 1, 2, 3, -1, -3))


def reduction(b, x):
    b.opset = b.maybe(11, 13, 18)
    kind = b.maybe("ReduceMean", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1",
                   "ReduceProd",
                   "ReduceSumSquare")
    axes = b.maybe([1], [2, 3], [2], [3], [-1], [-2, -1], [1, 2, 3], None)
    keep = b.maybe(None, 1, 0)
    by_input = b.opset >= 18 or (kind == "ReduceSum" and b.opset >= 13)
    given = [x] + ([b.constant(axes, numpy.int64)] if by_input and axes else [])
    more = {"noop_with_empty_axes": b.maybe(None, 1)} if by_input and not axes else {}
    y = b.node(kind, given, keepdims=keep, axes=None if by_input else axes, **more)
    if keep == 0 and axes:
        whole = sorted(a % 4 for a in axes)
        y = b.node("Unsqueeze", [y, b.constant(whole, numpy.int64)]) if b.opset >= 13 else \
            b.node("Unsqueeze", [y], axes=whole)
    return b.node("Mul", [x, y])


def joining(b, x):
    what = b.maybe("split", "uneven", "count", "concat", "rows", "stack")
    if what in ("split", "uneven", "count"):
        axis = b.maybe(1, -3)
        wide = b.conv(x, C, 6)
        if what == "split":
            parts = b.node("Split", [wide, b.constant([2, 2, 2], numpy.int64)], 3, axis=axis)
        elif what == "uneven":
            parts = b.node("Split", [wide, b.constant([1, 3, 2], numpy.int64)], 3, axis=axis)
        else:
            n = b.maybe(2, 3, 4)
            parts = b.node("Split", [wide], n, axis=axis, num_outputs=n)
        parts = parts[::-1]
        y = b.node("Concat", parts, axis=axis)
        return b.conv(y, 6, C)
    if what == "rows":
        return b.back(b.node("Concat", [x, b.conv(x, C, C)], axis=b.maybe(2, 3, -1)))
    if what == "stack":
        a = b.constant([2], numpy.int64)
        y = b.node("Concat", [b.node("Unsqueeze", [v, a]) for v in (x, b.conv(x, C, C))], axis=2)
        return b.node("ReduceMean", [y, a], keepdims=0)
    return b.conv(b.node("Concat", [x, x, b.conv(x, C, C)], axis=1), 3 * C, C)


# Pixels as rows of a matrix.
def products(b, x):
    whole = lambda *v: b.constant(v, numpy.int64)
    rows = b.node("Transpose", [b.node("Reshape", [x, whole(0, C, -1)])], perm=[0, 2, 1])  # 1 x pixels x C
    kind = b.maybe("matmul", "gemm", "gram", "broadcast", "vector", "left", "einsum")
    if kind == "matmul":
        y = b.node("Add", [b.node("MatMul", [rows, b.weights(C, C)]), b.weights(C)])
    elif kind == "gemm":
        turned = b.maybe(0, 1)
        bias = b.maybe([], [b.weights(C)], [b.weights(1, C)], [b.constant(0.3)])
        flat = b.node("Squeeze", [rows, whole(0)])
        y = b.node("Gemm", [flat, b.weights(C, C)] + bias, transB=turned, alpha=b.maybe(None, 0.5),
                   beta=b.maybe(None, 2.0))
        y = b.node("Unsqueeze", [y, whole(0)])
    elif kind == "gram":
        gram = b.node("MatMul", [b.node("Transpose", [rows], perm=[0, 2, 1]), rows])
        y = b.node("MatMul", [rows, b.node("Softmax", [gram], axis=-1)])
    elif kind == "broadcast":
        y = b.node("MatMul", [rows, b.weights(b.maybe(1, 1), C, C)])
    elif kind == "vector":
        y = b.node("Mul", [rows, b.node("Unsqueeze", [b.node("MatMul", [rows, b.weights(C)]), whole(2)])])
    elif kind == "left":
        y = b.node("MatMul", [b.weights(C, C), b.node("Reshape", [x, whole(0, C, -1)])])
        y = b.node("Transpose", [y], perm=[0, 2, 1])
    else:
        y = b.node("Einsum", [rows, b.weights(C, C)], equation=b.maybe("bij,jk->bik", "b i j, k j -> b i k", "bij,jk"))
    back = b.node("Transpose", [y], perm=[0, 2, 1])
    return b.node("Reshape", [back, b.size_of(x)])


def sampling(b, x):
    b.opset = b.maybe(16, 20)
    places = b.node("Tanh", [b.conv(x, C, 2, 3)])
    places = b.node("Mul", [places, b.constant(b.maybe(0.9, 1.3))])
    grid = b.node("Transpose", [places], perm=[0, 2, 3, 1])
    mode = b.maybe(None, "bilinear" if b.opset < 20 else "linear", "nearest", "bicubic" if b.opset < 20 else "cubic")
    return b.node("GridSample", [x, grid], mode=mode, padding_mode=b.maybe(None, "zeros", "border", "reflection"),
                  align_corners=b.maybe(None, 0, 1))


def places(b, x):
    whole = lambda *v: b.constant(v, numpy.int64)
    kind = b.maybe("gather", "gather", "row", "tile", "expand", "where", "argmax", "topk", "elements", "flip", "turn",
                   "roll", "unfold", "unfold")
    if kind == "unfold":
        return unfold(b, x)
    if kind == "gather":
        order = b.maybe([0, 2, 1, 3], [3, -2, 1, 0], [1, 1, 2, -1])
        return b.node("Gather", [x, whole(*order)], axis=b.maybe(1, -3))
    if kind == "row":
        row = b.node("Gather", [x, b.constant(b.maybe(0, 3, -1), numpy.int64)], axis=b.maybe(2, 3))
        return b.node("Mul", [x, b.node("ReduceMean", [b.node("Unsqueeze", [row, whole(3)]), whole(2)])])
    if kind == "tile":
        times = b.maybe([1, 1, 2, 2], [1, 2, 1, 1], [1, 1, 1, 3])
        y = b.node("Tile", [x, whole(*times)])
        return b.back(y) if times[1] == 1 else b.conv(y, 2 * C, C)
    if kind == "expand":
        return b.node("Mul", [x, b.node("Expand", [b.node("GlobalAveragePool", [x]), b.size_of(x)])])
    if kind == "where":
        test = b.node(b.maybe("Greater", "Less", "Equal"), [x, b.constant(b.maybe(0.0, 0.1))])
        return b.node("Where", [test, x, b.conv(x, C, C)])
    if kind == "argmax":
        y = b.node("Cast", [b.node("ArgMax", [x], axis=1, select_last_index=b.maybe(None, 0, 1))], to=1)
        return b.node("Mul", [x, y])
    if kind == "topk":
        y = b.node("TopK", [x, whole(b.maybe(C, 2))], 2, axis=1, largest=b.maybe(None, 0))[0]
        return y
    if kind == "elements":
        order = b.node("TopK", [x, whole(C)], 2, axis=1)[1]
        return b.node("GatherElements", [b.conv(x, C, C), order], axis=1)
    if kind == "flip":
        return b.node("Slice", [x, whole(2**31 - 1), whole(-2**62), whole(b.maybe(1, 2)), whole(-1)])
    if kind == "turn":
        return b.node("Transpose", [b.conv(b.node("Transpose", [x], perm=[0, 1, 3, 2]), C, C, 3)], perm=[0, 1, 3, 2])
    axis, by = b.maybe(2, 3), b.maybe(1, 3, -2)
    ends = [b.node("Slice", [x, whole(-by), whole(2**31 - 1), whole(axis)]),
            b.node("Slice", [x, whole(0), whole(-by), whole(axis)])]
    return b.node("Concat", ends, axis=axis)


# torch.nn.Unfold as its exporter writes it: places of overlapping windows, counted up to the picture's sides.
def unfold(b, x):
    whole = lambda *v: b.constant(v, numpy.int64)
    kernel, stride = b.maybe((3, 1), (3, 2), (4, 2), (5, 3), (5, 2), (2, 2), (6, 4), (2, 3))
    before, behind = b.maybe((0, 0), (1, 1), (kernel // 2, kernel // 2), (0, kernel - 1))
    y = b.node("Pad", [x, whole(0, 0, before, before, 0, 0, behind, behind)])
    counts = []
    for side in (2, 3):
        length = b.node("Gather", [b.size_of(x), b.constant(side, numpy.int64)], axis=0)
        end = b.node("Sub", [b.node("Add", [length, b.constant(before + behind, numpy.int64)]),
                             b.constant(kernel - 1, numpy.int64)])
        firsts = b.node("Range", [b.constant(0, numpy.int64), end, b.constant(stride, numpy.int64)])
        inner = b.constant(numpy.arange(kernel)[:, None], numpy.int64)
        at = [b.node("Unsqueeze", [firsts, whole(0)]), inner]
        at = b.node("Add", at if b.maybe(True, False) else at[::-1])
        y = b.node("Gather", [y, at], axis=2 if side == 2 else 4)
        counts.append(b.node("Shape", [firsts]) if stride == 1 else b.node("Shape", [at], start=1, end=2))
    y = b.node("Transpose", [y], perm=[0, 1, 2, 4, 3, 5])
    sides = b.node("Concat", [whole(1, C * kernel * kernel)] + counts, axis=0)
    return b.back(b.conv(b.node("Reshape", [y, sides]), C * kernel * kernel, C))


# ESA of RFDN, RLFN and others: a branch of low resolution with a strided convolution and pooling.
def esa(b, x):
    low = b.node("Conv", [b.conv(x, C, C), b.weights(C, C, 3, 3)], strides=[2, 2], pads=b.maybe(None, [1] * 4))
    kind = b.maybe("MaxPool", "AveragePool", None)
    if kind:
        low = b.node(kind, [low], kernel_shape=[3, 3], strides=[b.maybe(2, 3)] * 2)
    low = b.back(b.conv(low, C, C, 3))
    return b.node("Mul", [x, b.node("Sigmoid", [b.node("Add", [low, b.conv(x, C, C)])])])


# Two levels down, with what is on each level joined on the way up.
def u_net(b, x):
    f = b.maybe("conv", "MaxPool", "AveragePool")

    def down(y):
        if f == "conv":
            return b.node("Conv", [y, b.weights(C, C, 3, 3)], strides=[2, 2], pads=[1] * 4)
        return b.node(f, [y], kernel_shape=[2, 2], strides=[2, 2])

    def up(y):
        return b.node("Resize", [y, "", b.constant([1, 1, 2, 2])], mode=b.maybe("nearest", "linear"),
                      nearest_mode="floor",
                      coordinate_transformation_mode="half_pixel" if b.nodes[-1].op_type == "x" else "asymmetric") \
            if b.maybe(0, 1) else b.node("ConvTranspose", [y, b.weights(C, C, 2, 2)], strides=[2, 2])

    one = down(x)
    two = down(b.node("Relu", [one]))
    y = b.node("Add", [up(two), one]) if b.maybe(0, 1) else up(two)
    y = up(y)
    return b.node("Add", [y, x]) if b.maybe(0, 1) else y


OPERATORS = [conv, down_and_up, conv_transpose, pool, resize, old_resize, pad, blocks, activation, arithmetic, slicing,
             norms, softmax, reduction, joining, products, sampling, places, esa, u_net]


def make(number):
    b = Builder(number)
    operator = OPERATORS[number % len(OPERATORS)]
    x = b.conv("input", 3, C, 3)
    b.shown.clear()
    y = operator(b, x)
    shown = " ".join(b.shown)
    model = b.model(y)
    return operator.__name__, shown, model


def for_one_size(model, rows, columns):
    """The same model with the picture's size written into it."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for side, length in zip(fixed.graph.input[0].type.tensor_type.shape.dim[2:], (rows, columns)):
        side.dim_value = length
    return fixed.SerializeToString()


def compare(enlarge, model, folder, number, one_size):
    """(what came of it, the largest difference or why)"""
    path = folder / "graph.onnx"
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a graph that ONNX Runtime does not take says nothing about ours
        return "invalid", str(error).splitlines()[0][-110:]
    worst, ran, odd, said_so = 0.0, 0, 0, 0
    numbers = numpy.random.default_rng(number)
    for rows, columns in SIZES:
        picture = numbers.random((3, rows, columns), numpy.float32)
        try:
            wanted = session.run(None, {"input": picture[None]})[0]
        except Exception:
            wanted = None
        if wanted is not None and (wanted.ndim != 4 or wanted.shape[2] % rows or wanted.shape[3] % columns):
            wanted = None
        if wanted is None or wanted.shape[2] // rows != wanted.shape[3] // columns or not numpy.isfinite(wanted).all():
            odd += 1
            continue
        write_pfm(folder / "in.pfm", picture)
        if one_size:
            path.write_bytes(for_one_size(model, rows, columns))
        ran_ours = subprocess.run([enlarge, folder / "in.pfm", "-m", path, "-o", folder / "out.pfm", "--force",
                                   "--device", "cpu", "--precision", "fp32"], capture_output=True, text=True)
        if ran_ours.returncode:
            said = (ran_ours.stderr.strip().splitlines() or ["?"])[-1]
            return "refused", said.replace(f"{path}: ", "").replace("enlarge: ", "")
        if "continued by reflection" in ran_ours.stderr:  # it says that its result is another one
            said_so += 1
            continue
        ours = read_pfm(folder / "out.pfm")
        if ours.shape != wanted.shape[1:]:
            return "DIFFERS", f"{ours.shape} for {wanted.shape} at {rows}x{columns}"
        ran += 1
        difference = float(abs(ours - wanted[0]).max() / max(1, abs(wanted).max() / 10))
        if not difference <= 1e-4:
            return "DIFFERS", f"{difference:.3g} of {abs(wanted).max():.3g} at {rows}x{columns}"
        worst = max(worst, difference)
    if said_so:
        return "said", f"{said_so} sizes of other multiples"
    return ("same" if ran else "no size"), worst if ran else f"{odd} sizes"


# Of operators whose windows leave a rest, or whose meaning changed with the operators' version.
GOLDEN = [0, 18, 32, 38, 61, 150, 163, 344]


def golden(folder):
    lines = []
    for number in GOLDEN:
        operator, _, model = make(number)
        name, height, width = f"round_{operator}_{number}", 15, 19
        pixels = numpy.random.default_rng(number).integers(0, 256, (height, width, 3), numpy.uint8)
        picture = numpy.ascontiguousarray(pixels.transpose(2, 0, 1)[None], numpy.float32) / numpy.float32(255)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        result = session.run(None, {"input": picture})[0][0]
        (folder / f"{name}.u8").write_bytes(pixels.tobytes())
        (folder / f"{name}.f32").write_bytes(result.astype("<f4").tobytes())
        lines.append(f"{name}.onnx {name}.u8 {width} {height} 3 {name}.f32 {result.shape[1] // height}\n")
    (folder / "round_cases.txt").write_text("".join(lines))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("enlarge", nargs="?", default="enlarge")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", action="append", help="an operator of: " + ", ".join(o.__name__ for o in OPERATORS))
    parser.add_argument("--keep", type=pathlib.Path, help="where files that differ are left")
    parser.add_argument("--one-size", action="store_true", help="each picture's size is written into its file")
    parser.add_argument("--list", action="store_true", help="a line for each graph")
    parser.add_argument("--golden", type=pathlib.Path, help="writes the graphs of tests/golden/data/round_* there")
    arguments = parser.parse_args()
    if arguments.golden:
        return golden(arguments.golden)
    results, reasons, wrong, worst = collections.Counter(), collections.Counter(), 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(arguments.first, arguments.first + arguments.count):
            if arguments.only and OPERATORS[number % len(OPERATORS)].__name__ not in arguments.only:
                continue
            operator, shown, model = make(number)
            what, said = compare(arguments.enlarge, model, pathlib.Path(scratch), number, arguments.one_size)
            results[operator, what] += 1
            if what == "refused":
                reasons[said.split("(", 1)[-1][:150]] += 1
            if what == "same":
                worst = max(worst, said)
            if what == "DIFFERS" or arguments.list:
                print(f"{number} {operator} {what} {said}: {shown} (opset {model.opset_import[0].version})", flush=True)
            if what == "DIFFERS":
                wrong += 1
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    (arguments.keep / f"{number}.onnx").write_bytes(model.SerializeToString())
    for operator in OPERATORS:
        counts = {what: results[operator.__name__, what] for what in
                  ("same", "said", "refused", "no size", "invalid", "DIFFERS")}
        print(f"{operator.__name__}: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n))
    for reason, count in reasons.most_common(60):
        print(f"  {count} refused: {reason}")
    print(f"{sum(results.values())} graphs, {wrong} differ, largest difference of the others {worst:.2g}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

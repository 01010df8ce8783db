# SPDX-License-Identifier: Apache-2.0
"""Writers of weight files for make_golden.py: safetensors, ncnn and ONNX, with no package but numpy and PyTorch."""
import json
import struct

import numpy as np
import torch


def load_torch(path):
    data = torch.load(path, map_location="cpu")
    for wrapper in ("params_ema", "params", "state_dict"):
        if wrapper in data:
            data = data[wrapper]
            break
    return {k: v for k, v in data.items() if torch.is_tensor(v)}


def write_safetensors(path, weights):
    kinds = {torch.float16: "F16", torch.float32: "F32", torch.bfloat16: "BF16"}
    header, data = {"__metadata__": {"licence": "Apache-2.0"}}, b""
    for name, tensor in weights.items():
        raw = tensor.contiguous()
        raw = (raw.view(torch.int16) if raw.dtype != torch.float32 else raw).numpy().tobytes()
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# ---- ncnn ----

def write_ncnn(stem, ops, half):
    """stem.param and stem.bin, the way onnx2ncnn and ncnnoptimize write them: Split layers, LeakyReLU fused into the
    convolution before it, scaled additions as Eltwise."""
    uses = {}
    for op in ops:
        for i in op["inputs"]:
            uses[i] = uses.get(i, 0) + 1
    lines, blobs, data, taken = [], 0, b"", {}
    last = ops[-1]["output"]

    def line(kind, name, inputs, outputs, *params):
        nonlocal blobs
        blobs += len(outputs)
        lines.append(" ".join([f"{kind:<16}", f"{name:<16}", str(len(inputs)), str(len(outputs)), *inputs, *outputs, *params]))

    def define(value, kind, name, inputs, *params):
        blob = "data" if value == 0 else "output" if value == last else f"b{value}"
        line(kind, name, inputs, [blob], *params)
        n = uses.get(value, 0)
        if n > 1:
            parts = [f"{blob}_splitncnn_{i}" for i in range(n)]
            line("Split", f"splitncnn_{value}", [blob], parts)
            taken[value] = parts
        else:
            taken[value] = [blob]

    def use(value):
        return taken[value].pop(0)

    define(0, "Input", "data", [])
    fused = {}
    for op in ops:
        if op["kind"] == "leaky_relu" and uses[op["inputs"][0]] == 1:
            fused[op["inputs"][0]] = op["output"]
    skip = set(fused.values())
    for index, op in enumerate(ops):
        kind, value, name = op["kind"], op["output"], f"{op['kind']}_{index}"
        if value in skip and kind == "leaky_relu":
            continue
        inputs = [use(i) for i in op["inputs"]]
        if kind == "conv":
            w = op["w"].float().numpy()
            params = [f"0={w.shape[0]}", f"1={w.shape[2]}", f"4={w.shape[2] // 2}", "5=1", f"6={w.size}"]
            if value in fused:
                params += ["9=2", "-23310=1,2.000000e-01"]
            define(fused.get(value, value), "Convolution", name, inputs, *params)
            raw = w.astype(np.float16 if half else np.float32).tobytes()
            data += struct.pack("<I", 0x01306B47 if half else 0) + raw + b"\0" * (-len(raw) % 4)
            data += op["b"].float().numpy().tobytes()
        elif kind == "prelu":
            define(value, "PReLU", name, inputs, f"0={op['w'].numel()}")
            data += op["w"].float().numpy().tobytes()
        elif kind == "leaky_relu":
            define(value, "ReLU", name, inputs, "0=2.000000e-01")
        elif kind == "silu":
            define(value, "Swish", name, inputs)
        elif kind == "add" and op["factor"] == 1:
            define(value, "BinaryOp", name, inputs, "0=0")
        elif kind == "add":
            define(value, "Eltwise", name, inputs, "0=1", f"-23301=2,{op['factor']:e},1.000000e+00")
        elif kind == "concat":
            define(value, "Concat", name, inputs, "0=0")
        elif kind == "shuffle":
            define(value, "PixelShuffle", name, inputs, f"0={op['factor']}")
        elif kind == "nearest":
            define(value, "Interp", name, inputs, "0=1", f"1={op['factor']:e}", f"2={op['factor']:e}")
        elif kind == "normalise":
            # A Scale layer: per-channel factor and shift, untagged.
            define(value, "Scale", name, inputs, f"0={len(op['mean'])}", "1=1")
            data += np.full(len(op["mean"]), op["factor"], np.float32).tobytes()
            data += (-np.array(op["mean"]) * op["factor"]).astype(np.float32).tobytes()
        elif kind == "gate":
            o, x = inputs
            line("Split", name + "_s", [o], [name + "_o0", name + "_o1"])
            line("Sigmoid", name + "_a", [name + "_o0"], [name + "_1"])
            line("BinaryOp", name + "_b", [name + "_1"], [name + "_2"], "0=1", "1=1", "2=5.000000e-01")
            line("BinaryOp", name + "_c", [name + "_o1", x], [name + "_3"], "0=0")
            define(value, "BinaryOp", name, [name + "_3", name + "_2"], "0=2")
        else:
            raise ValueError(kind)
    stem.with_suffix(".param").write_text(f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n")
    stem.with_suffix(".bin").write_bytes(data)


# ---- ONNX: protobuf by hand ----

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    if isinstance(payload, float):
        return varint(number << 3 | 5) + struct.pack("<f", payload)
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tensor_proto(name, array):
    kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float16): 10}[array.dtype]
    return b"".join(field(1, d) for d in array.shape) + field(2, kind) + field(8, name) + field(9, array.tobytes())


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, 1)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + b"".join(field(8, v) for v in value) + field(20, 7)


def write_onnx(path, ops, half, numbered):
    """opset 17, the ops that PyTorch's exporter uses. `numbered`: initialisers have numbers for names."""
    dtype = np.float16 if half else np.float32
    nodes, initialisers, counter = b"", b"", 1000
    last = ops[-1]["output"]

    def blob(value):
        return "input" if value == 0 else "output" if value == last else f"v{value}"

    def constant(array, name=None):
        nonlocal initialisers, counter
        counter += 1
        name = str(counter) if numbered or name is None else name
        initialisers += field(5, tensor_proto(name, np.ascontiguousarray(array)))
        return name

    def node(kind, inputs, output, **attributes):
        nonlocal nodes
        body = b"".join(field(1, i) for i in inputs) + field(2, output) + field(3, f"/{kind}_{output}") + field(4, kind)
        nodes += field(1, body + b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))

    for op in ops:
        kind, out, inputs = op["kind"], blob(op["output"]), [blob(i) for i in op["inputs"]]
        if kind == "conv":
            k = op["w"].shape[2]
            parts = [constant(op["w"].numpy().astype(dtype), op["name"] + ".weight"),
                     constant(op["b"].numpy().astype(dtype), op["name"] + ".bias")]
            node("Conv", inputs + parts, out, kernel_shape=[k, k], pads=[k // 2] * 4, strides=[1, 1], dilations=[1, 1], group=1)
        elif kind == "prelu":
            node("PRelu", inputs + [constant(op["w"].numpy().astype(dtype).reshape(-1, 1, 1), op["name"] + ".weight")], out)
        elif kind == "leaky_relu":
            node("LeakyRelu", inputs, out, alpha=0.2)
        elif kind == "silu":
            node("Sigmoid", inputs, out + "_s")
            node("Mul", [inputs[0], out + "_s"], out)
        elif kind == "add" and op["factor"] == 1:
            node("Add", inputs, out)
        elif kind == "add":
            node("Mul", [inputs[0], constant(np.array(op["factor"], dtype))], out + "_m")
            node("Add", [out + "_m", inputs[1]], out)
        elif kind == "concat":
            node("Concat", inputs, out, axis=1)
        elif kind == "shuffle":
            node("DepthToSpace", inputs, out, blocksize=op["factor"], mode="CRD")
        elif kind == "nearest":
            scales = constant(np.array([1, 1, op["factor"], op["factor"]], np.float32))
            node("Resize", [inputs[0], "", scales], out, mode="nearest", nearest_mode="floor",
                 coordinate_transformation_mode="asymmetric")
        elif kind == "normalise":
            node("Sub", [inputs[0], constant(np.array(op["mean"], dtype).reshape(1, -1, 1, 1))], out + "_c")
            node("Mul", [out + "_c", constant(np.array(op["factor"], dtype))], out)
        elif kind == "gate":
            node("Sigmoid", [inputs[0]], out + "_s")
            node("Sub", [out + "_s", constant(np.array(0.5, dtype))], out + "_h")
            node("Add", inputs, out + "_a")
            node("Mul", [out + "_a", out + "_h"], out)
        else:
            raise ValueError(kind)

    def value_info(name):
        dims = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in (1, 3, "height", "width"))
        return field(1, name) + field(2, field(1, field(1, 10 if half else 1) + field(2, dims)))

    graph = nodes + field(2, "network") + initialisers + field(11, value_info("input")) + field(12, value_info("output"))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17)))

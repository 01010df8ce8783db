#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/data/operations.safetensors: each operation of src/graph/operations.hpp on small tensors, and two
small networks made of them, as PyTorch computes them. Names are case/part: x, y are operands, out is the result, the
others are parameters. tests/unit/backend_reference/operations_test.cpp says what each case is.

    pip install torch numpy
    tools/make_operation_golden.py
"""
import math
import pathlib

import torch
import torch.nn.functional as F

import golden_formats as formats

torch.manual_seed(13)
torch.set_default_dtype(torch.float64)  # results are rounded once
TENSORS = {}


def rand(*shape, low=-1.0, high=1.0):
    """Numbers that float holds exactly."""
    return (torch.rand(*shape) * (high - low) + low).float().double()


def case(name, out, **parts):
    for part, tensor in dict(parts, out=out).items():
        if tensor is not None:
            TENSORS[f"{name}/{part}"] = tensor.detach().float().contiguous().clone()


def picture(c=4, h=6, w=8):
    return rand(c, h, w)


def convolutions():
    def conv(name, c, o, k, size=(6, 8), groups=1, **how):
        x, weight, bias = rand(c, *size), rand(o, c // groups, *k), rand(o)
        case(name, F.conv2d(x[None], weight, bias, groups=groups, **how)[0], x=x, weight=weight, bias=bias)

    def transposed(name, c, o, k, groups=1, **how):
        x, weight, bias = picture(c, 4, 5), rand(c, o // groups, *k), rand(o)
        case(name, F.conv_transpose2d(x[None], weight, bias, groups=groups, **how)[0], x=x, weight=weight, bias=bias)

    conv("conv2d", 4, 3, (3, 3), padding=1)
    conv("conv2d_strided", 3, 4, (3, 3), stride=2, padding=1)
    conv("conv2d_grouped", 4, 6, (3, 3), groups=2, padding=1)
    conv("conv2d_depthwise", 4, 4, (7, 7), groups=4, padding=3)
    conv("conv2d_dilated", 3, 2, (3, 3), dilation=2, padding=2)
    conv("conv2d_rectangular", 3, 2, (1, 5), stride=(1, 2), padding=(0, 2))
    conv("conv2d_valid", 2, 3, (4, 2))
    transposed("conv_transpose2d", 3, 4, (4, 4), stride=2, padding=1)
    transposed("conv_transpose2d_grouped", 4, 2, (3, 3), groups=2, stride=2, padding=1, output_padding=1)
    transposed("conv_transpose2d_dilated", 2, 3, (2, 3), stride=(3, 2), dilation=(2, 1), padding=(1, 0))
    for name, kernels in (("dynamic_conv2d", rand(2 * 9, 6, 8)), ("dynamic_conv2d_global", rand(4 * 9, 1, 1))):
        x = picture()
        g = kernels.shape[0] // 9
        taps = F.unfold(x[None], 3, padding=1).view(4, 9, 6, 8)
        per_pixel = kernels.view(g, 9, *kernels.shape[1:]).repeat_interleave(4 // g, 0)
        case(name, (taps * per_pixel).sum(1), x=x, y=kernels)


def products():
    x, weight, bias = rand(5, 7), rand(3, 7), rand(3)
    case("linear", F.linear(x, weight, bias), x=x, weight=weight, bias=bias)
    a, b = rand(2, 4, 5), rand(2, 5, 3)
    case("matmul", 0.5 * a @ b, x=a, y=b)
    case("matmul_transposed", a @ b, x=a, y=b.transpose(1, 2))


def pointwise():
    x = rand(3, 4, 5, low=-4, high=4)
    slopes, scale, shift = rand(3), rand(3), rand(3)
    case("prelu", F.prelu(x[None], slopes)[0], x=x, slopes=slopes)
    case("scale_shift", x * scale[:, None, None] + shift[:, None, None], x=x, scale=scale, shift=shift)
    for name, of in (
        ("leaky_relu", lambda v: F.leaky_relu(v, 0.2)), ("relu", F.relu), ("silu", F.silu), ("gelu", F.gelu),
        ("gelu_tanh", lambda v: F.gelu(v, approximate="tanh")), ("mish", F.mish), ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh), ("exp", torch.exp), ("hard_swish", F.hardswish),
        ("abs", torch.abs), ("clamp", lambda v: v.clamp(-1, 2)),
    ):
        case(name, of(x), x=x)
    positive = rand(3, 4, 5, low=0, high=4)
    case("sqrt", positive.sqrt(), x=positive)
    y = rand(3, 4, 5, low=-4, high=4)
    case("add", 0.5 * x + 2 * y, x=x, y=y)
    case("multiply", x * y, x=x, y=y)
    case("maximum", torch.maximum(x, y), x=x, y=y)
    case("span_gate", (x + y) * (torch.sigmoid(x) - 0.5), x=x, y=y)
    for name, shape in (("per_channel", (3, 1, 1)), ("per_pixel", (1, 4, 5)), ("row", (5,))):
        other = rand(*shape)
        case("multiply_" + name, x * other, x=x, y=other)
    case("concat", torch.cat([x, y[:2]]), x=x, y=y[:2])
    case("concat_rows", torch.cat([x, y[:, :1]], 1), x=x, y=y[:, :1])


def norms():
    x, scale, shift = picture(), rand(4), rand(4)
    last = F.layer_norm(x.permute(1, 2, 0), (4,), scale, shift, 1e-5)
    case("layer_norm_channels", last.permute(2, 0, 1), x=x, scale=scale, shift=shift)
    case("group_norm", F.group_norm(x[None], 2, scale, shift, 1e-5)[0], x=x, scale=scale, shift=shift)
    instance = F.instance_norm(x[None], weight=scale, bias=shift, eps=1e-5)[0]
    case("instance_norm", instance, x=x, scale=scale, shift=shift)
    tokens, scale, shift = rand(5, 6), rand(6), rand(6)
    case("layer_norm", F.layer_norm(tokens, (6,), scale, shift, 1e-6), x=tokens, scale=scale, shift=shift)
    case("rms_norm", F.rms_norm(tokens, (6,), scale, 1e-6), x=tokens, scale=scale)
    case("l2_norm", F.normalize(tokens, dim=-1), x=tokens)
    case("softmax", F.softmax(tokens, -1), x=tokens)
    case("softmax_channels", F.softmax(x * 30, 0), x=x * 30)
    case("global_mean", x.mean((1, 2), keepdim=True), x=x)
    big = rand(2, 9, 11)
    case("average_pool", F.avg_pool2d(big[None], 3, 2, 1)[0], x=big)
    case("average_pool_inside", F.avg_pool2d(big[None], 3, 2, 1, count_include_pad=False)[0], x=big)
    case("max_pool", F.max_pool2d(big[None], 7, 3)[0], x=big)
    case("max_pool_padded", F.max_pool2d(big[None], 3, 2, 1)[0], x=big)


def heads_of(tokens, heads):
    """(groups, tokens, 3C) to q, k, v of (groups, heads, tokens, C / heads)."""
    g, n, c = tokens.shape
    return tokens.view(g, n, 3, heads, c // 3 // heads).permute(2, 0, 3, 1, 4)


def windows(x, h, w):
    c, height, width = x.shape
    return x.view(c, height // h, h, width // w, w).permute(1, 3, 2, 4, 0).reshape(-1, h * w, c)


def unwindows(tokens, h, w, height, width):
    c = tokens.shape[-1]
    return tokens.view(height // h, width // w, h, w, c).permute(4, 0, 2, 1, 3).reshape(c, height, width)


def shift_mask(height, width, h, w, sh, sw):
    """As SwinIR builds it."""
    regions, count = torch.zeros(1, height, width), 0
    for rows in (slice(0, -h), slice(-h, -sh), slice(-sh, None)) if sh else (slice(None),):
        for columns in (slice(0, -w), slice(-w, -sw), slice(-sw, None)) if sw else (slice(None),):
            regions[:, rows, columns] = count
            count += 1
    flat = windows(regions, h, w).squeeze(-1)
    return torch.where(flat[:, None, :] != flat[:, :, None], -100.0, 0.0)


def window_attention(qkv, heads, h, w, sh, sw, scale, bias):
    """bias: (heads, tokens, tokens)."""
    height, width = qkv.shape[1:]
    rolled = torch.roll(qkv, (-sh, -sw), (1, 2))
    q, k, v = heads_of(windows(rolled, h, w), heads)
    scores = q @ k.transpose(-2, -1) * scale + bias
    if sh or sw:
        scores = scores + shift_mask(height, width, h, w, sh, sw)[:, None]
    out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, h * w, qkv.shape[0] // 3)
    return torch.roll(unwindows(out, h, w, height, width), (sh, sw), (1, 2))


def bias_of_table(table, h, w):
    """(heads, 2h - 1, 2w - 1) to (heads, tokens, tokens), by the index that Swin transformers store."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    places = torch.stack([y.flatten(), x.flatten()])
    offsets = places[:, :, None] - places[:, None, :]
    index = (offsets[0] + h - 1) * (2 * w - 1) + offsets[1] + w - 1
    return table.flatten(1)[:, index]


def attention():
    x, table = rand(12, 8, 12, low=-2, high=2), rand(2, 7, 7)
    bias = bias_of_table(table, 4, 4)
    case("window_attention", window_attention(x, 2, 4, 4, 0, 0, 0.7, bias), x=x, bias=bias)
    case("window_attention_shifted", window_attention(x, 2, 4, 4, 2, 2, 0.7, bias), x=x, bias=table)
    table = rand(2, 3, 11)
    rectangular = window_attention(x, 2, 2, 6, 1, 3, 0.7, bias_of_table(table, 2, 6))
    case("window_attention_rectangular", rectangular, x=x, bias=table)

    # As HAT's OCAB: keys from a zero-padded unfold.
    q, kv, bias = rand(4, 8, 8, low=-2, high=2), rand(8, 8, 8, low=-2, high=2), rand(2, 16, 36)
    unfolded = F.unfold(kv[None], 6, stride=4, padding=1).view(2, 2, 2, 36, 4)  # k or v, head, channel, token, window
    queries = windows(q, 4, 4).view(4, 16, 2, 2).permute(0, 2, 1, 3)
    k, v = (unfolded[i].permute(3, 0, 2, 1) for i in (0, 1))
    scores = (queries * 0.5) @ k.transpose(-2, -1) + bias
    out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(4, 16, 4)
    case("overlap_attention", unwindows(out, 4, 4, 8, 8), x=q, y=kv, bias=bias)

    # As OmniSR's grid attention: 'd (w1 x) (w2 y) -> (x y) (w1 w2) d'.
    x, bias = rand(12, 8, 12, low=-2, high=2), rand(2, 8, 8)
    tokens = x.view(12, 4, 2, 2, 6).permute(2, 4, 1, 3, 0).reshape(12, 8, 12)
    q, k, v = heads_of(tokens, 2)
    out = ((q @ k.transpose(-2, -1) * 0.7 + bias).softmax(-1) @ v).transpose(1, 2).reshape(2, 6, 4, 2, 4)
    case("grid_attention", out.permute(4, 2, 0, 3, 1).reshape(4, 8, 12), x=x, bias=bias)

    # As DAT's channel attention, and per window as OmniSR's.
    temperature = rand(2, low=0.5, high=2)

    def channels(tokens):
        q, k, v = (t.transpose(-2, -1) for t in heads_of(tokens, 2))
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * temperature[:, None, None]
        return (scores.softmax(-1) @ v).permute(0, 3, 1, 2).reshape(tokens.shape[0], tokens.shape[1], 4)

    case("channel_attention", channels(x.flatten(1).T[None])[0].T.view(4, 8, 12), x=x, temperature=temperature)
    case("channel_attention_windows", unwindows(channels(windows(x, 4, 4)), 4, 4, 8, 12), x=x, temperature=temperature)


def places():
    x = picture(4, 5, 6)
    case("pixel_shuffle", F.pixel_shuffle(x[None], 2)[0], x=x)
    even = picture(2, 4, 6)
    case("pixel_unshuffle", F.pixel_unshuffle(even[None], 2)[0], x=even)
    case("upsample_nearest", F.interpolate(x[None], scale_factor=3, mode="nearest")[0], x=x)
    for name, size, how in (
        ("resize_nearest", (10, 12), dict(mode="nearest")),
        ("resize_nearest_smaller", (2, 3), dict(mode="nearest")),
        ("resize_bilinear", (10, 12), dict(mode="bilinear")),
        ("resize_bilinear_aligned", (10, 12), dict(mode="bilinear", align_corners=True)),
        ("resize_bicubic", (10, 12), dict(mode="bicubic")),
        ("resize_bicubic_aligned", (10, 12), dict(mode="bicubic", align_corners=True)),
        ("resize_like", (7, 11), dict(mode="bilinear")),
    ):
        source = x if size != (2, 3) else picture(2, 4, 6)
        like = torch.zeros(1, *size) if name == "resize_like" else None
        case(name, F.interpolate(source[None], size=size, **how)[0], x=source, y=like)
    half = picture(2, 6, 8)
    case("resize_bicubic_smaller", F.interpolate(half[None], size=(3, 4), mode="bicubic")[0], x=half)
    grid = rand(2 * 2, 3, 7, low=-1.4, high=1.4)
    for padding in ("zeros", "border"):
        for align in (False, True):
            groups = zip(x.view(2, 1, 2, 5, 6), grid.view(2, 1, 2, 3, 7).permute(0, 1, 3, 4, 2))
            out = [F.grid_sample(part, at, "bilinear", padding, align)[0] for part, at in groups]
            case(f"grid_sample_{padding}" + ("_aligned" if align else ""), torch.cat(out), x=x, y=grid)
    case("pad_zeros", F.pad(x, (1, 2, 0, 3)), x=x)
    case("pad_reflect", F.pad(x[None], (3, 1, 2, 4), mode="reflect")[0], x=x)
    case("crop", x[:, 1:-2, 2:-1], x=x)
    case("roll", torch.roll(x, (2, -1), (1, 2)), x=x)


def order():
    x = (rand(3, 4, 5) * 3).round()  # with equals
    case("argmax", x.argmax(0, keepdim=True), x=x)
    tokens = (rand(4, 9) * 3).round()
    case("argsort", torch.sort(tokens, dim=-1, stable=True).indices, x=tokens)
    case("argsort_descending", torch.sort(x, dim=0, stable=True, descending=True).indices, x=x)
    index = torch.tensor([3, 0, 3, 1])
    case("gather_slices", x.index_select(1, index), x=x, y=index)
    index = torch.randint(0, 4, (3, 6, 5))
    case("gather_numbers", x.gather(1, index), x=x, y=index)
    case("reshape", x.reshape(6, 10), x=x)
    case("transpose", x.permute(2, 0, 1), x=x)
    case("slice", x[:, :, 1:-1:2], x=x)


def networks():
    """Two blocks of SwinIR with a tail, and one of RealPLKSR: parameters under the layers' names."""
    c, heads, w = 8, 2, 4
    p = {}

    def conv(x, name, out, kernel=3, gain=1.0):
        n = x.shape[0]
        p[name + "_weight"] = rand(out, n, kernel, kernel) * gain / math.sqrt(n * kernel * kernel)
        p[name + "_bias"] = rand(out) * 0.1
        for part in ("_weight", "_bias"):
            p[name + part] = p[name + part].float().double()
        return F.conv2d(x[None], p[name + "_weight"], p[name + "_bias"], padding=kernel // 2)[0]

    def norm(x, name):
        p[name + "_scale"], p[name + "_shift"] = rand(x.shape[0], low=0.5, high=1.5), rand(x.shape[0])
        last = F.layer_norm(x.permute(1, 2, 0), (x.shape[0],), p[name + "_scale"], p[name + "_shift"], 1e-5)
        return last.permute(2, 0, 1)

    x = rand(3, 8, 12, low=0, high=1)
    first = y = conv(x, "first", c)
    for i in (0, 1):
        p[f"table{i}"] = rand(heads, 2 * w - 1, 2 * w - 1)
        qkv = conv(norm(y, f"norm{i}a"), f"qkv{i}", 3 * c, 1, 2.0)
        shift = w // 2 * i
        a = window_attention(qkv, heads, w, w, shift, shift, (c // heads) ** -0.5, bias_of_table(p[f"table{i}"], w, w))
        y = y + conv(a, f"proj{i}", c, 1)
        y = y + conv(F.gelu(conv(norm(y, f"norm{i}b"), f"fc{i}a", 2 * c, 1, 2.0)), f"fc{i}b", c, 1)
    y = conv(norm(y, "norm"), "body", c) + first
    out = F.pixel_shuffle(conv(y, "up", 12)[None], 2)[0]
    case("network_swin", out, x=x, **p)

    p.clear()
    x = rand(3, 6, 10, low=0, high=1)
    first = conv(x, "first", c)
    y = conv(F.mish(conv(first, "mix_a", 2 * c)), "mix_b", c)
    y = torch.cat([conv(y[:4], "large", 4, 5), y[4:]])
    y = conv(y * torch.sigmoid(conv(y, "gate", c)), "refine", c, 1)
    p["norm_scale"], p["norm_shift"] = rand(c, low=0.5, high=1.5), rand(c)
    y = F.group_norm(y[None], 4, p["norm_scale"], p["norm_shift"], 1e-5)[0] + first
    y = conv(y, "last", 12)
    y = F.pixel_shuffle((y + x.repeat_interleave(4, 0))[None], 2)[0]
    case("network_plksr", y, x=x, **p)


def regions(height, width, h, w, shift_h, shift_w):
    """Which of the nine parts each pixel of the moved picture is of, where its edges came together, by windows."""
    down = (torch.arange(height) >= height - h).long() + (torch.arange(height) >= height - shift_h).long()
    across = (torch.arange(width) >= width - w).long() + (torch.arange(width) >= width - shift_w).long()
    return windows((down[:, None] * 3 + across)[None].double(), h, w)[..., 0]


def cross_attention(q, k, v, heads, window, key, shift, scale, bias):
    moved = [s * b // a for s, a, b in zip(shift, window, key)]
    roll = lambda t, by: torch.roll(t, [-by[0], -by[1]], (1, 2))
    split = lambda t, by, sides: windows(roll(t, by), *sides).unflatten(-1, (heads, -1)).transpose(1, 2)
    a, b, c = split(q, shift, window), split(k, moved, key), split(v, moved, key)
    mine = regions(q.shape[1], q.shape[2], *window, *shift)
    theirs = regions(k.shape[1], k.shape[2], *key, *moved)
    scores = a @ b.transpose(-2, -1) * scale + bias
    scores = scores.masked_fill((mine[:, :, None] != theirs[:, None])[:, None], -math.inf)
    out = (scores.softmax(-1) @ c).transpose(1, 2).flatten(2)
    return torch.roll(unwindows(out, *window, q.shape[1], q.shape[2]), list(shift), (1, 2))


def later():
    """What came after the others, whose numbers stay as they are."""
    x, weight, bias = picture(3, 11, 14), rand(3, 1, 4, 4), rand(3)
    case("conv2d_ragged", F.conv2d(x[None], weight, bias, stride=4, groups=3)[0], x=x, weight=weight, bias=bias)
    case("max_pool_ragged", F.max_pool2d(x[None], 7, 3)[0], x=x)

    # As SRFormer: half as many rows and columns of keys.
    q, k, v, bias = rand(4, 8, 12, low=-2, high=2), rand(4, 4, 6, low=-2, high=2), rand(6, 4, 6), rand(2, 16, 4)
    out = cross_attention(q, k, v, 2, (4, 4), (2, 2), (2, 2), 0.7, bias)
    case("cross_attention", out, x=q, y=k, z=v, bias=bias)
    # As GRL's anchors: more keys than queries, and biases by offset.
    q, k, v, table = rand(4, 4, 6, low=-2, high=2), rand(4, 8, 12, low=-2, high=2), rand(4, 8, 12), rand(2, 5, 8)
    a = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")).flatten(1)
    b = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")).flatten(1)
    at = a[:, :, None] - b[:, None] + torch.tensor([3, 5])[:, None, None]
    out = cross_attention(q, k, v, 2, (2, 3), (4, 6), (1, 0), 0.7, table[:, at[0], at[1]])
    case("cross_attention_table", out, x=q, y=k, z=v, bias=table)
    # As RGT: all pixels and a map of any size.
    q, k, v = rand(4, 5, 7, low=-2, high=2), rand(4, 2, 3, low=-2, high=2), rand(6, 2, 3)
    a, b, c = (t.view(2, -1, t.shape[1] * t.shape[2]).transpose(1, 2) for t in (q, k, v))
    out = (a @ b.transpose(1, 2) * 0.7).softmax(-1) @ c
    case("cross_attention_whole", out.transpose(1, 2).reshape(6, 5, 7), x=q, y=k, z=v)

    # As ATD: pixels of one kind attend to each other, 8 at a time; the last group is filled from behind.
    def by_category(qkv, kinds, size):
        n = kinds.numel()
        order = torch.sort(kinds.flatten(), stable=True).indices
        size = min(size, n)
        spare = -n % size
        places = torch.cat([order, order[n - spare :].flip(0)])
        groups = qkv.flatten(1).T[places].view(-1, size, 3, 2, 2).permute(2, 0, 3, 1, 4)
        out = (groups[0] @ groups[1].transpose(-2, -1) * 0.7).softmax(-1) @ groups[2]
        out = out.transpose(1, 2).reshape(-1, 4)[:n]
        return torch.empty_like(out).index_copy(0, order, out).T.reshape(4, *kinds.shape)

    qkv, kinds = rand(12, 5, 6, low=-2, high=2), torch.randint(0, 4, (5, 6)).double()
    case("category_attention", by_category(qkv, kinds, 8), x=qkv, y=kinds[None])
    case("category_attention_few", by_category(qkv, kinds, 64), x=qkv, y=kinds[None])


for section in (convolutions, products, pointwise, norms, attention, places, order, networks, later):
    section()
target = pathlib.Path(__file__).parent.parent / "tests/golden/data/operations.safetensors"
formats.write_safetensors(target, TENSORS)
print(target, target.stat().st_size, "bytes,", len({name.split("/")[0] for name in TENSORS}), "cases")

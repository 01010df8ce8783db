#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files of the many families: one small random network each, and what PyTorch says it does.

Usage: make_family_golden.py OUT_DIR

Needs PyTorch, numpy and the package spandrel, whose networks are run where it has them; the others are stated here.
Everything is seeded: the same files come out again. Weights are rounded to half precision before the network runs, in
double precision. Writes NAME.safetensors, NAME.u8, NAME.f32 and family_cases.txt, as make_golden.py does.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

import golden_formats as formats


class Lazy:
    """Weights that are made when a layer first asks for them, so that the network's code says their shapes, too."""

    def __init__(self, seed):
        self.weights, self.random = {}, torch.Generator().manual_seed(seed)

    def take(self, name, shape, scale, offset=0.0):
        if name not in self.weights:
            self.weights[name] = (torch.randn(shape, generator=self.random) * scale + offset).half()
        return self.weights[name].double()

    def conv(self, x, name, out, kernel=3, groups=1, bias=True, gain=1.0):
        fan = x.shape[1] // groups * kernel * kernel
        w = self.take(name + ".weight", (out, x.shape[1] // groups, kernel, kernel), gain / fan ** 0.5)
        b = self.take(name + ".bias", (out,), 0.1) if bias else None
        return F.conv2d(x, w, b, padding=kernel // 2, groups=groups)

    def stale(self, name, out, channels, kernel=3, groups=1):
        """A merged copy that files hold and nobody should read."""
        self.take(name + ".weight", (out, channels // groups, kernel, kernel), 5.0)
        self.take(name + ".bias", (out,), 5.0)

    def conv3xc(self, x, name, out):
        channels = x.shape[1]
        padded = F.pad(x, (1, 1, 1, 1))
        y = self.conv(padded, name + ".conv.0", 2 * channels, 1)
        w = self.take(name + ".conv.1.weight", (2 * out, 2 * channels, 3, 3), 0.7 / (18 * channels) ** 0.5)
        y = F.conv2d(y, w, self.take(name + ".conv.1.bias", (2 * out,), 0.1))
        y = self.conv(y, name + ".conv.2", out, 1)
        self.stale(name + ".eval_conv", out, channels)
        return y + self.conv(x, name + ".sk", out, 1, gain=0.7)


def spanplus(n, x, out):
    n_x = n.conv3xc(x, "feats.0", 8)
    def block(t, name):
        first = F.mish(n.conv3xc(t, name + ".c1_r", 8))
        o = n.conv3xc(F.mish(n.conv3xc(first, name + ".c2_r", 8)), name + ".c3_r", 8)
        return (o + t) * (torch.sigmoid(o) - 0.5), first

    one, _ = block(n_x, "feats.1.block_1")
    y, _ = block(one, "feats.1.block_n.0")
    y, last = block(y, "feats.1.block_end")
    y = n.conv(torch.cat([n_x, n.conv3xc(y, "feats.1.conv_2", 8), one, last], 1), "feats.1.conv_cat", 8, 1)
    return F.pixel_shuffle(n.conv(y, "upsampler.0", out * 4), 2)


def spanf(n, x, out):
    near = n.conv(x, "conv_near", out * 4, groups=3, bias=False)
    first = None
    for i in range(1, 6):
        name = f"block_{i}"
        y = F.silu(n.conv(x, name + ".c1_r.eval_conv", 8))
        y = F.silu(n.conv(y, name + ".c2_r.eval_conv", 8))
        y = n.conv(y, name + ".c3_r.eval_conv", 8)
        x = (y + x) * (torch.sigmoid(y) - 0.5) if i > 1 else y
        first = x if i == 1 else first
    y = n.conv(torch.cat([near, x, first], 1), "conv_cat", 8, 1)
    return F.pixel_shuffle(n.conv(y, "conv_2.eval_conv", out * 4), 2)


def spanv2(n, x, out):
    near = n.conv(x, "conv_near", out * 4, groups=3, bias=False)
    for i in range(1, 6):
        name = f"block_{i}"
        y = F.relu(n.conv(x, name + ".c1.conv", 8, bias=False))
        y = F.relu(n.conv(y, name + ".c2.conv", 8, bias=False))
        y = n.conv(y, name + ".c3.conv", 8, bias=False)
        x = (x + y) * n.conv(y, name + ".guidance_map_conv", 8, 1) if i > 1 else F.relu(y)
    y = torch.cat([near, x], 1)
    y = n.conv(y, "depthwise_conv", y.shape[1], groups=y.shape[1], bias=False)
    return F.pixel_shuffle(n.conv(y, "pointwise_conv", out * 4, 1, bias=False), 2)


def spanf3(n, x, out):
    first = y = n.conv3xc(F.pixel_unshuffle(x, 2), "conv_1.1", 8)
    one = last = None
    for i in range(1, 3):
        name = f"block_{i}"
        last = F.relu(n.conv3xc(y, name + ".c1_r", 8))
        o = n.conv3xc(F.relu(n.conv3xc(last, name + ".c2_r", 8)), name + ".c3_r", 8)
        y = (y + o) * torch.tanh(n.conv(o, name + ".att_conv", 8, 1))
        one = y if i == 1 else one
    y = n.conv(torch.cat([first, y, one, last], 1), "conv_cat", 8, 1)
    return F.pixel_shuffle(n.conv3xc(y, "to_pixel", out * 16), 4)


def rtmosr(n, x, out):
    def rep(t, name, wide):
        share = n.take(name + ".alpha", (3,), 0.3, 0.6)
        channels = t.shape[1]
        mid = n.take(name + ".conv1.k0", (2 * wide, channels, 1, 1), 1 / channels ** 0.5)
        b0 = n.take(name + ".conv1.b0", (2 * wide,), 0.1)
        k1 = n.take(name + ".conv1.k1", (wide, 2 * wide, 3, 3), 0.5 / (18 * wide) ** 0.5)
        b1 = n.take(name + ".conv1.b1", (wide,), 0.1)
        # Beyond the picture the first of the two gives its bias.
        y = F.conv2d(F.conv2d(F.pad(t, (1, 1, 1, 1)), mid, b0), k1, b1)
        n.stale(name + ".conv_3x3_rep", wide, channels)
        return share[0] * y + share[1] * n.conv(t, name + ".conv2", wide) + share[2] * n.conv3xc(t, name + ".conv3", wide)

    def shift(t, name):
        c = t.shape[1]
        share = [n.take(f"{name}.alpha{k}", (1, c, 1, 1), 0.3, 0.6) for k in range(1, 5)]
        n.stale(name + ".conv5x5_reparam", c, c, 5, c)
        parts = [t] + [n.conv(t, f"{name}.conv{k}x{k}", c, k, groups=c) for k in (1, 3, 5)]
        return sum(s * p for s, p in zip(share, parts))

    dim = 4
    y = rep(F.pixel_unshuffle(x, 2), "to_feat.1", dim)
    name = "body.0"
    length = y.norm(2, dim=1, keepdim=True) * dim ** -0.5
    z = n.take(name + ".norm.scale", (dim,), 0.2, 1.0)[:, None, None] * y / (length + 1e-6)
    z = rep(z + n.take(name + ".norm.offset", (dim,), 0.1)[:, None, None], name + ".fc1", 4 * dim)
    gate, passed, moved = torch.split(z, [2 * dim, dim, dim], 1)
    moved = F.pixel_unshuffle(moved, 2) + rep(F.max_pool2d(moved, 2), name + ".conv.0.poll.1", 4 * dim)
    moved = shift(moved, name + ".conv.1")
    squeeze = F.relu(n.conv(moved.mean((2, 3), keepdim=True), name + ".conv.2.squeezing.0", 2 * dim, 1))
    moved = F.pixel_shuffle(moved * F.hardsigmoid(n.conv(squeeze, name + ".conv.2.squeezing.2", 4 * dim, 1)), 2)
    y = F.mish(rep(F.mish(gate) * torch.cat([passed, moved], 1), name + ".fc2", dim)) + y
    return F.pixel_shuffle(rep(y, "to_img.0", out * 16), 4) + F.interpolate(x, scale_factor=2)


MEAN = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).view(1, 3, 1, 1)


def edsr(n, x, out):
    first = y = n.conv((x - MEAN) * 255, "conv_first", 8, gain=0.02)
    for i in range(2):
        y = y + n.conv(F.relu(n.conv(y, f"body.{i}.conv1", 8)), f"body.{i}.conv2", 8)
    y = n.conv(y, "conv_after_body", 8) + first
    y = F.pixel_shuffle(n.conv(y, "upsample.0", 32), 2)
    return n.conv(y, "conv_last", out, gain=20.0) / 255 + MEAN


def srresnet(n, x, out):
    act = lambda t: F.leaky_relu(t, 0.1)
    y = act(n.conv(x, "conv_first", 8))
    for i in range(2):
        y = y + n.conv(F.relu(n.conv(y, f"body.{i}.conv1", 8)), f"body.{i}.conv2", 8)
    y = act(F.pixel_shuffle(n.conv(y, "upconv1", 32), 2))
    y = n.conv(act(n.conv(y, "conv_hr", 8)), "conv_last", out)
    return y + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def artcnn(n, x, out):
    first = y = n.conv(x, "conv0", 8)
    for i in range(2):
        z = F.relu(n.conv(y, f"res_block.{i}.conv.0.0", 8))
        z = F.relu(n.conv(z, f"res_block.{i}.conv.1.0", 8))
        y = y + n.conv(z, f"res_block.{i}.conv.2", 8)
    y = n.conv(y, "res_block.2", 8) + first
    return F.pixel_shuffle(n.conv(y, "depth_to_space.upscale.0", out * 4), 2)


def spsr(n, x, out):
    nf, act = 3, lambda t: F.leaky_relu(t, 0.2)

    def rrdb(t, name):
        y = t
        for k in range(1, 4):
            parts = [y]
            for j in range(1, 5):
                parts.append(act(n.conv(torch.cat(parts, 1), f"{name}.RDB{k}.conv{j}.0", 1)))
            y = y + 0.2 * n.conv(torch.cat(parts, 1), f"{name}.RDB{k}.conv5.0", t.shape[1])
        return y * 0.2 + t

    def up(t, name, at):
        return act(n.conv(act(n.conv(F.interpolate(t, scale_factor=2), f"{name}{at}", nf)), f"{name}{at + 2}", nf))

    first = y = n.conv(x, "model.0", nf)
    stages = []
    for i in range(20):
        y = rrdb(y, f"model.1.sub.{i}")
        if i % 5 == 4:
            stages.append(y)
    y = first + n.conv(y, "model.1.sub.20", nf)
    y = n.conv(up(y, "model.", 3), "HR_conv1_new.0", nf)
    v = F.pad(x, (0, 0, 1, 1))
    h = F.pad(x, (1, 1, 0, 0))
    edges = torch.sqrt((v[:, :, 2:] - v[:, :, :-2]) ** 2 + (h[..., 2:] - h[..., :-2]) ** 2 + 1e-6)
    fea = z = n.conv(edges, "b_fea_conv.0", nf)
    for i in range(4):
        z = n.conv(rrdb(torch.cat([z, stages[i]], 1), f"b_block_{i + 1}"), f"b_concat_{i + 1}.0", nf)
    z = n.conv(z, "b_LR_conv.0", nf) + fea
    z = n.conv(up(z, "b_module.", 1), "b_module.5", nf)
    y = n.conv(rrdb(torch.cat([z, y], 1), "f_block"), "f_concat.0", nf)
    n.take("conv_w.0.weight", (out, nf, 1, 1), 1.0)
    n.take("conv_w.0.bias", (out,), 1.0)
    return n.conv(act(n.conv(y, "f_HR_conv0.0", nf)), "f_HR_conv1.0", out)


STATED = dict(spanplus=spanplus, spanf=spanf, spanv2=spanv2, spanf3=spanf3, rtmosr=rtmosr, edsr=edsr, srresnet=srresnet,
              artcnn=artcnn, spsr=spsr)


def from_spandrel():
    from spandrel.architectures.HAT import HAT
    from spandrel.architectures.MoSR import MoSR
    from spandrel.architectures.PLKSR import PLKSR, RealPLKSR
    from spandrel.architectures.RCAN import RCAN
    from spandrel.architectures.SwiftSRGAN import SwiftSRGAN as Generator
    from spandrel.architectures.SwinIR import SwinIR
    swin = dict(img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=4, mlp_ratio=2, upscale=2)
    return dict(
        plksr=lambda: PLKSR(dim=8, n_blocks=1, upscaling_factor=2, kernel_size=9),
        realplksr=lambda: RealPLKSR(dim=8, n_blocks=2, upscaling_factor=2, kernel_size=9),
        realplksr_layer_norm=lambda: RealPLKSR(dim=8, n_blocks=1, upscaling_factor=2, kernel_size=9, layer_norm=True),
        mosr=lambda: MoSR(upscale=2, n_block=1, dim=8, upsampler="gps"),
        rcan=lambda: RCAN(scale=2, n_resgroups=1, n_resblocks=2, n_feats=8, reduction=4),
        swiftsrgan=lambda: Generator(num_channels=8, num_blocks=1, upscale_factor=2),
        swinir=lambda: SwinIR(upsampler="pixelshuffledirect", resi_connection="1conv", **swin),
        hat=lambda: HAT(upsampler="pixelshuffle", compress_ratio=3, squeeze_factor=6, num_feat=8, **swin),
    )


def shaken(model, seed):
    """Random numbers everywhere: norms, biases and statistics are trivial when a network is new."""
    random = torch.Generator().manual_seed(seed)
    for name, t in model.state_dict().items():
        if not t.dtype.is_floating_point or "mask" in name or "mean.weight" in name or "mean.bias" in name:
            continue
        if name.endswith("running_var"):
            t.copy_(torch.rand(t.shape, generator=random) + 0.5)
        elif t.dim() == 1:
            t.add_(torch.randn(t.shape, generator=random) * 0.1)
        elif "table" in name:
            t.copy_(torch.randn(t.shape, generator=random) * 0.5)
        else:
            t.copy_(torch.randn(t.shape, generator=random) / max(1, t[0].numel()) ** 0.5)
    return model.half().double().eval()


def main():
    out = pathlib.Path(sys.argv[1])
    lines = []
    families = [(name, None) for name in STATED] + list(from_spandrel().items())
    for index, (name, make) in enumerate(sorted(families)):
        rng = np.random.default_rng(1000 + index)
        width, height = 16, 12
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        x = torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1)[None]
        with torch.no_grad():
            if make is None:
                lazy = Lazy(index + 1)
                y = STATED[name](lazy, x, 3)
                weights = lazy.weights
            else:
                model = shaken(make(), index + 1)
                y = model(x.clone())
                weights = {k: v.half() for k, v in model.state_dict().items() if v.dtype.is_floating_point and v.dim() > 0}
        y = y[0].numpy().astype(np.float32)
        formats.write_safetensors(out / f"family_{name}.safetensors", weights)
        (out / f"family_{name}.u8").write_bytes(pixels.tobytes())
        (out / f"family_{name}.f32").write_bytes(np.ascontiguousarray(y).tobytes())
        lines.append(f"family_{name}.safetensors family_{name}.u8 {width} {height} 3 family_{name}.f32 {y.shape[1] // height}")
        print(name, y.min(), y.max(), (out / f"family_{name}.safetensors").stat().st_size)
    (out / "family_cases.txt").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()

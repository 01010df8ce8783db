#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files of the many families: one small random network each, and what PyTorch says it does.

Usage: make_family_golden.py OUT_DIR

Needs PyTorch, numpy and the packages spandrel and spandrel-extra-arches, whose networks are run where it has them; the others are stated here.
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


def unet_pair(n, x, name):
    act = lambda t: F.leaky_relu(t, 0.1)

    def conv(t, key, out, kernel=3, stride=1):
        w = n.take(key + ".weight", (out, t.shape[1], kernel, kernel), 1.2 / (t.shape[1] * kernel * kernel) ** 0.5)
        return F.conv2d(t, w, n.take(key + ".bias", (out,), 0.1), stride=stride)

    def up(t, key, out, kernel, stride, pad):
        w = n.take(key + ".weight", (t.shape[1], out, kernel, kernel), 1.2 / (t.shape[1] * kernel) ** 0.5)
        return F.conv_transpose2d(t, w, n.take(key + ".bias", (out,), 0.1), stride=stride, padding=pad)

    def two(t, key, mid, out, gate):
        t = act(conv(act(conv(t, key + ".conv.0", mid)), key + ".conv.2", out))
        if not gate:
            return t
        s = F.relu(conv(t.mean((2, 3), keepdim=True), key + ".seblock.conv1", 2, 1))
        return t * torch.sigmoid(conv(s, key + ".seblock.conv2", out, 1))

    crop = lambda t, by: t[..., by:-by, by:-by]
    wide = two(x, "unet1.conv1", 4, 8, False)
    y = two(act(conv(wide, "unet1.conv1_down", 8, 2, 2)), "unet1.conv2", 12, 8, True)
    y = act(conv(crop(wide, 4) + act(up(y, "unet1.conv2_up", 8, 2, 2, 0)), "unet1.conv3", 8))
    first = up(y, "unet1.conv_bottom", 3, 4, 2, 3) if name == "x2" else conv(y, "unet1.conv_bottom", 3)
    wide = two(first, "unet2.conv1", 4, 8, False)
    half = two(act(conv(wide, "unet2.conv1_down", 8, 2, 2)), "unet2.conv2", 8, 12, True)
    y = two(act(conv(half, "unet2.conv2_down", 12, 2, 2)), "unet2.conv3", 16, 12, True)
    y = crop(half, 4) + act(up(y, "unet2.conv3_up", 12, 2, 2, 0))
    y = act(up(two(y, "unet2.conv4", 8, 8, True), "unet2.conv4_up", 8, 2, 2, 0))
    y = act(conv(crop(wide, 16) + y, "unet2.conv5", 8))
    return conv(y, "unet2.conv_bottom", 3) + crop(first, 20)


def realcugan(n, x, out):
    n.take("pro", (1,), 0.0)
    y = unet_pair(n, F.pad(x, (18,) * 4, mode="reflect") * 0.7 + 0.15, "x2")
    return (y - 0.15) / 0.7


def waifu2x_cunet(n, x, out):
    return unet_pair(n, F.pad(x, (28,) * 4, mode="replicate"), "x1")


def waifu2x_upconv7(n, x, out):
    y = F.pad(x, (7,) * 4, mode="replicate")
    for i, wide in enumerate((4, 4, 6, 8, 8, 12)):
        w = n.take(f"net.{2 * i}.weight", (wide, y.shape[1], 3, 3), 1.2 / (9 * y.shape[1]) ** 0.5)
        y = F.leaky_relu(F.conv2d(y, w, n.take(f"net.{2 * i}.bias", (wide,), 0.1)), 0.1)
    w = n.take("net.12.weight", (12, out, 4, 4), 0.2)
    return F.conv_transpose2d(y, w, n.take("net.12.bias", (out,), 0.1), stride=2, padding=3)


def esc(n, x, out):
    dim, part, side, heads = 8, 4, 4, 2

    def norm(t, name):
        w, b = n.take(name + ".weight", (dim,), 0.2, 1.0), n.take(name + ".bias", (dim,), 0.1)
        return F.layer_norm(t.permute(0, 2, 3, 1), (dim,), w, b, 1e-6).permute(0, 3, 1, 2)

    def convolutions(t, name):
        y = F.gelu(n.conv(t, name + ".proj", 2 * dim, 1))
        return n.conv(F.gelu(n.conv(y, name + ".dwc", 2 * dim, groups=2 * dim)) + y, name + ".aggr", dim, 1)

    def attention(t, name):
        height, width = t.shape[2:]
        down, across = -(-height // side), -(-width // side)
        qkv = n.conv(t, name + ".to_qkv", 3 * dim, 1, gain=2.0)
        qkv = F.pad(qkv, (0, across * side - width, 0, down * side - height), mode="reflect")
        qkv = qkv.view(3, heads, dim // heads, down, side, across, side).permute(0, 3, 5, 1, 4, 6, 2)
        q, k, v = qkv.reshape(3, down * across, heads, side * side, dim // heads)
        table = n.take(name + ".relative_position_bias", (heads, (2 * side - 1) ** 2), 1.0)
        at = torch.arange(side * side)
        rows = at[None, :] // side - at[:, None] // side + side - 1
        columns = at[None, :] % side - at[:, None] % side + side - 1
        score = q @ k.transpose(-2, -1) / (dim // heads) ** 0.5 + table[:, rows * (2 * side - 1) + columns]
        y = (score.softmax(-1) @ v).reshape(down, across, heads, side, side, dim // heads)
        y = y.permute(2, 5, 0, 3, 1, 4).reshape(1, dim, down * side, across * side)
        return n.conv(y[..., :height, :width], name + ".to_out", dim, 1)

    raw = n.take("plk_filter", (part, part, 13, 13), 0.3)
    turns = [raw, raw.flip(3), raw.flip(2), raw.flip(2, 3)]
    shared = sum(turns + [t.transpose(2, 3) for t in turns]) / 8
    start = n.conv(x, "proj", dim)
    y = n.conv(x, "skip.0", 2 * dim, 1)
    w = n.take("skip.1.weight", (2 * dim, 1, 7, 7), 0.2)
    y = F.conv2d(F.pad(y, (3,) * 4, mode="reflect"), w, n.take("skip.1.bias", (2 * dim,), 0.1), groups=2 * dim)
    past = n.conv(F.leaky_relu(y, 0.2), "skip.3", dim, 1)
    y = convolutions(norm(start, "blocks.0.ln_proj"), "blocks.0.proj")
    y = y + attention(norm(y, "blocks.0.ln_attn"), "blocks.0.attn")
    z = convolutions(norm(y, "blocks.0.lns.0"), "blocks.0.convffns.0")
    first = z[:, :part]
    name = "blocks.0.pconvs.0"
    own = F.gelu(n.conv(first.mean((2, 3), keepdim=True), name + ".plk.dwc_proj.1", 2, 1))
    own = n.conv(own, name + ".plk.dwc_proj.3", 9 * part, 1).view(part, 1, 3, 3)
    first = F.conv2d(first, shared, padding=6) + F.conv2d(first, own, padding=1, groups=part)
    y = y + n.conv(torch.cat([first, z[:, part:]], 1), name + ".aggr", dim, 1)
    y = n.conv(norm(y, "blocks.0.ln_out"), "blocks.0.conv_out", dim) + start
    y = n.conv(y, "last", dim) + start + past
    n.weights["to_img.MetaUpsample"] = torch.tensor([3, 1, 2, dim, out, dim, 4]).half()
    return F.pixel_shuffle(n.conv(y, "to_img.0", out * 4), 2)


STATED = dict(realcugan=realcugan, waifu2x_cunet=waifu2x_cunet, waifu2x_upconv7=waifu2x_upconv7, esc=esc,
              spanplus=spanplus, spanf=spanf, spanv2=spanv2, spanf3=spanf3, rtmosr=rtmosr, edsr=edsr, srresnet=srresnet,
              artcnn=artcnn, spsr=spsr)


# Other sizes than 16x12: what is mirrored further than that, multiples, and maps of a sixteenth that have to hold pixels.
SIZES = dict(realcugan=(24, 20), waifu2x_cunet=(24, 20), drct=(16, 16), omnisr=(22, 18), rgt=(37, 33), atd=(22, 18))


def from_spandrel():
    from spandrel.architectures.ATD import ATD
    from spandrel.architectures.CRAFT import CRAFT
    from spandrel.architectures.CRAFT.__arch.CRAFT import DynamicPosBias as CraftBias
    from spandrel.architectures.DAT import DAT
    from spandrel.architectures.DITN.__arch.DITN_Real import DITN_Real
    from spandrel.architectures.DRCT import DRCT
    from spandrel.architectures.FDAT import FDAT
    from spandrel.architectures.GRL import GRL
    from spandrel.architectures.HAT import HAT
    from spandrel.architectures.MoESR import MoESR
    from spandrel.architectures.MoSR import MoSR
    from spandrel.architectures.OmniSR import OmniSR
    from spandrel.architectures.PLKSR import PLKSR, RealPLKSR
    from spandrel.architectures.RCAN import RCAN
    from spandrel.architectures.RGT import RGT
    from spandrel.architectures.RGT.__arch.rgt import DynamicPosBias as RgtBias
    from spandrel.architectures.SwiftSRGAN import SwiftSRGAN as Generator
    from spandrel.architectures.SwinIR import SwinIR
    from spandrel_extra_arches.architectures.SRFormer import SRFormer
    swin = dict(img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=4, mlp_ratio=2, upscale=2)

    def narrow(model, features):
        """The width of the tail is not a choice there; files say it."""
        model.conv_before_upsample[0] = torch.nn.Conv2d(features, 8, 3, 1, 1)
        if hasattr(model, "upsample"):
            model.upsample[0] = torch.nn.Conv2d(8, 32, 3, 1, 1)
        for name in ("conv_up1", "conv_up2", "conv_hr"):
            if hasattr(model, name):
                setattr(model, name, torch.nn.Conv2d(8, 8, 3, 1, 1))
        model.conv_last = torch.nn.Conv2d(8, 3, 3, 1, 1)
        return model

    def drct():
        model = DRCT(img_size=8, embed_dim=12, depths=[6], num_heads=[2], window_size=4, mlp_ratio=2, upscale=2, gc=4,
                     upsampler="pixelshuffle")
        return narrow(model, 12)

    def wider_biases(model, make):
        """Nor is that of the networks of offsets, which would be one here."""
        for module in list(model.modules()):
            if hasattr(module, "pos"):
                module.pos = make(16, module.num_heads, residual=False)
        return model

    def rgt():
        model = RGT(embed_dim=32, depth=[2], num_heads=[4], mlp_ratio=2, upscale=2, split_size=[2, 4], c_ratio=0.5)
        return wider_biases(narrow(model, 32), RgtBias)

    def craft():
        model = CRAFT(embed_dim=16, depths=[1], num_heads=[2], split_size_0=4, split_size_1=8, upscale=2)
        return wider_biases(model, CraftBias)

    def grl():
        model = GRL(embed_dim=12, upscale=4, upsampler="nearest+conv", depths=[3], num_heads_window=[2],
                    num_heads_stripe=[2], window_size=16, stripe_size=[32, 64], stripe_shift=True, mlp_ratio=1,
                    anchor_window_down_factor=4, img_size=64)
        return narrow(model, 12)

    return dict(
        atd=lambda: ATD(img_size=8, embed_dim=12, depths=[3], num_heads=[2], window_size=4, num_tokens=6,
                        reducted_dim=3, convffn_kernel_size=5, mlp_ratio=2, upscale=2, upsampler="pixelshuffledirect"),
        craft=craft,
        ditn=lambda: DITN_Real(dim=8, ITL_blocks=2, SAL_blocks=1, UFONE_blocks=1, upscale=2),
        grl=grl,
        omnisr=lambda: OmniSR(num_feat=16, window_size=4, up_scale=2),
        rgt=rgt,
        srformer=lambda: SRFormer(img_size=18, embed_dim=16, depths=[2], num_heads=[2], window_size=6, mlp_ratio=2,
                                  upscale=2, upsampler="pixelshuffledirect"),
        dat=lambda: DAT(img_size=8, embed_dim=64, split_size=[2, 4], depth=[2], num_heads=[4], expansion_factor=0.5,
                        upscale=2, resi_connection="3conv", upsampler="pixelshuffledirect"),
        drct=drct,
        fdat=lambda: FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, mid_dim=8, scale=2,
                          window_size=4, upsampler_type="pixelshuffle"),
        fdat_lda=lambda: FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, mid_dim=64, scale=2,
                              window_size=4, upsampler_type="lda"),
        moesr=lambda: MoESR(dim=8, n_blocks=1, n_block=1, upsample_dim=8, scale=2, upsampler="dysample"),
        realplksr_dysample=lambda: RealPLKSR(dim=8, n_blocks=1, upscaling_factor=2, kernel_size=9, dysample=True),
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
        fixed = ("mask", "rpe_biases", "biases_", "no_norm", "init_pos", "mean.weight", "mean.bias")
        if not t.dtype.is_floating_point or any(part in name for part in fixed):
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
    # Equal numbers stay in order: otherwise what ATD computes is left to the machine.
    sort = torch.sort
    torch.sort = lambda x, dim=-1, stable=True: sort(x, dim=dim, stable=True)
    lines = []
    families = [(name, None) for name in STATED] + list(from_spandrel().items())
    for name, make in sorted(families):
        seed = sum(name.encode())
        rng = np.random.default_rng(seed)
        width, height = SIZES.get(name, (16, 12))
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        x = torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1)[None]
        with torch.no_grad():
            if make is None:
                lazy = Lazy(seed)
                y = STATED[name](lazy, x, 3)
                weights = lazy.weights
            else:
                torch.manual_seed(seed)  # what a new network starts with
                model = shaken(make(), seed)
                y = model(x.clone())
                weights = {k: v.half() for k, v in model.state_dict().items()
                           if (v.dtype.is_floating_point or "MetaUpsample" in k) and v.dim() > 0}
        y = y[0].numpy().astype(np.float32)
        formats.write_safetensors(out / f"family_{name}.safetensors", weights)
        (out / f"family_{name}.u8").write_bytes(pixels.tobytes())
        (out / f"family_{name}.f32").write_bytes(np.ascontiguousarray(y).tobytes())
        lines.append(f"family_{name}.safetensors family_{name}.u8 {width} {height} 3 family_{name}.f32 {y.shape[1] // height}")
        print(name, y.min(), y.max(), (out / f"family_{name}.safetensors").stat().st_size)
    (out / "family_cases.txt").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What 8-bit products would cost the Compact networks on Vulkan: dB and the largest difference in 1/255 from fp32.

    python3 bench/integer_quality.py MODEL.safetensors...

The picture is that of the Vulkan backend's self-check (48x48). All 3x3 convolutions but the first and the last, which
read or give the picture, multiply integers; scales are the best there are: those of this very picture, for each channel
of pixels and each of the weights' (transformed: for each place too). Whatever a calibration on other pictures
finds is worse. All else is in double precision. Needs PyTorch and safetensors.
"""
import sys

import torch
from safetensors.torch import load_file
from torch.nn import functional as F


def check_picture(side=48):
    noise, picture = 7, torch.zeros(1, 3, side, side, dtype=torch.float64)
    for c in range(3):
        for y in range(side):
            for x in range(side):
                noise = (noise * 1664525 + 1013904223) % 2**32
                picture[0, c, y, x] = (0.1 + 0.3 * ((x // 5 + y // 7 + c) & 1) + 0.4 * (x + y) / (2 * side)
                                       + 0.1 * (noise >> 24) / 255)
    return picture


def rounded(x, bits, over):
    """To integers of so many bits with a sign; one scale for all that lies along `over`."""
    most = 2 ** (bits - 1) - 1
    step = x.abs().amax(dim=over, keepdim=True).clamp_min(1e-30) / most
    return (x / step).round() * step


def direct(x, w, pixels, weights):
    return F.conv2d(rounded(x, pixels, (0, 2, 3)), rounded(w, weights, (1, 2, 3)), padding=1)


def transforms(near=0.75, wide=1.5):
    n, w = near**2, wide**2
    b = torch.tensor([[n * w, 0, -(n + w), 0, 1, 0], [0, -near * w, -w, near, 1, 0], [0, near * w, -w, -near, 1, 0],
                      [0, -wide * n, -n, wide, 1, 0], [0, wide * n, -n, -wide, 1, 0], [0, n * w, 0, -(n + w), 0, 1]],
                     dtype=torch.float64)
    p, q = 2 * n * (n - w), 2 * w * (w - n)
    g = torch.tensor([[1 / (n * w), 0, 0], [1 / p, near / p, n / p], [1 / p, -near / p, n / p],
                      [1 / q, wide / q, w / q], [1 / q, -wide / q, w / q], [0, 0, 1]], dtype=torch.float64)
    a = torch.tensor([[1, 1, 1, 1, 1, 0], [0, near, -near, wide, -wide, 0], [0, n, n, w, w, 0],
                      [0, near**3, -near**3, wide**3, -wide**3, 1]], dtype=torch.float64)
    return b, g, a


def winograd(x, w, pixels, weights):
    b, g, a = transforms()
    side = x.shape[2]
    blocks = F.pad(x, (1, 1, 1, 1)).unfold(2, 6, 4).unfold(3, 6, 4)  # 1, channel, rows, columns, 6, 6
    d = rounded(torch.einsum("pi,ncyxij,qj->ncyxpq", b, blocks, b), pixels, (2, 3))
    u = rounded(torch.einsum("pi,ocij,qj->ocpq", g, w, g), weights, (1,))
    m = torch.einsum("ap,noyxpq,bq->noyaxb", a, torch.einsum("ocpq,ncyxpq->noyxpq", u, d), a)
    return m.reshape(1, w.shape[0], side, side)


def run(weights, x, middle):
    last = max(int(k.split(".")[1]) for k in weights)
    base = x
    for i in range(last + 1):
        w = weights[f"body.{i}.weight"].double()
        if w.dim() == 1:
            x = F.prelu(x, w)
            continue
        bias = weights[f"body.{i}.bias"].double().view(1, -1, 1, 1)
        x = (F.conv2d(x, w, padding=1) if i in (0, last) else middle(x, w)) + bias
    scale = round((x.shape[1] / 3) ** 0.5)
    return F.pixel_shuffle(x, scale) + base.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


FORMS = {"int8 direct": (direct, 8, 8), "int8 Winograd": (winograd, 8, 8), "16 x 8 bits direct": (direct, 16, 8),
         "16 x 8 bits Winograd": (winograd, 16, 8), "16 x 16 bits Winograd": (winograd, 16, 16)}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    picture = check_picture()
    print("network", *FORMS, sep=" | ")
    for path in sys.argv[1:]:
        weights = load_file(path)
        truth = run(weights, picture, lambda x, w: F.conv2d(x, w, padding=1)).clamp(0, 1)
        cells = []
        for form, pixels, bits in FORMS.values():
            off = run(weights, picture, lambda x, w: form(x, w, pixels, bits)).clamp(0, 1) - truth
            cells.append(f"{-10 * torch.log10((off ** 2).mean()):.1f} dB, {off.abs().max() * 255:.2f}")
        print(path.split("/")[-1].removesuffix(".safetensors"), *cells, sep=" | ", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()

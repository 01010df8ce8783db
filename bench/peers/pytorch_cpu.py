#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch (oneDNN inside) on the same network: pytorch_cpu.py FILE.pth WIDTH HEIGHT THREADS RUNS [compile]; prints
milliseconds, one run a line. Knows Compact and Real-ESRGAN's RRDB. Floats in and out; conversions are not counted.
Channels last, which oneDNN likes best; compiled for the one size."""
import sys

import torch
from torch import nn
from torch.nn import functional as F

from timing import report


class Compact(nn.Module):
    def __init__(self, weights):
        super().__init__()
        last = max(int(key.split(".")[1]) for key in weights)
        body = []
        for i in range(last + 1):
            w = weights[f"body.{i}.weight"]
            body.append(nn.PReLU(w.shape[0]) if w.dim() == 1 else nn.Conv2d(w.shape[1], w.shape[0], 3, 1, 1))
        self.body = nn.Sequential(*body)
        self.scale = int((body[-1].out_channels / 3) ** 0.5)

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Dense(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        for k in range(1, 6):
            setattr(self, f"conv{k}", nn.Conv2d(features + (k - 1) * growth, growth if k < 5 else features, 3, 1, 1))

    def forward(self, x):
        parts = [x]
        for k in range(1, 5):
            parts.append(F.leaky_relu(getattr(self, f"conv{k}")(torch.cat(parts, 1)), 0.2))
        return self.conv5(torch.cat(parts, 1)) * 0.2 + x


class Block(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(features, growth) for _ in range(3))

    def forward(self, x):
        return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x


class Rrdb(nn.Module):
    def __init__(self, weights):
        super().__init__()
        features, growth = weights["conv_first.weight"].shape[0], weights["body.0.rdb1.conv1.weight"].shape[0]
        blocks = 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("body."))
        self.conv_first = nn.Conv2d(3, features, 3, 1, 1)
        self.body = nn.Sequential(*(Block(features, growth) for _ in range(blocks)))
        for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
            setattr(self, name, nn.Conv2d(features, features, 3, 1, 1))
        self.conv_last = nn.Conv2d(features, 3, 3, 1, 1)

    def forward(self, x):
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for up in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(up(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


def main():
    path, width, height, threads, runs = sys.argv[1], *map(int, sys.argv[2:6])
    torch.set_num_threads(threads)
    weights = torch.load(path, map_location="cpu")
    weights = weights.get("params_ema", weights.get("params", weights))
    net = (Rrdb if "conv_first.weight" in weights else Compact)(weights)
    net.load_state_dict({key: value.float() for key, value in weights.items()})
    net = net.eval().to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, height, width).to(memory_format=torch.channels_last)
    if "compile" in sys.argv[6:]:
        net = torch.compile(net, dynamic=False)
    with torch.inference_mode():
        report(lambda: net(x), runs)


main()

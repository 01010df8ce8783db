# SPDX-License-Identifier: Apache-2.0
"""What every training script needs: the network, weight files, MATLAB's imresize, quality measures."""
import json
import os
import struct

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image


class Compact(nn.Module):
    """SRVGGNetCompact with its usual key names: body.0 … body.(2·convs+2), PReLU at the odd numbers; `convs` counts the inner
    ones, as num_conv does."""

    def __init__(self, scale, features, convs):
        super().__init__()
        self.scale, self.features, self.convs = scale, features, convs
        layers = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convs):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers += [nn.Conv2d(features, 3 * scale * scale, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        up = F.interpolate(x, scale_factor=self.scale, mode='nearest')
        return F.pixel_shuffle(self.body(x), self.scale) + up

    def shape(self):
        return f'{self.features}x{self.convs}'

    def initialise(self):
        """Middle convolutions start near the identity: a plain stack without skips then learns from the first step."""
        convs = [m for m in self.body if isinstance(m, nn.Conv2d)]
        for i, conv in enumerate(convs):
            nn.init.kaiming_normal_(conv.weight, a=0.25)
            nn.init.zeros_(conv.bias)
            if 0 < i < len(convs) - 1:
                nn.init.dirac_(identity := torch.empty_like(conv.weight))
                conv.weight.data.mul_(0.3).add_(identity)
            elif i:
                conv.weight.data.mul_(0.1)
        return self


def macs_per_input_pixel(weights):
    return sum(int(np.prod(w.shape)) for w in weights.values() if w.ndim == 4)


def load_weights(path):
    """name → float32 tensor, from .safetensors or a PyTorch .pth file."""
    if not str(path).endswith('.safetensors'):
        d = torch.load(path, map_location='cpu')
        for key in ('params_ema', 'params'):
            d = d.get(key, d)
        return {k: v.float() for k, v in d.items()}
    with open(path, 'rb') as f:
        raw = f.read()
    (n,) = struct.unpack('<Q', raw[:8])
    kinds = {'F32': np.float32, 'F16': np.float16}
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name != '__metadata__':
            a, b = (8 + n + o for o in t['data_offsets'])
            data = np.frombuffer(raw[a:b], kinds[t['dtype']]).astype(np.float32)
            out[name] = torch.from_numpy(data.reshape(t['shape']).copy())
    return out


def save_weights(path, weights, metadata):
    """Writes .safetensors with F16 values; data begins at a multiple of 64 bytes."""
    header, blobs, at = {'__metadata__': {k: str(v) for k, v in metadata.items()}}, [], 0
    for name, w in weights.items():
        blob = w.detach().numpy().astype('<f2').tobytes()
        header[name] = {'dtype': 'F16', 'shape': list(w.shape), 'data_offsets': [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-(len(text) + 8) % 64)
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def model_from(weights):
    """The Compact network that these weights describe."""
    last = max(int(k.split('.')[1]) for k in weights)
    scale = round((weights[f'body.{last}.bias'].numel() / 3) ** 0.5)
    net = Compact(scale, weights['body.0.weight'].shape[0], last // 2 - 1)
    net.load_state_dict(weights)
    return net.eval()


def load_rgb(path):
    return np.asarray(Image.open(path).convert('RGB'))


def run(net, rgb8, tile=256, halo=36):
    """uint8 (H, W, 3) in, uint8 out, rounded half to even. Tiles only save memory: the halo covers both networks."""
    s, (h, w, _) = net.scale, rgb8.shape
    out = np.empty((h * s, w * s, 3), np.uint8)
    for y in range(0, h, tile):
        for x in range(0, w, tile):
            y0, x0 = max(0, y - halo), max(0, x - halo)
            y1, x1 = min(h, y + tile), min(w, x + tile)
            part = rgb8[y0:min(h, y1 + halo), x0:min(w, x1 + halo)]
            t = torch.from_numpy(part.astype(np.float32).transpose(2, 0, 1))[None] / 255
            with torch.no_grad():
                t = net(t)[0].numpy().transpose(1, 2, 0)
            t = t[(y - y0) * s:(y1 - y0) * s, (x - x0) * s:(x1 - x0) * s]
            out[y * s:y1 * s, x * s:x1 * s] = np.round(np.clip(t, 0, 1) * 255)
    return out


# --- resampling -------------------------------------------------------------------------------------------------------

def cubic(x):
    x = np.abs(x)
    return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


def lanczos3(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def resize_matrix(n, m, kernel, radius):
    """MATLAB's imresize along one axis: antialiased when it shrinks, symmetric at the border."""
    scale = m / n
    shrink = min(1.0, scale)
    centre = (np.arange(m) + 0.5) / scale - 0.5
    first = np.floor(centre - radius / shrink).astype(int)
    taps = int(np.ceil(2 * radius / shrink)) + 2
    at = first[:, None] + np.arange(taps)
    w = kernel((centre[:, None] - at) * shrink)
    w /= w.sum(1, keepdims=True)
    at = at % (2 * n)
    at = np.where(at < n, at, 2 * n - 1 - at)
    out = np.zeros((m, n))
    np.add.at(out, (np.repeat(np.arange(m), taps), at.ravel()), w.ravel())
    return out.astype(np.float32)


def resize(image, height, width, kernel=cubic, radius=2, between=lambda t: t):
    """float32 (H, W, C) → float32 (height, width, C); `between` is applied after the first axis."""
    image = np.asarray(image, np.float32)
    rows = resize_matrix(image.shape[0], height, kernel, radius)
    cols = resize_matrix(image.shape[1], width, kernel, radius)
    t = between(np.tensordot(rows, image, 1))
    return np.tensordot(t, cols, (1, 1)).transpose(0, 2, 1)


def to_u8(image):
    return np.round(np.clip(image, 0, 255)).astype(np.uint8)


def bicubic(rgb8, num, den=1):
    """As MATLAB does it to uint8 pictures: rounded after each axis."""
    h, w = rgb8.shape[0] * num // den, rgb8.shape[1] * num // den
    return to_u8(resize(rgb8, h, w, between=to_u8))


def lanczos(rgb8, scale):
    return to_u8(resize(rgb8, rgb8.shape[0] * scale, rgb8.shape[1] * scale, lanczos3, 3))


# --- measures ---------------------------------------------------------------------------------------------------------

def luma(rgb8):
    """BT.601 as MATLAB's rgb2ycbcr: 16…235."""
    return rgb8.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(a, b, border=0):
    d = a.astype(np.float64) - b.astype(np.float64)
    if border:
        d = d[border:-border, border:-border]
    mse = np.mean(d * d)
    return float('inf') if mse == 0 else 10 * np.log10(255**2 / mse)


def shift(large, small):
    """How far the mean of 3x3 input pixels moves, at the most."""
    n, s = small.shape[0], large.shape[0] // small.shape[0]
    e = large.reshape(n, s, n, s, 3).mean((1, 3)) - small
    return np.abs(sum(e[i:n - 2 + i, j:n - 2 + j] for i in range(3) for j in range(3)) / 9).max()


def ssim(a, b, border=0):
    """Of two single-channel pictures; 11×11 Gaussian of sigma 1.5, valid area, as in the original code."""
    if border:
        a, b = a[border:-border, border:-border], b[border:-border, border:-border]
    g = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    g = torch.from_numpy(g / g.sum())

    def blur(x):
        x = torch.from_numpy(x)[None, None]
        return F.conv2d(F.conv2d(x, g.view(1, 1, 11, 1)), g.view(1, 1, 1, 11))[0, 0].numpy()

    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    return float(np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))))

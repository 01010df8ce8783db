# SPDX-License-Identifier: Apache-2.0
"""Damage as pictures suffer it on their way to us, after Real-ESRGAN: blur, resampling, noise and JPEG in random order.

Everything is drawn from the generator handed in, so a seed names a picture exactly. Pictures are float32 (H, W, 3), 0…255.
"""
import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import bicubic, resize, to_u8


def gaussian_kernel(rng, low, high):
    """Isotropic or not, 21×21."""
    sx = rng.uniform(low, high)
    sy = sx if rng.random() < 0.6 else rng.uniform(low, high)
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[-10:11, -10:11].astype(np.float32)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    k = np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2))
    return (k / k.sum()).astype(np.float32)


def sinc_kernel(rng):
    """A separable windowed low-pass: the ringing of a sharpened or badly resampled picture."""
    cut = rng.uniform(0.35, 0.8)
    x = np.arange(-10, 11)
    k = np.sinc(x * cut) * np.sinc(x / 11)
    k = np.outer(k, k)
    return (k / k.sum()).astype(np.float32)


def blur(image, kernel):
    t = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[:, None]
    t = F.conv2d(F.pad(t, (10, 10, 10, 10), mode='reflect'), torch.from_numpy(kernel)[None, None])
    return t[:, 0].numpy().transpose(1, 2, 0)


def resample(image, height, width, rng):
    way = rng.choice(['bicubic', 'bilinear', 'area', 'plain'])
    if way == 'bicubic':
        return resize(image, height, width)
    pil = {'bilinear': Image.BILINEAR, 'area': Image.BOX, 'plain': Image.BICUBIC}[way]
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c], np.float32)) for c in range(3)]
    return np.stack([np.asarray(p.resize((width, height), pil)) for p in planes], -1)


def noise(image, rng, gauss, poisson):
    shape = image.shape[:2] + ((1,) if rng.random() < 0.4 else (3,))  # grey noise or colour noise
    n = rng.standard_normal(shape).astype(np.float32)
    if rng.random() < 0.6:
        return image + n * rng.uniform(1, gauss)
    level = np.sqrt(np.clip(image, 0, 255) * 255) * rng.uniform(0.02, poisson) * 0.2
    return image + n * (level.mean(2, keepdims=True) if shape[2] == 1 else level)


def jpeg(image, rng, low, high):
    quality = int(rng.integers(low, high + 1))
    sub = int(rng.choice([0, 2, 2]))  # 4:4:4 or, more often, 4:2:0
    b = io.BytesIO()
    Image.fromarray(to_u8(image)).save(b, 'JPEG', quality=quality, subsampling=sub)
    return np.asarray(Image.open(io.BytesIO(b.getvalue())), np.float32)


def degrade(hr, scale, rng, strength):
    """hr: uint8 (H, W, 3), sides divisible by scale. Returns the uint8 picture that is `scale` times smaller.

    clean   MATLAB's bicubic, nothing else
    mild    another kernel, a trace of noise, high-quality JPEG: what a good camera and a sensible program do
    medium  one pass of blur, resampling, noise and JPEG
    heavy   two passes, as Real-ESRGAN trains
    """
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    im = hr.astype(np.float32)
    if strength == 'clean':
        return bicubic(hr, 1, scale)
    if strength == 'mild':
        if rng.random() < 0.5:
            im = blur(im, gaussian_kernel(rng, 0.2, 0.25 * scale))
        im = resample(im, height, width, rng)
        if rng.random() < 0.4:
            im = noise(im, rng, 3, 0.2)
        return to_u8(jpeg(im, rng, 85, 98) if rng.random() < 0.6 else im)
    return medium(im, height, width, scale, rng) if strength == 'medium' else heavy(im, height, width, scale, rng)


def medium(im, height, width, scale, rng):
    size = scale  # how many times larger than the result the picture still is

    def do_blur(p, s):
        if rng.random() < 0.75:
            p = blur(p, sinc_kernel(rng) if rng.random() < 0.12 else gaussian_kernel(rng, 0.2, max(0.4, 0.6 * s)))
        return p, s

    def do_resample(p, s):
        s = float(np.exp(rng.uniform(np.log(0.7), np.log(max(1.5, scale)))))
        return resample(p, round(height * s), round(width * s), rng), s

    def do_noise(p, s):
        return (noise(p, rng, 25, 1.0) if rng.random() < 0.6 else p), s

    def do_jpeg(p, s):
        return (jpeg(p, rng, 30, 95) if rng.random() < 0.6 else p), s

    steps = [do_blur, do_resample, do_noise, do_jpeg]
    for i in rng.permutation(4) if rng.random() < 0.3 else range(4):
        im, size = steps[i](im, size)
    last = rng.random() < 0.5
    if last and rng.random() < 0.7:
        im = jpeg(im, rng, 35, 95)
    im = resample(im, height, width, rng)
    if not last and rng.random() < 0.7:
        im = jpeg(im, rng, 35, 95)
    return to_u8(im)


def heavy(im, height, width, scale, rng):
    """The two passes of Real-ESRGAN's published options (blur, resize, noise and JPEG ranges as there)."""
    def factor(up, keep, low, high):
        r = rng.random()
        return rng.uniform(1, high) if r < up else 1.0 if r < up + keep else rng.uniform(low, 1)

    im = blur(im, sinc_kernel(rng) if rng.random() < 0.1 else gaussian_kernel(rng, 0.2, 0.75 * scale))
    f = factor(0.2, 0.1, 0.15, 1.5)
    im = resample(im, max(8, round(height * scale * f)), max(8, round(width * scale * f)), rng)
    im = jpeg(noise(im, rng, 30, 1.0), rng, 30, 95)
    if rng.random() < 0.8:
        im = blur(im, sinc_kernel(rng) if rng.random() < 0.1 else gaussian_kernel(rng, 0.2, 1.5))
    f = factor(0.3, 0.3, 0.3, 1.2)
    im = noise(resample(im, max(8, round(height * f)), max(8, round(width * f)), rng), rng, 25, 0.8)
    if rng.random() < 0.5:
        im = resample(im, height, width, rng)
        if rng.random() < 0.8:
            im = blur(im, sinc_kernel(rng))
        return to_u8(jpeg(im, rng, 30, 95))
    im = resample(jpeg(im, rng, 30, 95), height, width, rng)
    return to_u8(blur(im, sinc_kernel(rng)) if rng.random() < 0.8 else im)

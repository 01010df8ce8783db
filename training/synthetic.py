# SPDX-License-Identifier: Apache-2.0
"""Pictures that photographs do not teach: text, line art, flat areas, gradients, gratings. All drawn from a seed."""
import glob
import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common import to_u8

KINDS = ('text', 'lines', 'cells', 'gradient', 'grating')


def colour(rng):
    """Half of what is drawn is grey, black or white."""
    r = rng.random()
    if r < 0.3:
        v = int(rng.choice([0, 255, int(rng.integers(256))]))
        return (v, v, v)
    return tuple(int(v) for v in rng.choice([0, 255], 3)) if r < 0.4 else tuple(int(v) for v in rng.integers(0, 256, 3))


def inks(rng):
    """Paper and ink that differ enough to be read."""
    if rng.random() < 0.45:
        pair = [(255, 255, 255), (0, 0, 0)]
        return pair if rng.random() < 0.75 else pair[::-1]
    while True:
        a, b = colour(rng), colour(rng)
        if sum(abs(p - q) for p, q in zip(a, b)) > 200:
            return a, b


def text(rng, size, fonts):
    paper, ink = inks(rng)
    im = Image.new('RGB', (size, size), paper)
    d, y = ImageDraw.Draw(im), int(rng.integers(-8, 8))
    letters = list(string.ascii_letters + string.digits + ' ' * 12 + '.,;:()-%&@#')
    while y < size:
        pt = int(np.exp(rng.uniform(np.log(14), np.log(90))))
        line = ''.join(rng.choice(letters, 90))
        font = ImageFont.truetype(str(rng.choice(fonts)), pt) if fonts else ImageFont.load_default()
        if rng.random() < 0.15:
            d.rectangle((0, y, size, y + pt * 1.2), ink)
            d.text((int(rng.integers(-20, 20)), y), line, paper, font)
        else:
            d.text((int(rng.integers(-20, 20)), y), line, ink, font)
        y += int(pt * rng.uniform(1.15, 1.5))
    return im


def lines(rng, size, _):
    paper, ink = inks(rng)
    im = Image.new('RGB', (size, size), paper)
    d = ImageDraw.Draw(im)
    for _ in range(int(rng.integers(15, 60))):
        w = int(np.exp(rng.uniform(np.log(1.5), np.log(16))))
        p = rng.uniform(-0.1, 1.1, (3, 2)) * size
        c = ink if rng.random() < 0.7 else colour(rng)
        r = rng.random()
        if r < 0.4:  # a curve
            t = np.linspace(0, 1, 40)[:, None]
            q = (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t * t * p[2]
            d.line([tuple(v) for v in q], c, w, joint='curve')
        elif r < 0.7:
            d.line([tuple(p[0]), tuple(p[1])], c, w)
        else:
            radius = rng.uniform(4, size / 3)
            d.ellipse((*(p[0] - radius), *(p[0] + radius)), None, c, w)
    return im


def cells(rng, size, _):
    """Flat colours with outlines, like drawn animation."""
    im = Image.new('RGB', (size, size), colour(rng))
    d = ImageDraw.Draw(im)
    for _ in range(int(rng.integers(10, 40))):
        c, w = rng.uniform(0, size, 2), int(rng.integers(0, 14))
        radius = rng.uniform(10, size / 3)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        p = [tuple(c + radius * rng.uniform(0.5, 1) * np.array([np.cos(a), np.sin(a)])) for a in angles]
        d.polygon(p, colour(rng))
        if w:
            d.line(p + p[:1], (0, 0, 0) if rng.random() < 0.6 else colour(rng), w, joint='curve')
    return im


def gradient(rng, size, _):
    y, x = np.mgrid[0:size, 0:size] / size
    out = np.zeros((size, size, 3))
    angle, (cx, cy) = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1, 2)
    t = np.hypot(x - cx, y - cy) if rng.random() < 0.4 else x * np.cos(angle) + y * np.sin(angle)
    t = (t - t.min()) / (t.max() - t.min())
    stops = np.array([colour(rng) for _ in range(int(rng.integers(2, 5)))], float)
    for c in range(3):
        out[..., c] = np.interp(t, np.linspace(0, 1, len(stops)), stops[:, c])
    return Image.fromarray(to_u8(out))


def grating(rng, size, _):
    """Stripes and checks whose period changes across the picture, from fine to coarse."""
    y, x = np.mgrid[0:size, 0:size].astype(float)
    a, b = (np.array(c, float) for c in inks(rng))
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    t = x * np.cos(angle) + y * np.sin(angle)
    phase = 2 * np.pi * t / np.exp(np.interp(t, [t.min(), t.max()], np.log([rng.uniform(6, 14), rng.uniform(20, 80)])))
    v = np.sin(phase)
    if rng.random() < 0.3:
        v *= np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / rng.uniform(10, 50))
    v = np.clip(v * rng.choice([1, 3, 30]), -1, 1)[..., None] * 0.5 + 0.5
    return Image.fromarray(to_u8(a * v + b * (1 - v)))


def tile(kind, rng, size=512, fonts=()):
    """uint8 (size, size, 3). Drawn twice as large and reduced, so that edges are antialiased."""
    im = globals()[kind](rng, size if kind == 'gradient' else 2 * size, fonts)
    return np.asarray(im.resize((size, size), Image.BOX))


def find_fonts(folder='/usr/share/fonts'):
    return sorted(glob.glob(folder + '/**/*.ttf', recursive=True))


def flat(rng, shape):
    """One colour; three in five are grey, and values near black and white are frequent: networks clip there."""
    c = 255 * rng.beta(0.4, 0.4, 1 if rng.random() < 0.6 else 3)
    return np.broadcast_to(np.resize(to_u8(c), 3), shape)

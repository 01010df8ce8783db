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


def screen(rng, size, fonts):
    """A piece of a screen, drawn pixel by pixel as programs draw it: small antialiased letters, frames, bars and buttons."""
    paper = tuple(int(v) for v in rng.integers(225, 256, 3)) if rng.random() < 0.6 else colour(rng)
    im = Image.new('RGB', (size, size), paper)
    d, y = ImageDraw.Draw(im), int(rng.integers(-4, 4))
    letters = list(string.ascii_letters * 2 + string.ascii_lowercase * 3 + string.digits + ' ' * 24 + '.,;:()-/=_')
    for _ in range(int(rng.integers(0, 4))):
        x0, y0 = (int(v) for v in rng.integers(-8, size, 2))
        box = (x0, y0, x0 + int(rng.integers(6, size)), y0 + int(rng.integers(4, size // 2)))
        d.rectangle(box, colour(rng) if rng.random() < 0.7 else None, colour(rng), int(rng.choice([1, 1, 2])))
    while y < size and fonts:
        pt = int(rng.choice([7, 8, 8, 9, 9, 10, 11, 12, 14, 18, 24]))
        font, x = ImageFont.truetype(str(rng.choice(fonts)), pt), int(rng.integers(-6, 10))
        here = im.getpixel((size // 2, min(size - 1, max(0, y + pt // 2))))
        ink = (0, 0, 0) if sum(here) > 380 else (255, 255, 255)
        d.text((x, y), ''.join(rng.choice(letters, 40)), ink if rng.random() < 0.7 else colour(rng), font)
        y += int(pt * rng.uniform(1.15, 1.6))
    return im


def tile(kind, rng, size=512, fonts=()):
    """uint8 (size, size, 3). Drawn twice as large and reduced, so that edges are antialiased."""
    im = globals()[kind](rng, size if kind == 'gradient' else 2 * size, fonts)
    return np.asarray(im.resize((size, size), Image.BOX))


def palette(rng):
    """A few colours as old screens and drawings have them: half of them saturated."""
    n = int(rng.integers(2, 9))
    c = rng.integers(0, 256, (n, 3))
    pure = rng.random(n) < 0.6
    c[pure] = rng.choice([0, 255], (int(pure.sum()), 3))
    return c.astype(np.uint8)


def dots(rng, size):
    """A gradient of dots, from none to all: random dithering, each colour by itself or all together."""
    y, x = np.mgrid[0:size, 0:size] / size
    angles = rng.choice([0, np.pi / 2, np.pi, rng.uniform(0, 2 * np.pi)], 1 if rng.random() < 0.6 else 3)
    share = np.stack([0.5 + (x - 0.5) * np.cos(a) + (y - 0.5) * np.sin(a) for a in angles], 2).clip(0, 1)
    on = rng.random((size, size, int(rng.choice([1, 3])))) < share**rng.uniform(0.5, 4)
    low, high = palette(rng)[:2] if rng.random() < 0.3 else (0, 255)
    return np.broadcast_to(np.where(on, high, low), (size, size, 3)).astype(np.uint8)


def hard(rng, size, photo, fonts=()):
    """uint8 (size, size, 3): what no lens and no JPEG has softened, pixel by pixel: pixel art, dithering, noise, letters
    without antialiasing, one-pixel lines, photographs of few colours or overdone contrast. `photo` is at least as large."""
    colours, kind = palette(rng), int(rng.integers(10))
    pick = lambda h, w: colours[rng.integers(len(colours), size=(h, w))]
    y0, x0 = rng.integers(0, photo.shape[0] - size + 1), rng.integers(0, photo.shape[1] - size + 1)
    crop = photo[y0:y0 + size, x0:x0 + size]
    if kind == 0:  # cells of whole pixels, mostly one colour
        c = int(rng.integers(1, 13))
        n = -(-size // c)
        grid = np.where(rng.random((n, n, 1)) < rng.uniform(0, 0.9), colours[0], pick(n, n))
        return grid.repeat(c, 0).repeat(c, 1)[:size, :size]
    if kind == 1:  # noise of the full range, grey or coloured, on or off
        n = rng.integers(0, 256, (size, size, int(rng.choice([1, 3]))))
        n = np.where(n < 128, 0, 255) if rng.random() < 0.4 else n
        return np.broadcast_to(n, (size, size, 3)).astype(np.uint8)
    if kind == 2:  # stripes and checks of one or two pixels
        y, x = np.mgrid[0:size, 0:size]
        a, b = rng.integers(1, 5, 2)
        return colours[((x // a) * int(rng.integers(2)) + (y // b)) % len(colours)]
    if kind in (3, 4):  # letters, lines and shapes without antialiasing
        im = Image.fromarray(crop.copy()) if rng.random() < 0.3 else Image.new('RGB', (size, size), tuple(map(int, colours[0])))
        d = ImageDraw.Draw(im)
        d.fontmode = '1'
        for _ in range(int(rng.integers(3, 40))):
            c, p = tuple(map(int, colours[rng.integers(len(colours))])), rng.integers(-8, size + 8, 4)
            r = rng.random()
            if r < 0.3:
                font = ImageFont.truetype(str(rng.choice(fonts)), int(rng.integers(7, 30))) if len(fonts) else ImageFont.load_default()
                d.text((int(p[0]), int(p[1])), ''.join(rng.choice(list(string.ascii_letters + string.digits), 12)), c, font)
            elif r < 0.6:
                d.line([int(v) for v in p], c, int(rng.choice([1, 1, 1, 2, 3])))
            elif r < 0.8:
                d.rectangle([int(v) for v in (*np.minimum(p[:2], p[2:]), *np.maximum(p[:2], p[2:]))], c)
            else:
                d.ellipse([int(v) for v in (*np.minimum(p[:2], p[2:]), *np.maximum(p[:2], p[2:]))], c if rng.random() < 0.5 else None, c)
        return np.asarray(im)
    if kind == 5:  # few colours, dithered or not
        im = Image.fromarray(crop).quantize(int(rng.choice([2, 3, 4, 8, 16])), dither=int(rng.integers(2)))
        return np.asarray(im.convert('RGB'))
    if kind == 6:  # contrast and saturation overdone
        f = crop.astype(np.float32) - rng.uniform(60, 190)
        grey = f.mean(2, keepdims=True)
        return to_u8((grey + (f - grey) * rng.uniform(1, 6)) * rng.uniform(1, 6) + 128)
    if kind == 8:
        return dots(rng, size)
    if kind == 9:  # single wrong pixels on a photograph or on one colour
        out = crop.copy() if rng.random() < 0.6 else np.broadcast_to(colours[0], crop.shape).copy()
        at = rng.random((size, size)) < np.exp(rng.uniform(np.log(0.003), np.log(0.5)))
        out[at] = rng.choice([0, 255], (int(at.sum()), int(rng.choice([1, 3])))) if rng.random() < 0.7 else colours[1]
        return out
    # Bands of unrelated pictures with hard borders between them
    out, y = np.empty((size, size, 3), np.uint8), 0
    while y < size:
        h = int(rng.integers(1, 40))
        band = hard(rng, size, photo, fonts)
        out[y:y + h] = band[y:y + h] if rng.random() < 0.7 else colours[rng.integers(len(colours))]
        y += h
    return out if rng.random() < 0.5 else out.transpose(1, 0, 2)


def find_fonts(folder='/usr/share/fonts'):
    return sorted(glob.glob(folder + '/**/*.ttf', recursive=True))


def flat(rng, shape):
    """One colour; half are grey, values near black and white are frequent, and so are the corners of the colour cube:
    networks clip there."""
    r = rng.random()
    c = rng.choice([0, 128, 255], 3) if r < 0.25 else 255 * rng.beta(0.4, 0.4, 1 if r < 0.75 else 3)
    return np.broadcast_to(np.resize(to_u8(c), 3), shape)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pairs to learn from: small pictures of many kinds, and what is wanted of them.

  make_data.py taught   --tiles TILES --cache CACHE --engine enlarge --teacher realesr-general-x4v3.pth --chunks 8
  make_data.py faithful --tiles TILES --cache CACHE --scale 2 --chunks 2
  make_data.py taught   --mix drawings --tiles TILES --cache CACHE2 --engine enlarge --teacher realesr-animevideov3.pth

`--tiles` holds 512x512 pictures. Writes CACHE/c000_lr.npy (n,128,128,3), c000_x4.npy, c000_x2.npy and c000_kind.npy;
`taught` asks a teacher, `faithful` takes the original. Every chunk draws everything anew from its own seed, so a run can
go on with --first, and train.py takes up new chunks while it runs. The teacher runs in our own engine, which is tens of
times faster than PyTorch; 400 pairs take about two minutes of one core.

The target is the teacher's picture wherever it is sane. Targets that keep to the input teach a network to do nothing: the
bar under which the teacher may move a mean is high for photographs and drawings (60 to 90 of 255: explosions alone), and
low (10 to 20) for `hard` pictures, pixel by pixel, where all such networks paint holes.
"""
import argparse
import glob
import io
import os
import subprocess
import tempfile
import time

import numpy as np
import torch
from PIL import Image, ImageFilter

import synthetic
from common import bicubic, lanczos, load_rgb, luma, to_u8
from degrade import degrade

SMALL = 128
STRENGTHS = ['clean', 'mild', 'medium', 'heavy']
BARS = {'hard': (10, 20)}  # of 255: where the teacher moves a mean by more, Lanczos takes its place
HIGH_BARS = (60, 90)


def cartoon(im, rng):
    """A photograph as flat colours with natural outlines, drawn twice as large and reduced."""
    big = Image.fromarray(im).resize((1024, 1024), Image.BICUBIC).filter(ImageFilter.GaussianBlur(rng.uniform(3, 9)))
    a = np.asarray(big).astype(np.float32)
    grey = a.mean(2, keepdims=True)
    a = to_u8((grey + (a - grey) * rng.uniform(1, 3) - 128) * rng.uniform(1, 2) + 128)
    q = Image.fromarray(a).quantize(int(rng.integers(4, 20)), dither=0)
    label = np.asarray(q)
    a = np.asarray(q.convert('RGB')).copy()
    if rng.random() < 0.6:  # ink along the outlines
        edge = np.zeros(label.shape, bool)
        edge[1:] |= label[1:] != label[:-1]
        edge[:, 1:] |= label[:, 1:] != label[:, :-1]
        w = int(rng.choice([3, 5, 7, 9, 13]))
        ink = np.asarray(Image.fromarray(edge.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(w))) > 0
        ink &= np.asarray(big.convert('L')) < rng.uniform(80, 256)
        a[ink] = (0, 0, 0) if rng.random() < 0.7 else synthetic.colour(rng)
    if rng.random() < 0.3:  # shaded cells
        a = to_u8(a.astype(np.float32) + (np.asarray(big).astype(np.float32) - a) * rng.uniform(0.1, 0.5))
    return np.asarray(Image.fromarray(a).resize((512, 512), Image.BOX))


def jpeg(im, rng, low, high):
    b = io.BytesIO()
    Image.fromarray(im).save(b, 'JPEG', quality=int(rng.integers(low, high)), subsampling=int(rng.choice([0, 2])))
    return np.asarray(Image.open(io.BytesIO(b.getvalue())))


def sharpened(p, rng, most):
    return p.filter(ImageFilter.UnsharpMask(float(rng.uniform(0.6, 2)), int(rng.uniform(30, most)), 0))


def sharp(im, rng):
    """Reduced without losing sharpness, as programs and drawings do it; perhaps sharpened, perhaps JPEG."""
    ways = [Image.BOX, Image.LANCZOS, Image.BICUBIC, Image.NEAREST, Image.HAMMING]
    p = Image.fromarray(im).resize((SMALL, SMALL), int(rng.choice(ways, p=[0.25, 0.25, 0.2, 0.2, 0.1])))
    a = np.asarray(sharpened(p, rng, 200) if rng.random() < 0.35 else p)
    if rng.random() < 0.15:
        f = a.astype(np.float32)
        grey = f.mean(2, keepdims=True)
        a = to_u8((grey + (f - grey) * rng.uniform(0.8, 2.2) - 128) * rng.uniform(0.8, 1.8) + 128)
    return jpeg(a, rng, 40, 99) if rng.random() < 0.5 else a


def aliased(im, s, rng):
    """Drawings as old web pages and games have them: reduced without any filter, then JPEG with coarse colour. The teacher
    draws the line that was meant."""
    p = Image.fromarray(im)
    if rng.random() < 0.4:
        p = p.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8) * s / 2))
    p = p.resize((SMALL, SMALL), Image.NEAREST)
    if rng.random() < 0.4:
        p = sharpened(p, rng, 200)
    return jpeg(np.asarray(p), rng, 30, 92) if rng.random() < 0.85 else np.asarray(p)


def window(im, s, rng):
    n = SMALL * s
    y, x = rng.integers(0, im.shape[0] - n + 1), rng.integers(0, im.shape[1] - n + 1)
    return np.ascontiguousarray(im[y:y + n, x:x + n])


def drawing(photo, rng, fonts, shares):
    kind = str(rng.choice(['cartoon', 'lines', 'cells', 'text', 'grating'], p=shares))
    return kind, cartoon(photo, rng) if kind == 'cartoon' else synthetic.tile(kind, rng, 512, fonts)


# Shares of hard, aliased, drawing, screen, gradient, sharp, photo.
MIXES = {'pictures': [0.16, 0.13, 0.19, 0.06, 0.03, 0.13, 0.30], 'drawings': [0.14, 0.22, 0.44, 0.05, 0.05, 0.05, 0.05]}


def taught_input(photo, rng, fonts, mix):
    """(kind, small picture, target or None where the teacher makes it)"""
    kind = str(rng.choice(['hard', 'aliased', 'drawing', 'screen', 'gradient', 'sharp', 'photo'], p=MIXES[mix]))
    if kind == 'hard':
        return kind, np.ascontiguousarray(synthetic.hard(rng, SMALL, photo, fonts)), None
    if kind == 'gradient':  # the teacher shifts colours there: the drawn picture itself is the better target
        im = synthetic.tile('gradient', rng, 512, fonts)
        return kind, degrade(im, 4, rng, str(rng.choice(STRENGTHS, p=[0.3, 0.3, 0.2, 0.2]))), im
    if kind == 'screen':
        a = np.asarray(synthetic.screen(rng, SMALL, fonts))
        return kind, jpeg(a, rng, 40, 99) if rng.random() < 0.4 else a, None
    if kind == 'aliased':
        s = int(rng.choice([4, 3, 2]))
        return kind, aliased(window(drawing(photo, rng, fonts, [0.5, 0.2, 0.2, 0.1, 0])[1], s, rng), s, rng), None
    s = int(rng.choice([4, 3, 2, 1], p=[0.4, 0.2, 0.25, 0.15]))
    if kind == 'drawing':
        kind, im = drawing(photo, rng, fonts, [0.45, 0.14, 0.14, 0.22, 0.05])
        im = window(im, s, rng)
        if rng.random() < 0.55:
            return kind, sharp(im, rng), None
        return kind, degrade(im, s, rng, str(rng.choice(STRENGTHS, p=[0.1, 0.2, 0.4, 0.3]))), None
    im = window(photo, s, rng)
    if kind == 'sharp':
        return kind, sharp(im, rng), None
    way = str(rng.choice(STRENGTHS, p=[0.08, 0.2, 0.34, 0.38]))
    return way, degrade(im, s, rng, way), None


def box(a, n):
    """Mean of n x n, same size, edges repeated."""
    p = np.pad(a, ((n // 2, n // 2), (n // 2, n // 2), (0, 0)), 'edge')
    return sum(p[i:i + a.shape[0], j:j + a.shape[1]] for i in range(n) for j in range(n)) / n**2


def guarded(large, small, low, high):
    """The teacher's picture, but Lanczos where it moved the mean of 3x3 input pixels by more than low to high steps."""
    n, s = small.shape[0], large.shape[0] // small.shape[0]
    shift = np.abs(box(large.reshape(n, s, n, s, 3).mean((1, 3)) - small.astype(np.float32), 3)).max(2)
    w = np.clip((shift - low) / (high - low), 0, 1)
    if not w.any():
        return large
    w = Image.fromarray(to_u8(w * 255)).filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.BoxBlur(2))
    w = np.asarray(w.resize((n * s, n * s), Image.BILINEAR), np.float32)[..., None] / 255
    return to_u8(large + (lanczos(small, s).astype(np.float32) - large) * w)


def teach(engine, teacher, pictures):
    """What the teacher makes of uint8 pictures, by our engine. They may differ in size."""
    with tempfile.TemporaryDirectory() as work:
        src, dst = work + '/in', work + '/out'
        os.makedirs(src)
        for i, a in enumerate(pictures):
            Image.fromarray(a).save(f'{src}/{i:05d}.ppm')
        subprocess.run([engine, src, '-r', '-o', dst, '-m', teacher, '--precision', 'fp32', '--threads', '1', '--format', 'ppm'],
                       check=True, env={**os.environ, 'OMP_NUM_THREADS': '1'}, stdout=subprocess.DEVNULL)
        done = sorted(glob.glob(dst + '/**/*.ppm', recursive=True))
        assert len(done) == len(pictures), (len(done), len(pictures))
        return [load_rgb(p) for p in done]


def taught(o, rng, photos, fonts, chunk):
    kinds, small, given = zip(*(taught_input(next(photos), rng, fonts, o.mix) for _ in range(o.count)))
    large = teach(o.engine, o.teacher, small)
    large = [t if t is not None else guarded(g, s, *BARS.get(k, HIGH_BARS)) for k, g, s, t in zip(kinds, large, small, given)]
    return kinds, small, {4: large, 2: [bicubic(t, 1, 2) for t in large]}


def faithful(o, rng, photos, fonts, chunk):
    """Clean reductions, as MATLAB makes them, of photographs and drawings, whole and halved; some mild ones; and what no lens
    has softened, interpolated."""
    kinds, small, large = [], [], []
    for _ in range(o.count):
        kind = str(rng.choice(['clean', 'mild', 'drawing', 'hard'], p=[0.6, 0.1, 0.15, 0.15]))
        photo = next(photos)
        if kind == 'hard':
            lr = np.ascontiguousarray(synthetic.hard(rng, SMALL, photo, fonts))
            hr = lanczos(lr, o.scale)
        else:
            im = drawing(photo, rng, fonts, [0.3, 0.2, 0.2, 0.25, 0.05])[1] if kind == 'drawing' else photo
            hr = window(im, o.scale, rng)
            lr = degrade(hr, o.scale, rng, 'mild' if kind == 'mild' else 'clean')
        kinds.append(kind), small.append(lr), large.append(hr)
    return kinds, small, {o.scale: large}


def drawn_from(folder, rng):
    """Photographs without end, one in twelve turned grey."""
    files = sorted(glob.glob(folder + '/*.jpg') + glob.glob(folder + '/*.png'))
    while True:
        im = load_rgb(files[int(rng.integers(len(files)))])
        if rng.random() < 1 / 12:
            im = np.repeat(np.round((luma(im) - 16) * 255 / 219).astype(np.uint8)[..., None], 3, 2)
        yield im


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('what', choices=['taught', 'faithful'])
    a.add_argument('--tiles', help='for `taught` and `faithful`')
    a.add_argument('--cache', required=True)
    a.add_argument('--engine', default='enlarge')
    a.add_argument('--teacher', help='a network that enlarges by 4, for `taught`')
    a.add_argument('--mix', default='pictures', choices=MIXES, help='for `taught`: what there is most of')
    a.add_argument('--scale', type=int, default=4, choices=[2, 4], help='for `faithful`')
    a.add_argument('--first', type=int, default=0)
    a.add_argument('--chunks', type=int, default=1)
    a.add_argument('--count', type=int, default=400)
    a.add_argument('--seed', type=int, default=1)
    o = a.parse_args()
    torch.set_num_threads(1)
    os.makedirs(o.cache, exist_ok=True)
    fonts = synthetic.find_fonts()
    for chunk in range(o.first, o.first + o.chunks):
        t0, rng = time.time(), np.random.default_rng([o.seed, chunk])
        make = {'taught': taught, 'faithful': faithful}[o.what]
        kinds, small, large = make(o, rng, drawn_from(o.tiles, rng), fonts, chunk)
        path = f'{o.cache}/c{chunk:03d}'
        np.save(path + '_kind.npy', np.array(kinds))
        for scale, pictures in large.items():
            np.save(f'{path}_x{scale}.npy', np.stack(pictures))
        np.save(path + '_lr.tmp.npy', np.stack(small))
        os.replace(path + '_lr.tmp.npy', path + '_lr.npy')  # last, and at once: train.py looks for it
        print(f'chunk {chunk}: {time.time() - t0:.0f} s, cpu {time.process_time():.0f} s', flush=True)


if __name__ == '__main__':
    main()

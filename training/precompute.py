# SPDX-License-Identifier: Apache-2.0
"""Turns tiles into arrays that train.py reads: once, so that no training step pays for degrading or for the teacher.

  precompute.py faithful --tiles DIR --cache DIR
  precompute.py swift    --tiles DIR --cache DIR --teacher realesr-general-x4v3.pth --round 0
  precompute.py hard     --tiles DIR --cache DIR --teacher realesr-general-x4v3.pth --round 0
  precompute.py dots     --tiles DIR --cache DIR --round 2

`--tiles` holds 512×512 pictures. Every `--round` degrades all of them anew; train.py uses all the rounds it finds.
"""
import argparse
import glob
import os
import time

import numpy as np
import torch

import synthetic
from common import bicubic, lanczos, load_rgb, load_weights, luma, model_from, resize, run, to_u8
from degrade import degrade

SYNTHETIC = 80
HARD = 240


def tiles(folder, seed):
    """(name, uint8 picture); one photograph in twelve turned grey, then the drawn ones."""
    rng, fonts = np.random.default_rng(seed), synthetic.find_fonts()
    for path in sorted(glob.glob(os.path.join(folder, '*.jpg')) + glob.glob(os.path.join(folder, '*.png'))):
        im = load_rgb(path)
        if rng.random() < 1 / 12:
            y = np.round((luma(im) - 16) * 255 / 219).astype(np.uint8)
            im = np.repeat(y[..., None], 3, 2)
        yield 'photo', im
    for i in range(SYNTHETIC):
        kind = synthetic.KINDS[i % len(synthetic.KINDS)]
        yield kind, synthetic.tile(kind, rng, 512, fonts)


def faithful(o):
    """The tiles as they are, and halved: a reduced photograph has the sharp edges of a small one."""
    whole = np.stack([im for _, im in tiles(o.tiles, o.seed)])
    rng = np.random.default_rng(o.seed + 1)
    for size, hr in (('', whole), ('_half', np.stack([bicubic(im, 1, 2) for im in whole]))):
        np.save(f'{o.cache}/hr{size}.npy', hr)
        for scale in (2, 4):
            for strength in ('clean', 'mild'):
                np.save(f'{o.cache}/lr{scale}_{strength}{size}.npy',
                        np.stack([degrade(im, scale, rng, strength) for im in hr]))
    print(len(whole), 'tiles')


def swift_input(kind, im, rng):
    """A 128×128 input, and how it came about."""
    strength = str(rng.choice(['clean', 'mild', 'medium', 'heavy'], p=[0.1, 0.2, 0.35, 0.35]))
    if kind == 'photo' and rng.random() < 0.15:  # a picture at its own size rather than a reduced one
        y, x = rng.integers(0, 512 - 128, 2)
        return degrade(im[y:y + 128, x:x + 128], 1, rng, strength)
    return degrade(im, 4, rng, strength)


def swift(o):
    teacher = model_from(load_weights(o.teacher))
    rng = np.random.default_rng(o.seed + 1000 + o.round)
    lr, x4, x2, t0 = [], [], [], time.time()
    for n, (kind, im) in enumerate(tiles(o.tiles, o.seed + o.round)):
        small = swift_input(kind, im, rng)
        lr.append(small)
        # On gradients the teacher may shift colours; the drawn picture itself is the better target.
        x4.append(im if kind == 'gradient' else run(teacher, small))
        x2.append(bicubic(x4[-1], 1, 2))
        if n % 20 == 0:
            print(n, f'{time.time() - t0:.0f} s', flush=True)
    for name, a in (('x2', x2), ('x4', x4), ('lr', lr)):
        np.save(f'{o.cache}/swift{o.round}_{name}.npy', np.stack(a))


def consistent(large, small, scale, tolerance):
    """`large` moved until it is `small` again when reduced, but for `tolerance` steps where `small` changes from pixel to
    pixel, and exactly where it is flat: a teacher may be wrong on such pictures."""
    padded = np.pad(small, ((1, 1), (1, 1), (0, 0)), 'edge').astype(np.float32)
    around = np.stack([padded[i:i + small.shape[0], j:j + small.shape[1]] for i in range(3) for j in range(3)])
    tolerance = np.minimum(np.ptp(around, 0) / 4, tolerance)
    t = large.astype(np.float32)
    for _ in range(5):
        e = small - resize(t, *small.shape[:2])
        t = np.clip(t + resize(e - np.clip(e, -tolerance, tolerance), *t.shape[:2]), 0, 255)
    return to_u8(t)


def keep_hard(o, lr, x4):
    np.save(f'{o.cache}/hard{o.round}_lr.npy', np.stack(lr))
    np.save(f'{o.cache}/hard{o.round}_swift_x4.npy', np.stack(x4))
    np.save(f'{o.cache}/hard{o.round}_swift_x2.npy', np.stack([consistent(bicubic(t, 1, 2), x, 2, 24) for t, x in zip(x4, lr)]))
    for scale in (2, 4):
        np.save(f'{o.cache}/hard{o.round}_faithful_x{scale}.npy', np.stack([consistent(lanczos(x, scale), x, scale, 0) for x in lr]))


def hard(o):
    """What networks explode on when they have seen only photographs: targets that keep to the input."""
    teacher = model_from(load_weights(o.teacher))
    rng, fonts = np.random.default_rng(o.seed + 77 + o.round), synthetic.find_fonts()
    photos = [im for kind, im in tiles(o.tiles, o.seed) if kind == 'photo']
    lr = [synthetic.hard(rng, 128, photos[int(rng.integers(len(photos)))], fonts) for _ in range(HARD)]
    keep_hard(o, lr, [consistent(run(teacher, x), x, 4, 24) for x in lr])


def dots(o):
    """Here the teacher explodes too: every target is interpolated."""
    rng = np.random.default_rng(o.seed + 777 + o.round)
    lr = [synthetic.dots(rng, 128) for _ in range(HARD)]
    keep_hard(o, lr, [consistent(lanczos(x, 4), x, 4, 0) for x in lr])


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('what', choices=['faithful', 'swift', 'hard', 'dots'])
    a.add_argument('--tiles', required=True)
    a.add_argument('--cache', required=True)
    a.add_argument('--teacher')
    a.add_argument('--round', type=int, default=0)
    a.add_argument('--seed', type=int, default=7)
    a.add_argument('--threads', type=int, default=1)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    os.makedirs(o.cache, exist_ok=True)
    {'faithful': faithful, 'swift': swift, 'hard': hard, 'dots': dots}[o.what](o)


if __name__ == '__main__':
    main()

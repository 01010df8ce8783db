#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scores models on pictures that nobody trained on, as Markdown tables.

  evaluate.py faithful MODEL.safetensors… --data DIR
  evaluate.py swift    MODEL.safetensors… --data DIR --teacher realesr-general-x4v3.pth
  evaluate.py flat     MODEL.safetensors…
  evaluate.py hard     MODEL.safetensors… --data DIR
  evaluate.py picture  MODEL.safetensors --teacher … --picture photo.jpg --out comparison.jpg

DIR (or the environment's ENLARGE_TEST_DATA) holds images/Set5/x2/img_001_HR.png, …_LR.png and so on, images/Kodak24/N.png.

faithful: PSNR and SSIM of luma (BT.601, 16…235) between the 8-bit rounded output and the original, the border of `scale`
pixels cut off, on the LR files made by MATLAB's bicubic: as the literature does it.
swift: PSNR over RGB and SSIM of luma between student and teacher, on Kodak pictures degraded in seeded ways. For x2 the
teacher's output is halved with an antialiased bicubic filter.
flat: how far a constant picture moves, in steps of 255, over the colours where a network may fail.
hard: how far the mean of 3x3 input pixels moves, in steps of 255, on pixel art, dithering, noise and bands of photographs
(synthetic.hard, not the seed that trains): a network that has seen only soft pictures paints white holes there.
"""
import argparse
import glob
import itertools
import os

import numpy as np
import torch
from PIL import Image

import synthetic
from common import (bicubic, lanczos, load_rgb, load_weights, luma, macs_per_input_pixel, model_from, psnr, run, ssim)
from degrade import degrade

KODAK_WAYS = ('clean', 'mild', 'medium', 'heavy')


def row(*cells):
    print('| ' + ' | '.join(cells) + ' |', flush=True)


def head(*cells):
    row(*cells)
    row(*['---'] * len(cells))


def score(out, want, border):
    a, b = luma(out), luma(want)
    return psnr(a, b, border), ssim(a, b, border)


def faithful(models, o):
    for set_name, (name, net) in itertools.product(('Set5', 'Set14'), models):
        s = net.scale
        pairs = sorted(glob.glob(f'{o.data}/images/{set_name}/x{s}/*_HR.png'))
        if not pairs:
            continue
        ways = {'bicubic': lambda x: bicubic(x, s), 'Lanczos': lambda x: lanczos(x, s), name: lambda x: run(net, x)}
        print(f'\n{set_name} x{s}, {len(pairs)} pictures\n')
        head('', 'PSNR dB', 'SSIM', 'each')
        for way, f in ways.items():
            all_ = [score(f(load_rgb(p.replace('_HR', '_LR'))), load_rgb(p), s) for p in pairs]
            p, q = np.mean(all_, 0)
            row(way, f'{p:.2f}', f'{q:.4f}', ' '.join(f'{v[0]:.2f}' for v in all_))


def degraded_kodak(data):
    """(way, uint8 input), the same pictures every time."""
    files = sorted(glob.glob(f'{data}/images/Kodak24/*.png'))
    for way in KODAK_WAYS:
        for n, path in enumerate(files):
            im = load_rgb(path)
            im = im[:im.shape[0] // 4 * 4, :im.shape[1] // 4 * 4]
            yield way, degrade(im, 4, np.random.default_rng([4711, n, KODAK_WAYS.index(way)]), way)


def teacher_outputs(o):
    """Cached beside --cache, since the teacher is ten times as slow as all its students."""
    kept = os.path.join(o.cache, 'kodak_teacher.npz') if o.cache else None
    inputs = list(degraded_kodak(o.data))
    if kept and os.path.exists(kept):
        return inputs, list(np.load(kept).values())
    teacher = model_from(load_weights(o.teacher))
    outputs = [run(teacher, x) for _, x in inputs]
    if kept:
        np.savez(kept, *outputs)
    return inputs, outputs


def swift(models, o):
    inputs, outputs = teacher_outputs(o)
    for name, net in models:
        s = net.scale
        got = {}
        for (way, x), t in zip(inputs, outputs):
            t = t if s == 4 else bicubic(t, 1, 2)
            a, b = lanczos(x, s), run(net, x)
            got.setdefault(way, []).append((psnr(a, t), psnr(b, t), ssim(luma(a), luma(t)), ssim(luma(b), luma(t))))
        print(f'\n{name}: distance to the teacher, Kodak, {len(inputs)} inputs\n')
        head('degradation', 'Lanczos PSNR', f'{name} PSNR', 'gain dB', 'Lanczos SSIM', f'{name} SSIM')
        got['all'] = [v for way in KODAK_WAYS for v in got[way]]
        got['all but clean'] = [v for way in KODAK_WAYS[1:] for v in got[way]]
        for way, v in got.items():
            p, q, r, t = np.mean(v, 0)
            row(way, f'{p:.2f}', f'{q:.2f}', f'{q - p:+.2f}', f'{r:.4f}', f'{t:.4f}')


def flat(models, o):
    """Mean over a picture of |output - input|, borders included; `phase` is the largest mean of one subpixel position
    minus another (a checkerboard); `bw` is a black and white edge seen 16 pixels away from it."""
    grid = [0, 1, 16, 64, 128, 192, 240, 254, 255]
    colours = [(g, g, g) for g in range(0, 256, 3)] + list(itertools.product([0, 128, 255], repeat=3))
    colours += [(g, 64, 192) for g in grid] + [(200, g, 90) for g in grid]
    head('model', 'worst mean error', 'at', 'mean error', 'worst phase difference', 'worst pixel', 'half black, half white')
    for name, net in models:
        s, worst, means, phase, peak = net.scale, (0, None), [], 0, 0
        for c in colours:
            x = torch.tensor(c, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 48, 48) / 255
            with torch.no_grad():
                e = (net(x).clamp(0, 1) - x[:, :, :1, :1])[0].numpy() * 255
            m = np.abs(e).mean()
            means.append(m)
            worst = max(worst, (m, c), key=lambda t: t[0])
            inner = e[:, 12 * s:-12 * s, 12 * s:-12 * s]
            phases = inner.reshape(3, inner.shape[1] // s, s, -1, s).mean((1, 3)).reshape(3, -1)
            phase, peak = max(phase, np.ptp(phases, 1).max()), max(peak, np.abs(e).max())
        edge = np.zeros((64, 64, 3), np.uint8)
        edge[:, 32:] = 255
        y = run(net, edge).astype(float)
        far = np.abs(np.concatenate([y[:, :16 * s].ravel(), 255 - y[:, 48 * s:].ravel()])).mean()
        row(name, f'{worst[0]:.3f}', str(worst[1]), f'{np.mean(means):.3f}', f'{phase:.3f}', f'{peak:.2f}', f'{far:.3f}')


def hard(models, o):
    rng, fonts = np.random.default_rng(31), synthetic.find_fonts()
    photos = [load_rgb(p) for p in sorted(glob.glob(f'{o.data}/images/Kodak24/*.png'))]
    inputs = [synthetic.hard(rng, 96, photos[int(rng.integers(len(photos)))], fonts) for _ in range(200)]
    head('model', 'worst', 'pictures above 40', 'above 80')
    for name, net in models:
        moved = []
        for x in inputs:
            e = run(net, x).reshape(96, net.scale, 96, net.scale, 3).mean((1, 3)) - x
            means = sum(e[i:94 + i, j:94 + j] for i in range(3) for j in range(3)) / 9
            moved.append(np.abs(means).max())
        row(name, f'{max(moved):.0f}', f'{sum(m > 40 for m in moved)} of {len(moved)}', f'{sum(m > 80 for m in moved)}')


def drawn(size=512):
    """A picture of everything that is easy to spoil, drawn here so that it belongs to nobody."""
    rng, fonts, half = np.random.default_rng(12), synthetic.find_fonts(), size // 2
    kinds = (('text', 'lines'), ('cells', 'grating'))
    return np.concatenate([np.concatenate([synthetic.tile(k, rng, half, fonts) for k in r], 1) for r in kinds])


def picture(models, o):
    """Side by side: Lanczos, the teacher where there is one, the model. Above a photograph, where one is named,
    below the drawn picture; both degraded and reduced first."""
    (name, net), = models
    s, rows = net.scale, []
    teacher = model_from(load_weights(o.teacher)) if o.teacher else None
    x, y, w, h = map(int, o.crop.split(','))
    for hr in ([load_rgb(o.picture)[y:y + h, x:x + w]] if o.picture else []) + [drawn(512)[128:128 + h, 128:128 + w]]:
        lr = degrade(hr, s if name.startswith('faithful') else 4, np.random.default_rng(o.seed), o.way)
        panes = [lanczos(lr, s)]
        if teacher:
            t = run(teacher, lr)
            panes.append(t if s == 4 else bicubic(t, 1, 2))
        panes.append(run(net, lr))
        gap = np.full((panes[0].shape[0], 4, 3), 255, np.uint8)
        rows += [np.concatenate(sum([[p, gap] for p in panes], [])[:-1], 1)]
        rows += [np.full((4, rows[0].shape[1], 3), 255, np.uint8)]
    Image.fromarray(np.concatenate(rows[:-1])).save(o.out, quality=90, subsampling=0)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('what', choices=['faithful', 'swift', 'flat', 'hard', 'picture'])
    a.add_argument('models', nargs='+')
    a.add_argument('--data', default=os.environ.get('ENLARGE_TEST_DATA'))
    a.add_argument('--teacher')
    a.add_argument('--cache', help='keep the teacher\'s outputs here')
    a.add_argument('--picture')
    a.add_argument('--crop', default='0,0,256,256', help='x,y,width,height of what is shown, in output pixels')
    a.add_argument('--way', default='medium')
    a.add_argument('--seed', type=int, default=3)
    a.add_argument('--out')
    a.add_argument('--threads', type=int, default=1)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    models = []
    for path in o.models:
        w = load_weights(path)
        models.append((os.path.basename(path).rsplit('.', 1)[0], model_from(w)))
        print(f'{models[-1][0]}: {os.path.getsize(path)} bytes, {sum(v.numel() for v in w.values())} parameters, '
              f'{macs_per_input_pixel(w)} MAC per input pixel')
    {'faithful': faithful, 'swift': swift, 'flat': flat, 'hard': hard, 'picture': picture}[o.what](models, o)


if __name__ == '__main__':
    main()

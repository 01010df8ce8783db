#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains one built-in model on the pairs of make_data.py.

  train.py fine-x4 --shape 64x8 --cache CACHE --out RUNS --steps 20000 [--init begun.safetensors] [--resume]

The name's last letter is its scale; --shape is features x inner convolutions. Muon for the square inner convolutions, Adam
for the rest, averaged weights. Writes OUT/NAME.pt (to resume), NAME.safetensors (averaged, float16), NAME.log (the curve).
The learning rate is constant, then falls as a cosine during the last --decay steps, or from now on until the clock shows
--until. A file OUT/NAME.stop ends the run at the next checkpoint.
"""
import argparse
import copy
import glob
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import synthetic
from common import Compact, load_weights, macs_per_input_pixel, model_from, save_weights

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


class Muon(torch.optim.Optimizer):
    """Square convolutions: momentum, orthogonalised (Newton-Schulz). Everything else: Adam."""

    def __init__(self, net, lr):
        matrices, rest = [], []
        for p in net.parameters():
            (matrices if p.ndim == 4 and p.shape[0] == p.shape[1] else rest).append(p)
        super().__init__([{'params': matrices, 'muon': True}, {'params': rest, 'muon': False}], {'lr': lr})

    @staticmethod
    def orthogonal(g):
        x = g.reshape(g.shape[0], -1)
        x = x / (x.norm() + 1e-9)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return x.reshape(g.shape)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                s = self.state[p]
                if not s:
                    s['n'], s['m'], s['v'] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s['n'] += 1
                if group['muon']:
                    s['m'].mul_(0.95).add_(p.grad)
                    p.sub_(self.orthogonal(p.grad + 0.95 * s['m']), alpha=group['lr'] * group['gain'])
                else:
                    s['m'].lerp_(p.grad, 0.1)
                    s['v'].lerp_(p.grad.square(), 0.01)
                    m, v = s['m'] / (1 - 0.9 ** s['n']), s['v'] / (1 - 0.99 ** s['n'])
                    p.sub_(m / (v.sqrt() + 1e-8), alpha=group['lr'])


class Pairs:
    """Random patches. New chunks that appear in the cache are taken up. Patches that show something are preferred: of
    two candidates the one with more contrast, four times in five. Never turned or mirrored: the teacher is no friend of
    symmetry (it agrees with its own mirrored output to 33 dB), and a student would average the difference away."""

    def __init__(self, cache, scale, patch, rng, shares):
        self.cache, self.scale, self.patch, self.rng = cache, scale, patch, rng
        self.shares = {**shares, None: 1 - sum(shares.values())}  # None: all others
        self.seen, self.kinds = [], {kind: [] for kind in self.shares}
        self.refresh()

    def refresh(self):
        for p in sorted(glob.glob(f'{self.cache}/c*_lr.npy')):
            large = p.replace('_lr', f'_x{self.scale}')
            if p in self.seen or not os.path.exists(large) or p.endswith('.tmp.npy'):
                continue
            self.seen.append(p)
            pair = np.load(p, mmap_mode='r'), np.load(large, mmap_mode='r')
            for i, kind in enumerate(np.load(p.replace('_lr', '_kind'))):
                self.kinds[str(kind) if str(kind) in self.shares else None].append((*pair, i))

    def pick(self, kind):
        among = self.kinds[kind]
        lr, hr, i = among[self.rng.integers(len(among))]
        n, s = self.patch, self.scale
        y, x = self.rng.integers(0, lr.shape[1] - n + 1), self.rng.integers(0, lr.shape[2] - n + 1)
        return lr[i, y:y + n, x:x + n], hr[i, s * y:s * (y + n), s * x:s * (x + n)]

    def one(self):
        kind = list(self.shares)[self.rng.choice(len(self.shares), p=list(self.shares.values()))]
        a = self.pick(kind)
        if self.rng.random() < 0.8:
            b = self.pick(kind)
            if b[0][::2, ::2].std() > a[0][::2, ::2].std():
                a = b
        return a

    def batch(self, n):
        return [as_tensor([p[k] for p in pairs]) for pairs in [[self.one() for _ in range(n)]] for k in (0, 1)]

    def flats(self, n):
        """Small pictures of one colour; every place in them, the border too, is seen."""
        return as_tensor([synthetic.flat(self.rng, (24, 24, 3)) for _ in range(n)])


def as_tensor(pictures):
    t = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 255)
    return t.contiguous(memory_format=torch.channels_last)


def bands(y):
    """Differences of a luma picture, across and down, as it is and halved."""
    h = F.avg_pool2d(y, 2)
    return [y[..., 1:] - y[..., :-1], y[..., 1:, :] - y[..., :-1, :], h[..., 1:] - h[..., :-1], h[..., 1:, :] - h[..., :-1, :]]


def charbonnier(d, eps):
    return (d * d + eps**2).sqrt().mean()


def borders(d, way, scale):
    """Of differences across (0) or down (1) those between two enlarged input pixels."""
    return d[..., scale - 1::scale] if way == 0 else d[..., scale - 1::scale, :]


def strengths(d, size):
    return F.avg_pool2d(d.abs(), size, [max(1, n // 2) for n in size])


def losses(got, want, o, scale):
    """Charbonnier; differences (edges in their places); strength of the differences around every place (as sharp as the
    teacher even where the student cannot know the phase of a texture); both once more for the differences between enlarged
    input pixels alone (no bricks)."""
    total = charbonnier(got - want, o.eps)
    if o.grad or o.energy or o.brick:
        a = bands((got * LUMA).sum(1, keepdim=True))
        with torch.no_grad():
            b = bands((want * LUMA).sum(1, keepdim=True))
        for i, (p, q) in enumerate(zip(a, b)):
            if o.grad:
                total = total + o.grad / 4 * (p - q).abs().mean()
            if o.energy:  # windows of 8 pixels, every 4
                n = 8 if i < 2 else 4
                total = total + o.energy / 4 * (strengths(p, [n, n]) - strengths(q, [n, n])).abs().mean()
            if o.brick and i < 2:
                p, q = borders(p, i, scale), borders(q, i, scale)
                size = [8, 8 // scale] if i == 0 else [8 // scale, 8]
                apart = (p - q).abs().mean() + 4 * (strengths(p, size) - strengths(q, size)).abs().mean()
                total = total + o.brick / 2 * apart
    return total


def learning_rate(step, o, t0):
    left = (o.until - time.time()) / (o.until - t0) if o.until else (o.steps - step) / max(1, o.decay)
    fall = 1 if left >= 1 else 0.5 - 0.5 * math.cos(math.pi * max(0, left))
    return max(0.01 * o.lr, o.lr * fall) * min(1, (step + 1) / 100)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('name')
    a.add_argument('--shape', default='64x8', help='features x inner convolutions')
    a.add_argument('--cache', required=True)
    a.add_argument('--out', required=True)
    a.add_argument('--steps', type=int, default=20000)
    a.add_argument('--decay', type=int, default=15000)
    a.add_argument('--until', type=float, default=0, help='end at this time, seconds since 1970; the rate falls from now until then')
    a.add_argument('--lr', type=float, default=5e-4)
    a.add_argument('--muon', type=float, default=2, help='gain of the matrix steps')
    a.add_argument('--batch', type=int, default=4)
    a.add_argument('--patch', type=int, default=56)
    a.add_argument('--edge', type=int, default=0, help='input pixels along the patch border that the loss does not look at')
    a.add_argument('--ema', type=float, default=0.999)
    a.add_argument('--eps', type=float, default=1e-3, help='Charbonnier constant: large is L2, small is L1')
    a.add_argument('--grad', type=float, default=0.5)
    a.add_argument('--energy', type=float, default=4.0)
    a.add_argument('--brick', type=float, default=0, help='weight of differences between enlarged input pixels')
    a.add_argument('--flat', type=float, default=0.15, help='weight of the loss on four small pictures of one colour')
    a.add_argument('--hard', type=float, default=0.16, help='share of patches that no lens has softened')
    a.add_argument('--aliased', type=float, default=0.13, help='share of patches of drawings reduced without a filter')
    a.add_argument('--init', help='begin as this network')
    a.add_argument('--resume', action='store_true')
    a.add_argument('--seed', type=int, default=1)
    a.add_argument('--every', type=int, default=500)
    o = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(o.seed)
    os.makedirs(o.out, exist_ok=True)
    path, scale = f'{o.out}/{o.name}', int(o.name[-1])

    net = model_from(load_weights(o.init)) if o.init else Compact(scale, *map(int, o.shape.split('x'))).initialise()
    assert net.scale == scale and net.shape() == o.shape, f'{o.init} is {net.shape()} at x{net.scale}, not {o.shape} at x{scale}'
    net = net.train().to(memory_format=torch.channels_last)
    average, optimiser, step = copy.deepcopy(net), Muon(net, o.lr), 0
    if o.resume:
        saved = torch.load(path + '.pt')
        net.load_state_dict(saved['net'])
        average.load_state_dict(saved['average'])
        optimiser.load_state_dict(saved['optimiser'])
        step = saved['step']
    pairs = Pairs(o.cache, scale, o.patch, np.random.default_rng([o.seed, step]),
                  {'hard': o.hard, 'aliased': o.aliased})

    def note(text):
        print(text, flush=True)
        with open(path + '.log', 'a') as f:
            f.write(text + '\n')

    note(f'# torch {torch.__version__} {vars(o)}')
    note(f'# {macs_per_input_pixel(net.state_dict())} multiplications per input pixel')
    total, t0, m = 0.0, time.time(), scale * o.edge
    while step < o.steps:
        for g in optimiser.param_groups:
            g['lr'], g['gain'] = learning_rate(step, o, t0), o.muon
        x, want = pairs.batch(o.batch)
        got, flat = net(x), pairs.flats(4)
        loss = losses(got[:, :, m:-m, m:-m], want[:, :, m:-m, m:-m], o, scale) if m else losses(got, want, o, scale)
        total += loss.item()
        if o.flat:
            wide = F.interpolate(flat, scale_factor=scale, mode='nearest')
            loss = loss + o.flat * charbonnier(net(flat) - wide, o.eps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(o.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for p, q in zip(average.parameters(), net.parameters()):
                p.lerp_(q, 1 - keep)
        late = o.until and time.time() > o.until
        if step % o.every == 0 or step == o.steps or late:
            note(f'step {step} loss {total / (step % o.every or o.every):.5f} lr {optimiser.param_groups[0]["lr"]:.2e} '
                 f'seconds {time.time() - t0:.0f} cpu {time.process_time():.0f} chunks {len(pairs.seen)}')
            total = 0.0
            torch.save({'net': net.state_dict(), 'average': average.state_dict(), 'optimiser': optimiser.state_dict(), 'step': step},
                       path + '.tmp')
            os.replace(path + '.tmp', path + '.pt')
            save_weights(path + '.safetensors', average.state_dict(), {'name': o.name, 'step': step})
            pairs.refresh()
            if late or os.path.exists(path + '.stop'):
                break


if __name__ == '__main__':
    main()

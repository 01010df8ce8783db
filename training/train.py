# SPDX-License-Identifier: Apache-2.0
"""Trains one built-in model from the arrays that precompute.py wrote.

  train.py swift-x4 --cache DIR --out DIR --steps 9000 --decay 3000 [--init other.safetensors] [--resume]

Writes OUT/NAME.pt (everything needed to resume), OUT/NAME.safetensors (the averaged weights) and appends to OUT/NAME.log.
The learning rate is constant, then falls as a cosine during the last `--decay` steps, so a run can be prolonged
by resuming it with more steps. A file OUT/NAME.stop ends the run at the next checkpoint.
"""
import argparse
import copy
import glob
import os
import time

import numpy as np
import torch

import synthetic
from common import Compact, load_weights, luma, psnr, run, save_weights

FLAT = 0.07  # share of patches that are one colour


class Muon(torch.optim.Optimizer):
    """Adam for vectors and for the first and last layers; for the matrices between them momentum,
    orthogonalised (Newton-Schulz). A stack of 32-feature convolutions needs about half as many steps."""

    def __init__(self, net, lr):
        matrices, rest = [], []
        for name, p in net.named_parameters():
            inner = p.ndim == 4 and 3 < p.shape[1] and p.shape[0] == p.shape[1]
            (matrices if inner else rest).append(p)
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


class Patches:
    """Random patches with their targets; unless `upright`, the same symmetry applied to both."""

    def __init__(self, name, cache, patch, rng, upright, hard_share):
        self.scale, self.patch, self.rng, self.upright, self.hard_share = int(name[-1]), patch, rng, upright, hard_share
        load = lambda n: np.load(f'{cache}/{n}.npy', mmap_mode='r')
        if name.startswith('faithful'):
            self.pairs = []
            for size in ('', '_half'):
                target, low = load(f'hr{size}'), f'lr{self.scale}'
                self.pairs += [(load(f'{low}_clean{size}'), target)] * 6 + [(load(f'{low}_mild{size}'), target)]
        else:
            rounds = sorted(glob.glob(f'{cache}/swift*_lr.npy'))
            self.pairs = [(np.load(p, mmap_mode='r'), np.load(p.replace('_lr', f'_x{self.scale}'), mmap_mode='r'))
                          for p in rounds]
        self.hard = [(np.load(p, mmap_mode='r'), np.load(p.replace('_lr.npy', f'_{name.replace("-", "_")}.npy'), mmap_mode='r'))
                     for p in sorted(glob.glob(f'{cache}/hard*_lr.npy'))]

    def one(self):
        s, n, rng = self.scale, self.patch, self.rng
        if rng.random() < FLAT:
            flat = synthetic.flat(rng, (n, n, 3))
            return flat, np.broadcast_to(flat[0, 0], (n * s, n * s, 3))
        pairs = self.hard if self.hard and rng.random() < self.hard_share else self.pairs
        lr, hr = pairs[rng.integers(len(pairs))]
        i = rng.integers(len(lr))
        y, x = rng.integers(0, lr.shape[1] - n + 1), rng.integers(0, lr.shape[2] - n + 1)
        a, b = lr[i, y:y + n, x:x + n], hr[i, y * s:(y + n) * s, x * s:(x + n) * s]
        if self.upright:
            return a, b
        turn, flip = rng.integers(4), rng.integers(2)
        a, b = np.rot90(a, turn), np.rot90(b, turn)
        return (a[:, ::-1], b[:, ::-1]) if flip else (a, b)

    def batch(self, n):
        pairs = [self.one() for _ in range(n)]
        return [torch.from_numpy(np.stack([p[k] for p in pairs]).transpose(0, 3, 1, 2).astype(np.float32) / 255)
                for k in (0, 1)]


def held_out(name, cache):
    """A few whole inputs for the log; not a score, only a curve. They are trained on: see evaluate.py for scores."""
    scale = int(name[-1])
    if name.startswith('faithful'):
        lr, hr = (np.load(f'{cache}/{n}.npy', mmap_mode='r') for n in (f'lr{scale}_clean', 'hr'))
    else:
        lr, hr = (np.load(f'{cache}/swift0_{n}.npy', mmap_mode='r') for n in ('lr', f'x{scale}'))
    return [(lr[i][:96, :96], hr[i][:96 * scale, :96 * scale]) for i in range(5, 400, 25)]


def learning_rate(step, o):
    left = (o.steps - step) / max(1, o.decay)
    fall = 1 if left >= 1 else 0.5 - 0.5 * np.cos(np.pi * left)
    return max(0.01 * o.lr, o.lr * fall) * min(1, (step + 1) / 100)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('name', choices=['swift-x2', 'swift-x4', 'faithful-x2', 'faithful-x4'])
    a.add_argument('--cache', required=True)
    a.add_argument('--out', required=True)
    a.add_argument('--steps', type=int, default=8000)
    a.add_argument('--decay', type=int, default=3000)
    a.add_argument('--lr', type=float, default=1e-3)
    a.add_argument('--muon', type=float, default=0, help='gain of the matrix steps; 0: Adam for everything')
    a.add_argument('--batch', type=int, default=8)
    a.add_argument('--patch', type=int, default=48)
    a.add_argument('--ema', type=float, default=0.999)
    a.add_argument('--luma', type=float, default=0.0, help='share of the loss that looks at luma alone')
    a.add_argument('--eps', type=float, default=1e-3, help='Charbonnier constant: large is L2, small is L1')
    a.add_argument('--init', help='begin with these weights; layers of another shape are left as they are')
    a.add_argument('--upright', action='store_true', help='never turn or mirror: the teacher is no friend of symmetry')
    a.add_argument('--hard', type=float, default=0.2, help='share of patches that nothing has softened, if the cache has any')
    a.add_argument('--resume', action='store_true')
    a.add_argument('--seed', type=int, default=1)
    a.add_argument('--every', type=int, default=500)
    o = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(o.seed)
    os.makedirs(o.out, exist_ok=True)
    path = f'{o.out}/{o.name}'

    net = Compact(int(o.name[-1])).initialise()
    if o.init:
        mine = net.state_dict()
        net.load_state_dict({k: v if v.shape == mine[k].shape else mine[k] for k, v in load_weights(o.init).items()})
    average = copy.deepcopy(net)
    adam = Muon(net, o.lr) if o.muon else torch.optim.Adam(net.parameters(), o.lr, (0.9, 0.99))
    step = 0
    if o.resume:
        saved = torch.load(path + '.pt')
        net.load_state_dict(saved['net'])
        average.load_state_dict(saved['average'])
        adam.load_state_dict(saved['adam'])
        step = saved['step']
    patches = Patches(o.name, o.cache, o.patch, np.random.default_rng([o.seed, step]), o.upright, o.hard)
    checks = held_out(o.name, o.cache)
    weigh_y = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)

    def note(text):
        print(text, flush=True)
        with open(path + '.log', 'a') as f:
            f.write(text + '\n')

    note(f'# {vars(o)}')
    total, t0 = 0.0, time.time()
    while step < o.steps:
        for g in adam.param_groups:
            g['lr'], g['gain'] = learning_rate(step, o), o.muon
        x, want = patches.batch(o.batch)
        d = net(x) - want
        loss = (d * d + o.eps**2).sqrt().mean()
        if o.luma:
            y = (d * weigh_y).sum(1)
            loss = (1 - o.luma) * loss + o.luma * (y * y + o.eps**2).sqrt().mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        step += 1
        total += loss.item()
        keep = min(o.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for p, q in zip(average.parameters(), net.parameters()):
                p.lerp_(q, 1 - keep)
        if step % o.every == 0 or step == o.steps:
            score = np.mean([psnr(luma(run(average, a)), luma(b), o.patch // 8) for a, b in checks])
            note(f'step {step} loss {total / (step % o.every or o.every):.5f} psnr_y {score:.3f} lr {adam.param_groups[0]["lr"]:.2e} '
                 f'seconds {time.time() - t0:.0f} cpu {time.process_time():.0f}')
            total = 0.0
            torch.save({'net': net.state_dict(), 'average': average.state_dict(), 'adam': adam.state_dict(),
                        'step': step}, path + '.tmp')
            os.replace(path + '.tmp', path + '.pt')
            save_weights(path + '.safetensors', average.state_dict(), {'name': o.name, 'step': step})
            if os.path.exists(path + '.stop'):
                break


if __name__ == '__main__':
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What least squares can do instead of hours of training. The first four make a student that begins as a network that is
already good, for train.py --init; the last is for the end.

  solve.py prune   TEACHER.pth OUT.safetensors --shape 64x23 --cache CACHE --patches 500   some of the teacher's layers
  solve.py slim    WIDE.safetensors OUT.safetensors --shape 32x8 --cache CACHE
  solve.py halve   X4.safetensors OUT.safetensors --cache CACHE   a network for x2 that makes the halved pictures of one for x4
  solve.py carry   BEGUN.safetensors OUT.safetensors --begun OTHER-BEGUN.safetensors --trained OTHER.safetensors
  solve.py settle  IN.safetensors OUT.safetensors --cache CACHE --tiles TILES   flat and hard pictures keep their colours

prune keeps layers that are spread evenly over the teacher's depth, and solves each convolution behind a gap anew, so that it
makes the teacher's features out of the student's. slim goes layer by layer: the most important features are kept, and the
convolution is solved anew so that it makes the wide network's features out of the narrow one's. halve copies all layers but
the last and solves that one so that it makes the halved output: exactly where nothing is clipped, since halving is linear.
They want a few hundred steps afterwards. carry adds to a network what training changed in another one that began alike (two
teachers, one trained from the other, pruned alike). settle changes the last convolution so that pictures of one colour stay
as they are, and hard ones (synthetic.hard) are not moved where they are moved by much, and others as little as may be.
"""
import argparse
import glob
import itertools

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import synthetic
from common import Compact, bicubic, load_weights, model_from, save_weights, shift
from make_data import drawn_from, guarded
from train import as_tensor


def prune(o):
    """Of the teacher's layers as many as the shape has, spread evenly; from the first gap on every convolution is solved anew,
    so that it makes the teacher's features out of the student's."""
    teacher = model_from(load_weights(o.source))
    net = Compact(teacher.scale, *map(int, o.shape.split('x'))).eval()
    kept = [0, *np.linspace(teacher.convs / net.convs, teacher.convs, net.convs).round().astype(int), teacher.convs + 1]
    big = small = patches(o, 40)
    at = 0
    for j, i in enumerate(kept):
        while at < i:
            big = through(teacher.body[2 * at + 1], through(teacher.body[2 * at], big))
            at += 1
        want = through(teacher.body[2 * i], big)
        if i != j:
            weight, bias = solved(small, want)
        else:
            weight, bias = teacher.body[2 * i].weight, teacher.body[2 * i].bias
        net.body[2 * j].weight.copy_(weight)
        net.body[2 * j].bias.copy_(bias)
        got = through(net.body[2 * j], small)
        print(f'layer {i} as {j}: unexplained {((got - want).square().mean() / want.var()).item():.4f}', flush=True)
        if i <= teacher.convs:
            net.body[2 * j + 1].weight.copy_(teacher.body[2 * i + 1].weight)
            small = through(net.body[2 * j + 1], got)
    return net.state_dict()


def through(layer, x):
    return torch.cat([layer(part) for part in x.split(8)])


def solved(inputs, targets, ridge=1e-6):
    """The weights and bias of a 3x3 convolution that makes `targets` of `inputs` best; sums in double."""
    gram, cross = 0, 0
    for x, t in zip(inputs.split(4), targets.split(4)):
        columns = F.unfold(x, 3, padding=1)
        columns = torch.cat([columns, torch.ones_like(columns[:, :1])], 1).transpose(0, 1).flatten(1)
        gram = gram + (columns @ columns.T).double()
        cross = cross + (t.transpose(0, 1).flatten(1) @ columns.T).double()
    gram += ridge * gram.trace() / len(gram) * torch.eye(len(gram))
    w = torch.linalg.solve(gram, cross.T).T.float()
    return w[:, :-1].reshape(len(w), -1, 3, 3), w[:, -1]


def grams(inputs, wrong, share):
    """(columns x columns, outputs x columns) of a 3x3 convolution's inputs, and of what is wrong with its outputs; each picture,
    or each place of it, counts with its share."""
    gram = cross = 0
    for x, e, w in zip(inputs.split(4), wrong.split(4), share.split(4)):
        w = w.sqrt()  # on both sides of a product
        columns = F.unfold(x, 3, padding=1)
        columns = torch.cat([columns, torch.ones_like(columns[:, :1])], 1)
        columns = (columns * w.flatten(2)).transpose(0, 1).flatten(1)
        gram = gram + (columns @ columns.T).double()
        cross = cross + ((e * w).transpose(0, 1).flatten(1) @ columns.T).double()
    return gram, cross, inputs.numel() // inputs.shape[1]


def settle(o):
    net = model_from(load_weights(o.source))
    last, rng, fonts = net.body[-1], np.random.default_rng(4), synthetic.find_fonts()
    grey = [(g, g, g) for g in range(0, 256, 5)]
    some = [tuple(c) for c in np.round(255 * rng.beta(0.5, 0.5, (60, 3))).astype(int)]
    ends = rng.integers(0, 12, (24, 3))  # nearly black, nearly white
    colours = [*grey, *itertools.product((0, 64, 128, 192, 255), repeat=3), *some, *ends[::2], *(255 - ends[1::2])]
    flat = torch.from_numpy(np.array(colours, np.float32) / 255)[:, :, None, None].expand(-1, -1, 40, 40)
    photos = drawn_from(o.tiles, rng)
    hard = np.stack([np.ascontiguousarray(synthetic.hard(rng, 64, next(photos), fonts)) for _ in range(o.hard)])
    x, hard_x = patches(o, 48), as_tensor(hard)
    features = net.body[:-1](x)
    there, _, m = grams(features, features[:, :1], torch.ones(len(x), 1, 1, 1))
    on_flat = torch.cat([net.body[:-1](t) for t in flat.split(8)])
    on_hard = torch.cat([net.body[:-1](t) for t in hard_x.split(8)])
    share, ring = torch.ones(len(flat), 1, 1, 1), torch.full((1, 1, 40, 40), 4.0)
    ring[:, :, 2:-2, 2:-2] = 1  # colours must hold along the borders too, of which there are few
    total = torch.zeros(last.weight.shape[0], last.weight[0].numel() + 1, dtype=torch.float64)  # from where it began
    for turn in range(o.turns):
        out = lambda f, t: (F.pixel_shuffle(last(f), net.scale) + F.interpolate(t, scale_factor=net.scale, mode='nearest')).clamp(0, 1)
        wrong = out(on_flat, flat) - flat[:, :, :1, :1]
        large = torch.cat([out(f, t) for f, t in zip(on_hard.split(8), hard_x.split(8))])
        sane = as_tensor([guarded(a, b, 15, 30) for a, b in zip(np.round(large.permute(0, 2, 3, 1).numpy() * 255), hard)])
        moved = [shift(np.round(a * 255), b) for a, b in zip(large.permute(0, 2, 3, 1).numpy(), hard)]
        places = wrong[:, :, 12 * net.scale:-12 * net.scale, 12 * net.scale:-12 * net.scale]
        places = F.pixel_unshuffle(places, net.scale).mean((2, 3)).unflatten(1, (3, -1))
        places = (places.amax(2) - places.amin(2)).amax(1).view(-1, 1, 1, 1)  # a checkerboard within the enlarged pixels
        off = wrong.abs().mean((1, 2, 3), keepdim=True)
        print(f'turn {turn}: flat mean {off.mean() * 255:.3f}, worst {off.max() * 255:.2f}, '
              f'checkerboard {places.max() * 255:.2f}; hard worst {max(moved):.0f}, above 40 {sum(v > 40 for v in moved)}, '
              f'above 30 {sum(v > 30 for v in moved)} of {len(moved)}')
        if turn == o.turns - 1:
            return net.state_dict()
        share = (share * (torch.maximum(off, places) * 255 / 0.25).clamp(0.5, 3)).clamp(0.1, 100)  # the worst count most
        a, p, n = grams(on_flat, F.pixel_unshuffle(wrong, net.scale), share * ring)
        those = [i for i, v in enumerate(moved) if v > 20]
        weights = torch.tensor([(moved[i] - 20) / 10 for i in those], dtype=torch.float32).view(-1, 1, 1, 1)
        b, q, k = grams(on_hard[those], F.pixel_unshuffle((large - sane)[those], net.scale), weights)
        gram = there / m + o.flat * a / n + o.hard_weight * b / k + 1e-9 * torch.eye(len(a))
        change = -torch.linalg.solve(gram, (total @ there / m + o.flat * p / n + o.hard_weight * q / k).T).T
        total += change
        print(f'  other pictures have changed by {((total @ there * total).sum() / m / len(total)).sqrt() * 255:.2f} of 255', flush=True)
        last.weight += change[:, :-1].reshape(last.weight.shape).float()
        last.bias += change[:, -1].float()


def patches(o, size):
    """Pieces of the small pictures of all chunks."""
    rng, x = np.random.default_rng(3), []
    chunks = [np.load(p, mmap_mode='r') for p in sorted(glob.glob(f'{o.cache}/c*_lr.npy'))]
    for _ in range(o.patches):
        lr = chunks[rng.integers(len(chunks))]
        i, (y, z) = rng.integers(len(lr)), rng.integers(0, 128 - size + 1, 2)
        x.append(lr[i, y:y + size, z:z + size])
    return torch.from_numpy(np.stack(x).transpose(0, 3, 1, 2).astype(np.float32) / 255)


def slim(o):
    wide = model_from(load_weights(o.source))
    net = Compact(wide.scale, *map(int, o.shape.split('x')))
    assert net.convs == wide.convs, f'{o.source} has {wide.convs} inner convolutions; slim keeps their number'
    big = small = patches(o, 40)
    convs = [i for i, m in enumerate(net.body) if isinstance(m, nn.Conv2d)]
    for at, following in zip(convs, convs[1:] + [None]):
        want = wide.body[at](big)
        if following is None:
            keep = torch.arange(want.shape[1])
        else:
            big = wide.body[at + 1](want)
            weight = wide.body[following].weight.square().sum((0, 2, 3)).sqrt() * big.std((0, 2, 3))
            keep = weight.argsort(descending=True)[:net.features].sort()[0]
        weight, bias = solved(small, want[:, keep])
        net.body[at].weight.copy_(weight)
        net.body[at].bias.copy_(bias)
        got = net.body[at](small)
        print(f'body.{at}: {len(keep)} features, unexplained {((got - want[:, keep]).square().mean() / want[:, keep].var()).item():.4f}')
        if following is not None:
            net.body[at + 1].weight.copy_(wide.body[at + 1].weight[keep])
            small = net.body[at + 1](got)
    return net.state_dict()


def halve(o):
    large = model_from(load_weights(o.source))
    net, x = Compact(2, large.features, large.convs), patches(o, 48)
    weights = {k: v for k, v in large.state_dict().items() if not k.startswith(f'body.{2 * large.convs + 2}.')}
    pictures = large(x).clamp(0, 1).numpy().transpose(0, 2, 3, 1)
    halves = np.stack([bicubic(np.round(p * 255).astype(np.uint8), 1, 2) for p in pictures]).astype(np.float32) / 255
    wanted = torch.from_numpy(halves.transpose(0, 3, 1, 2)) - F.interpolate(x, scale_factor=2, mode='nearest')
    inner = slice(4, -4)  # borders are another matter
    features = large.body[:-1](x)
    weight, bias = solved(features[:, :, inner, inner], F.pixel_unshuffle(wanted, 2)[:, :, inner, inner])
    got = F.conv2d(features, weight, bias, padding=1)[:, :, inner, inner]
    print(f'error {((got - F.pixel_unshuffle(wanted, 2)[:, :, inner, inner]).square().mean().sqrt() * 255).item():.2f} of 255')
    last = f'body.{2 * net.convs + 2}'
    return {**weights, last + '.weight': weight, last + '.bias': bias}


def carry(o):
    net, begun, trained = (load_weights(p) for p in (o.source, o.begun, o.trained))
    return {k: net[k] + trained[k] - begun[k] for k in net}


WAYS = {'prune': prune, 'slim': slim, 'halve': halve, 'carry': carry, 'settle': settle}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('how', choices=list(WAYS))
    a.add_argument('source')
    a.add_argument('out')
    a.add_argument('--shape', default='64x8')
    a.add_argument('--cache')
    a.add_argument('--patches', type=int, default=40)
    a.add_argument('--tiles')
    a.add_argument('--begun', help='for `carry`: how the other network began')
    a.add_argument('--trained', help='for `carry`: what became of it')
    a.add_argument('--hard', type=int, default=80, help='for `settle`: so many hard pictures')
    a.add_argument('--flat', type=float, default=1, help='for `settle`: weight of pictures of one colour against all others')
    a.add_argument('--hard-weight', type=float, default=0.15, help='for `settle`')
    a.add_argument('--turns', type=int, default=8, help='for `settle`')
    o = a.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        save_weights(o.out, WAYS[o.how](o), {'step': 0})


if __name__ == '__main__':
    main()

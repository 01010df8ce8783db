#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scores models on pictures that nobody trained on, as Markdown tables, and draws panels.

  measure.py scores   FILE... --data DATA --engine enlarge --teacher realesr-general-x4v3.pth --keep DIR [--each] [--quick]
  measure.py faithful FILE... --data DATA
  measure.py guard    FILE... --data DATA
  measure.py steady   FILE... --data DATA
  measure.py legible  FILE... [--engine enlarge --teacher realesr-general-x4v3.pth]
  measure.py panel    FILE... (as scores) --pictures 0014.jpg:60,40,64,64 kodak:5:20,20,64,64 ... --out panel.png
  measure.py card     FILE --out comparison.jpg [--picture photo.jpg] [--engine ... --teacher ...]
  measure.py chart    FILE... (as scores) --out chart.svg
  measure.py readme   models/*.safetensors (as scores) --wdn-teacher W.pth --drawing-teacher D.pth --out README.md

FILE is any Compact network; `lanczos` is a FILE too. DATA (or the environment's ENLARGE_TEST_DATA) holds images/Kodak24/N.png,
images/Real-ESRGAN-inputs/ and images/Set5/x2/img_001_HR.png, ..._LR.png.

scores    distance to the teacher, for x2 to its halved picture, on 48 Kodak inputs damaged in four seeded ways, and on
          Real-ESRGAN's 13 demo inputs (at most 256x256 of their middle); with --sets lines on the drawings of the
          latter and 20 frames of an animated film:
  psnr, ssim   of RGB, and of luma
  sharp        mean gradient of luma, relative to the teacher's (1 = as sharp)
  local        mean over 16x16 blocks of |gradient - teacher's|, relative to the teacher's (0 = the same everywhere)
  hist         distance of the two distributions of gradients (Wasserstein), relative to the teacher's mean
  block        energy of differences across the borders of input pixels over that at the other places, relative to the
               teacher's (1 = no trace of the grid); `worst` is the worst demo input
faithful  PSNR and SSIM of luma to the original, on MATLAB's bicubic reductions of Set5 and Set14, as the literature does it
guard     hard: how far the mean of 3x3 input pixels moves, of 255, on 200 pictures of pixel art, dithering, noise and bands of
          photographs (not the seed that trains). flat: how far a picture of one colour moves, over greys and primaries;
          grey: how far from grey a grey picture may come; phase: the largest difference between two places within an
          enlarged pixel (a checkerboard)
steady    four Kodak pictures reduced by 4, each as a still clip of eight noisy frames: mean difference of luma
          between a frame and the next, of 255, and relative to Lanczos' (below 1 = flickers less than that)
legible   text of 8 and 10 pixels in up to six fonts, dark on light and light on dark, enlarged by 4 (x2: by 2 and plainly
          doubled) and read by tesseract: share of the letters that are right
chart     nearness to the teacher on the demo inputs against the time for a megapixel, by `engine bench` on this
          machine: run it with nothing else running
readme    writes all of it between the marks of models/README.md
"""
import argparse
import glob
import itertools
import json
import os
import re
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import synthetic
from common import bicubic, lanczos, load_rgb, load_weights, luma, macs_per_input_pixel, model_from, psnr, run, shift, ssim
from degrade import degrade
from make_data import teach

WAYS = ('clean', 'mild', 'medium', 'heavy')


class Model:
    """A FILE. `lanczos` has no weights; its scale is that of whatever it is compared with."""

    def __init__(self, path, scale=4):
        self.name = 'Lanczos' if path == 'lanczos' else os.path.basename(path).rsplit('.', 1)[0]
        self.net = None if path == 'lanczos' else model_from(load_weights(path))
        self.scale = self.net.scale if self.net else scale
        self.macs = macs_per_input_pixel(self.net.state_dict()) if self.net else 0

    def __call__(self, rgb8):
        return run(self.net, rgb8) if self.net else lanczos(rgb8, self.scale)


def row(*cells):
    return '| ' + ' | '.join(str(c) for c in cells) + ' |'


def head(*cells):
    return [row(*cells), row(*['---'] * len(cells))]


def degraded_kodak(data):
    """(way, uint8 input), the same pictures every time."""
    for way in WAYS:
        for n, path in enumerate(sorted(glob.glob(f'{data}/images/Kodak24/*.png'))):
            im = load_rgb(path)
            im = im[:im.shape[0] // 4 * 4, :im.shape[1] // 4 * 4]
            yield way, degrade(im, 4, np.random.default_rng([4711, n, WAYS.index(way)]), way)


def demo_inputs(data):
    return [(os.path.basename(p), load_rgb(p)) for p in sorted(glob.glob(f'{data}/images/Real-ESRGAN-inputs/*'))
            if p.endswith(('.png', '.jpg'))]


def line_art(data):
    """The drawings among the demo inputs, and 20 frames of an animated film."""
    yield from ((n, x) for n, x in demo_inputs(data) if n == '0014.jpg' or 'comic' in n)
    with tempfile.TemporaryDirectory() as work:
        film, every = f'{data}/clips/onepiece_demo.mp4', r'select=not(mod(n\,9)),format=rgb24'
        subprocess.run(['ffmpeg', '-v', 'error', '-i', film, '-vf', every, '-vsync', '0', '-frames:v', '20',
                        f'{work}/%02d.png'], check=True)
        yield from (('frame ' + os.path.basename(p)[:2], load_rgb(p)) for p in sorted(glob.glob(work + '/*.png')))


def middle(x, n=256):
    y0, x0 = max(0, x.shape[0] - n) // 2, max(0, x.shape[1] - n) // 2
    return np.ascontiguousarray(x[y0:y0 + n, x0:x0 + n])


def taught(o, inputs, key):
    """The teacher's outputs, kept in --keep."""
    path = f'{o.keep}/{key}.npz' if o.keep else None
    if path and os.path.exists(path):
        with np.load(path) as f:
            return [f[k] for k in f.files]
    outputs = teach(o.engine, o.teacher, inputs)
    if path:
        os.makedirs(o.keep, exist_ok=True)
        np.savez(path, *outputs)
    return outputs


def gradients(rgb8):
    y = rgb8.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.diff(y, axis=1), np.diff(y, axis=0)


def block(gx, gy, scale):
    def energies(g):
        e = (g**2).mean(0)
        border = np.arange(len(e)) % scale == scale - 1
        return np.array([e[border].mean(), e[~border].mean()])
    a = energies(gx) + energies(gy.T)
    return a[0] / (a[1] + 1e-9)


def compare(out, want, scale, full=True):
    (ox, oy), (wx, wy) = gradients(out), gradients(want)
    a, b = (np.hypot(x[:-1], y[:, :-1]) for x, y in ((ox, oy), (wx, wy)))
    h, w = a.shape[0] // 16 * 16, a.shape[1] // 16 * 16
    cells = lambda t: t[:h, :w].reshape(h // 16, 16, w // 16, 16).mean((1, 3))
    return [psnr(out, want), ssim(luma(out), luma(want)) if full else np.nan, a.mean() / b.mean(),
            np.abs(cells(a) - cells(b)).mean() / b.mean(), np.abs(np.sort(a.ravel()) - np.sort(b.ravel())).mean() / b.mean(),
            block(ox, oy, scale) / block(wx, wy, scale)]


def sets_of(o):
    """[(label, inputs, the teacher's outputs, the inputs' names)]"""
    sets = []
    if 'kodak' in o.sets:
        kodak = [x for _, x in degraded_kodak(o.data)]
        wants, step = taught(o, kodak, 'kodak'), 3 if o.quick else 1
        sets.append(('Kodak', kodak[::step], wants[::step], None))
    for label, inputs in (('demo', demo_inputs), ('lines', line_art)):
        if label in o.sets:
            names, pictures = zip(*((n, middle(x)) for n, x in inputs(o.data)))
            sets.append((label, pictures, taught(o, pictures, label), names))
    return sets


def scores(models, o):
    sets = sets_of(o)
    table, each = head('model', 'set', 'PSNR dB', 'SSIM', 'sharp', 'local', 'hist', 'block', 'worst block'), {}
    for m in models:
        for label, inputs, wants, _ in sets:
            wants = wants if m.scale == 4 else [bicubic(t, 1, 2) for t in wants]
            got = [compare(m(x), t, m.scale, not o.quick) for x, t in zip(inputs, wants)]
            p = np.mean(got, 0)
            table.append(row(m.name, label, f'{p[0]:.2f}', f'{p[1]:.4f}', *(f'{v:.3f}' for v in p[2:]), f'{max(g[5] for g in got):.2f}'))
            each.setdefault(label, {})[m.name] = [f'{g[0]:.2f} / {g[5]:.2f}' for g in got]
    for label, _, _, names in sets if o.each else []:
        if names:
            table += ['', f'Each of `{label}`, PSNR / block:', '', *head('input', *each[label])]
            table += [row(n, *(values[i] for values in each[label].values())) for i, n in enumerate(names)]
    return table


def faithful(models, o):
    table = head('set', 'model', 'PSNR dB', 'SSIM', 'each')
    for name, scale in itertools.product(('Set5', 'Set14'), (2, 4)):
        pairs = sorted(glob.glob(f'{o.data}/images/{name}/x{scale}/*_HR.png'))
        these = [m for m in models if m.scale == scale]
        ways = [('bicubic', lambda x: bicubic(x, scale)), ('Lanczos', lambda x: lanczos(x, scale))] + [(m.name, m) for m in these]
        for way, f in ways if pairs and these else []:
            got = []
            for path in pairs:
                a, b = luma(f(load_rgb(path.replace('_HR', '_LR')))), luma(load_rgb(path))
                got.append((psnr(a, b, scale), ssim(a, b, scale)))
            p, q = np.mean(got, 0)
            table.append(row(f'{name} x{scale}', way, f'{p:.2f}', f'{q:.4f}', ' '.join(f'{v[0]:.2f}' for v in got)))
    return table


def flat_errors(f, scale, colour):
    """(mean error, distance from grey, difference of places within an enlarged pixel) of a picture of one colour."""
    e = f(np.broadcast_to(np.uint8(colour), (48, 48, 3))).astype(float) - colour
    inner = e[12 * scale:-12 * scale, 12 * scale:-12 * scale]
    phases = inner.reshape(24, scale, 24, scale, 3).mean((0, 2)).reshape(-1, 3)
    return np.abs(e).mean(), np.ptp(e, 2).max() if len(set(colour)) == 1 else 0, np.ptp(phases, 0).max()


def guard(models, o):
    rng, fonts = np.random.default_rng(31), synthetic.find_fonts()
    photos = [load_rgb(p) for p in sorted(glob.glob(f'{o.data}/images/Kodak24/*.png'))]
    inputs = [synthetic.hard(rng, 96, photos[int(rng.integers(len(photos)))], fonts) for _ in range(200)]
    flats = [(g, g, g) for g in range(0, 256, 3)] + list(itertools.product((0, 128, 255), repeat=3))
    table = head('model', 'hard: worst', 'above 40 of 200', 'above 80', 'flat: worst mean error', 'at', 'mean', 'grey', 'phase')
    for m in models:
        shifts = [shift(m(x), x) for x in inputs]
        means, greys, phases = zip(*(flat_errors(m, m.scale, c) for c in flats))
        table.append(row(m.name, f'{max(shifts):.0f}', sum(s > 40 for s in shifts), sum(s > 80 for s in shifts), f'{max(means):.2f}',
                         flats[int(np.argmax(means))], f'{np.mean(means):.3f}', f'{max(greys):.0f}', f'{max(phases):.2f}'))
    return table


def still_clip(picture, sigma, codec, rng):
    """Eight frames of a picture that does not move, each with noise of its own, as a codec leaves them."""
    h, w, _ = picture.shape
    frames = np.clip(np.round(picture + rng.normal(0, sigma, (8, h, w, 3))), 0, 255).astype(np.uint8)
    form, tool = ['-f', 'rawvideo', '-pix_fmt', 'rgb24'], ['ffmpeg', '-v', 'error']
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([*tool, *form, '-s', f'{w}x{h}', '-i', '-', *codec.split(), '-threads', '1', f'{work}/s.mkv'],
                       input=frames.tobytes(), check=True)
        raw = subprocess.run([*tool, '-i', f'{work}/s.mkv', *form, '-'], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)


def steady(models, o):
    rng, kinds = np.random.default_rng(7), {
        'as taken, noise of 6': (6, '-c:v ffv1'), 'MPEG-4, noise of 8': (8, '-c:v mpeg4 -q:v 5'),
        'H.264, noise of 8': (8, '-c:v libx264 -crf 23'), 'H.264, noise of 4': (4, '-c:v libx264 -crf 20')}
    photos = sorted(glob.glob(f'{o.data}/images/Kodak24/*.png'))[::6]
    pictures = [bicubic(load_rgb(p)[:256, :384], 1, 4) for p in photos]
    clips = [[still_clip(p, *kind, rng) for p in pictures] for kind in kinds.values()]
    apart = lambda f, clip: np.abs(np.diff([luma(f(x)) for x in clip], axis=0)).mean()
    difference = lambda f, these: np.mean([apart(f, clip) for clip in these])
    scales = {m.scale for m in models}
    plain = {scale: [difference(Model('lanczos', scale), these) for these in clips] for scale in scales}
    table = head('model', *kinds)
    for m in models:
        moved = [difference(m, these) for these in clips]
        table.append(row(m.name, *(f'{d:.2f} ({d / p:.2f})' for d, p in zip(moved, plain[m.scale]))))
    return table


TEXT = ('Whoever reads these small letters without a lens', 'has good eyes, or a picture that was made larger.',
        'Sixty zippers were quickly picked from the woven', 'jute bag; 1234567890 of them, by the judge\'s count.')


def pages(size):
    """Lines of text of `size` pixels, each page in a font of its own."""
    fonts = [p for p in synthetic.find_fonts() if re.search(r'/(DejaVuSans|DejaVuSerif|DejaVuSans-Bold|DejaVuSansMono|'
                                                            r'LiberationSans-Regular|FreeSans)[.]ttf$', p)]
    for n, font in enumerate(sorted(fonts)):
        paper, ink = ((255, 255, 255), (20, 20, 30)) if n % 2 == 0 else ((24, 32, 48), (235, 235, 225))
        face = ImageFont.truetype(font, size)
        page = Image.new('RGB', (20 + max(int(face.getlength(t)) for t in TEXT), 12 + 2 * size * len(TEXT)), paper)
        for i, line in enumerate(TEXT):
            ImageDraw.Draw(page).text((8, 6 + 2 * size * i), line, ink, face)
        yield np.asarray(page)


def read_by_machine(picture):
    with tempfile.TemporaryDirectory() as work:
        Image.fromarray(picture).save(f'{work}/p.png')
        return subprocess.run(['tesseract', f'{work}/p.png', '-', '--psm', '6'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True, text=True).stdout


def share_right(got, want):
    """1 - edit distance / length."""
    got, want, before = ' '.join(got.split()), ' '.join(want), None
    for i in range(len(got) + 1):
        line = [i]
        for j in range(1, len(want) + 1):
            line.append(j if not i else min(line[-1] + 1, before[j] + 1, before[j - 1] + (got[i - 1] != want[j - 1])))
        before = line if i else list(range(len(want) + 1))
    return max(0, 1 - before[-1] / len(want))


def legible(models, o):
    sizes = {size: list(pages(size)) for size in (8, 10)}
    table = head('model', *(f'{size} pixels' for size in sizes), 'worst page of 8')
    ways = [(m.name, lambda these, m=m: map(m, these), 4 // m.scale) for m in models]
    if o.teacher:
        ways.insert(0, ('teacher', lambda these: teach(o.engine, o.teacher, these), 1))
    for name, enlarged, more in ways:
        wide = lambda large: large.repeat(more, 0).repeat(more, 1)
        right = {size: [share_right(read_by_machine(wide(large)), TEXT) for large in enlarged(these)]
                 for size, these in sizes.items()}
        table.append(row(name, *(f'{100 * np.mean(r):.0f} %' for r in right.values()), f'{100 * min(right[8]):.0f} %'))
    return table


def save(path, rows):
    Image.fromarray(np.concatenate(rows)).save(path, **({'quality': 90, 'subsampling': 0} if path.endswith('.jpg') else {}))


def side_by_side(panes, gap=6):
    space = np.full((panes[0].shape[0], gap, 3), 255, np.uint8)
    line = np.concatenate(sum([[p, space] for p in panes], [])[:-1], 1)
    return [line, np.full((gap, line.shape[1], 3), 255, np.uint8)]


def panel(models, o):
    """Rows: crops, in input pixels. Columns: the files in their order, then the teacher."""
    kodak, demo, rows = None, dict(demo_inputs(o.data)), []
    for item in o.pictures:
        name, *rest = item.split(':')
        x0, y0, w, h = map(int, rest[-1].split(','))
        if name == 'kodak':
            kodak = kodak or [x for _, x in degraded_kodak(o.data)]
            x = kodak[int(rest[0])]
        else:
            x = demo[name] if name in demo else load_rgb(name)
        ya, xa = max(0, y0 - 40), max(0, x0 - 40)
        part = np.ascontiguousarray(x[ya:y0 + h + 40, xa:x0 + w + 40])
        t = taught(o, [part], 'panel_' + item.replace(':', '_').replace(',', '_').replace('/', '_'))[0]

        def cut(p):
            s = p.shape[0] // part.shape[0]
            p = p[s * (y0 - ya):s * (y0 - ya + h), s * (x0 - xa):s * (x0 - xa + w)]
            return p if s == 4 else p.repeat(4 // s, 0).repeat(4 // s, 1)
        rows += side_by_side([cut(m(part)) for m in models] + [cut(t)])
    save(o.out, rows[:-1])


def drawn(size):
    """A picture of everything that is easy to spoil, drawn here so that it belongs to nobody."""
    rng, fonts, half = np.random.default_rng(12), synthetic.find_fonts(), size // 2
    kinds = (('text', 'lines'), ('cells', 'grating'))
    return np.concatenate([np.concatenate([synthetic.tile(k, rng, half, fonts) for k in r], 1) for r in kinds])


def card(models, o):
    """Side by side: Lanczos, the teacher where there is one, the model. Above a photograph, where one is named, below the drawn
    picture; both damaged and reduced first."""
    (m,), rows = models, []
    x, y, w, h = map(int, o.crop.split(','))
    for hr in ([load_rgb(o.picture)[y:y + h, x:x + w]] if o.picture else []) + [drawn(512)[128:128 + h, 128:128 + w]]:
        lr = degrade(hr, m.scale if m.name.startswith('faithful') else 4, np.random.default_rng(o.seed), o.way)
        panes = [lanczos(lr, m.scale)]
        if o.teacher:
            t = teach(o.engine, o.teacher, [lr])[0]
            panes.append(t if m.scale == 4 else bicubic(t, 1, 2))
        rows += side_by_side(panes + [m(lr)], 4)
    save(o.out, rows[:-1])


def seconds_for_a_megapixel(engine, paths):
    """Of each, in turns: least of three times nine runs at 320x180, as the program chooses by itself."""
    def once(path):
        command = [engine, 'bench', '-m', path, '--size', '320x180', '--runs', '9', '--json']
        said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        return json.loads(said.splitlines()[0])['min_ms'] / 1000 / (320 * 180) * 1e6
    return [min(times) for times in zip(*([once(path) for path in paths] for _ in range(3)))]


def chart(models, o):
    """Points of (seconds, dB), the teacher's time as a line; the axis of time is logarithmic."""
    demo = [middle(x) for _, x in demo_inputs(o.data)]
    wants = taught(o, demo, 'demo')
    nets = [(m, path) for m, path in zip(models, o.files) if m.net]
    *times, teacher = seconds_for_a_megapixel(o.engine, [*(path for _, path in nets), o.teacher])
    points = [(m.name, time, np.mean([psnr(m(x), t) for x, t in zip(demo, wants)]))
              for (m, _), time in zip(nets, times)]
    plain = np.mean([psnr(lanczos(x, 4), t) for x, t in zip(demo, wants)])
    low, high = np.floor(plain) - 1, np.ceil(max(p[2] for p in points)) + 1
    left, right = 0.5 * min(p[1] for p in points), 2 * teacher
    x = lambda t: 70 + 530 * np.log(t / left) / np.log(right / left)
    y = lambda db: 320 - 280 * (db - low) / (high - low)
    text = lambda a, b, what, rest='': f'<text x="{a:.0f}" y="{b:.0f}" {rest}>{what}</text>'
    line = lambda a, b, c, d, rest='': f'<line x1="{a:.0f}" y1="{b:.0f}" x2="{c:.0f}" y2="{d:.0f}" {rest}/>'
    rows = [line(70, 320, 620, 320), line(70, 320, 70, 30),
            text(345, 358, 'seconds for a megapixel of input', 'text-anchor="middle"'), text(76, 24, 'PSNR to the teacher, dB: Real-ESRGAN’s demo inputs')]
    for t in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        if left < t < right:
            rows += [line(x(t), 320, x(t), 325), text(x(t), 340, t, 'text-anchor="middle"')]
    for db in range(int(low), int(high) + 1, 2):
        rows += [line(65, y(db), 70, y(db)), text(60, y(db) + 4, db, 'text-anchor="end"')]
    dashed = 'stroke-dasharray="4 4"'
    rows += [line(x(teacher), 320, x(teacher), 40, dashed), text(x(teacher) - 4, 52, 'teacher', 'text-anchor="end"'),
             line(70, y(plain), 620, y(plain), dashed), text(76, y(plain) - 5, 'Lanczos')]
    for name, t, db in points:
        rows += [f'<circle cx="{x(t):.0f}" cy="{y(db):.0f}" r="5" fill="#1668b8" stroke="none"/>',
                 text(x(t) + 9, y(db) + 4, name)]
    with open(o.out, 'w', encoding='utf-8') as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 370" font-family="sans-serif" '
                'font-size="13">\n<rect width="640" height="370" fill="#fff"/>\n<g stroke="#444" fill="#222">\n'
                + '\n'.join(rows).replace('<text', '<text stroke="none"') + '\n</g>\n</svg>\n')
    return head('model', 's for a megapixel', 'dB') + [row(n, f'{t:.2f}', f'{db:.2f}') for n, t, db in
                                                      [*points, (os.path.basename(o.teacher), teacher, np.inf)]]


# What stands in models/README.md: title, which models, the option that names their teacher, on what.
GROUPS = [('Nearness to the teacher', r'(fine|swift)-x', 'teacher', ['kodak', 'demo']),
          ('Partners, nearness to theirs', r'fine-wdn-x', 'wdn_teacher', ['kodak', 'demo']),
          ('Drawings, nearness to realesr-animevideov3', r'(drawing|swift)-x', 'drawing_teacher', ['lines'])]


def readme(models, o):
    """Everything between the two marks is written anew."""
    begin, end = '<!-- measured: training/measure.py readme -->', '<!-- end of what was measured -->'
    text = open(o.out, encoding='utf-8').read()
    before, after = text.split(begin)[0], text.split(end)[1]
    parts = ['Work and size:', '', *head('model', 'shape', 'multiplications per input pixel', 'bytes'),
             *(row(m.name, m.net.shape(), m.macs, os.path.getsize(p)) for m, p in zip(models, o.files)), '']
    for title, which, teacher, sets in GROUPS:
        those = [m for m in models if re.match(which, m.name)]
        parts += [f'{title} (x2: to its halved picture):', '']
        for scale in (4, 2):
            mine = argparse.Namespace(**{**vars(o), 'teacher': getattr(o, teacher), 'keep': f'{o.keep}/{teacher}',
                                         'sets': sets, 'each': True})
            parts += [*scores([Model('lanczos', scale)] + [m for m in those if m.scale == scale], mine), '']
    nearest = [m for m in models if m.name.startswith('faithful')]
    parts += ['Nearness to the original, on clean reductions:', '', *faithful(nearest, o), '',
              'Hard pictures and flat colours:', '', *guard(models, o),
              '', 'Stillness: difference of a frame from the next where nothing moves, and relative to Lanczos’:', '',
              *steady([Model('lanczos')] + models, o), '', 'Small text, letters that a machine reads right:', '',
              *legible([Model('lanczos')] + models, o)]
    open(o.out, 'w', encoding='utf-8').write(before + begin + '\n\n' + '\n'.join(parts) + '\n\n' + end + after)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = ['scores', 'faithful', 'guard', 'steady', 'legible', 'panel', 'card', 'chart', 'readme']
    a.add_argument('what', choices=jobs)
    a.add_argument('files', nargs='+')
    a.add_argument('--data', default=os.environ.get('ENLARGE_TEST_DATA'))
    a.add_argument('--engine', default='enlarge')
    a.add_argument('--teacher')
    a.add_argument('--wdn-teacher', help='of the partners, for readme')
    a.add_argument('--drawing-teacher', help='of the drawing ones, for readme')
    a.add_argument('--keep', help='keep the teacher\'s outputs here')
    a.add_argument('--sets', nargs='+', default=['kodak', 'demo'], choices=['kodak', 'demo', 'lines'])
    a.add_argument('--quick', action='store_true', help='every third Kodak input, no SSIM')
    a.add_argument('--each', action='store_true', help='also every demo input')
    a.add_argument('--pictures', nargs='*', default=[])
    a.add_argument('--picture')
    a.add_argument('--crop', default='0,0,256,256', help='x,y,width,height of what a card shows, in output pixels')
    a.add_argument('--way', default='medium')
    a.add_argument('--seed', type=int, default=3)
    a.add_argument('--out')
    o = a.parse_args()
    torch.set_num_threads(1)
    print('\n'.join(globals()[o.what]([Model(path) for path in o.files], o) or []))


if __name__ == '__main__':
    main()

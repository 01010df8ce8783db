#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What PyTorch makes of the same networks on the same GPU: channels_last, fp16, torch.compile.

    python3 bench/peers/pytorch_cuda.py [--size 1280x720] [--models x4v3,animevideov3,x4plus] [--json FILE]

Weights and pictures are random (speed does not depend on them; power does a little, and random is the honest side).
Inputs rotate through more memory than the L2 cache holds. Modes take turns, round after round, so that a card that gets
warm or is shared slows all of them alike. Times are medians of single frames by CUDA events; frames follow each other
without the host waiting in between, so that eager mode is not charged for an idle GPU. "End to end" is the rate of frames
of RGB8 from and to pinned host memory, copies on streams of their own, two frames on their way. Prints a table and each
model's best, writes JSON.
"""
import argparse
import json
import statistics
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit("PyTorch is not installed")


class Compact(nn.Module):
    """conv, PReLU, n x (conv, PReLU), conv, pixel shuffle, plus the picture."""

    def __init__(self, features, convs, scale):
        super().__init__()
        layers = [nn.Conv2d(3, features, 3, 1, 1), nn.PReLU(features)]
        for _ in range(convs):
            layers += [nn.Conv2d(features, features, 3, 1, 1), nn.PReLU(features)]
        layers += [nn.Conv2d(features, 3 * scale * scale, 3, 1, 1)]
        self.body, self.scale = nn.Sequential(*layers), scale

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Dense(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(features + i * growth, growth if i < 4 else features, 3, 1, 1) for i in range(5))

    def forward(self, x):
        parts = [x]
        for conv in self.convs[:4]:
            parts.append(F.leaky_relu(conv(torch.cat(parts, 1)), 0.2))
        return x + 0.2 * self.convs[4](torch.cat(parts, 1))


class Rrdb(nn.Module):
    def __init__(self, features, blocks, growth=32):
        super().__init__()
        self.first = nn.Conv2d(3, features, 3, 1, 1)
        self.blocks = nn.ModuleList(nn.Sequential(*(Dense(features, growth) for _ in range(3))) for _ in range(blocks))
        self.body, self.up1, self.up2, self.hr = (nn.Conv2d(features, features, 3, 1, 1) for _ in range(4))
        self.last = nn.Conv2d(features, 3, 3, 1, 1)

    def forward(self, x):
        first = y = self.first(x)
        for block in self.blocks:
            y = y + 0.2 * block(y)
        y = first + self.body(y)
        for up in (self.up1, self.up2):
            y = F.leaky_relu(up(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        return self.last(F.leaky_relu(self.hr(y), 0.2))


MODELS = {  # name: (module, multiplications per input pixel)
    "x4v3": (lambda: Compact(64, 32, 4), 1_209_024),
    "animevideov3": (lambda: Compact(64, 16, 4), 619_200),
    "x4plus": (lambda: Rrdb(64, 23), 17_926_848),
}


def frame_ms(run, count):
    """Milliseconds of each of `count` frames, one after the other."""
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for i in range(count):
        run(i)
        marks[i + 1].record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]


class Pipeline:
    """RGB8 from pinned memory, through the network, to pinned memory."""

    def __init__(self, network, height, width):
        self.network = network
        self.streams = [torch.cuda.Stream() for _ in range(2)]
        self.sources = [torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8).pin_memory() for _ in range(2)]
        self.results = [None, None]

    def frame(self, i):
        lane = i % 2
        stream = self.streams[lane]
        stream.synchronize()  # its last result was taken
        with torch.cuda.stream(stream):
            x = self.sources[lane].cuda(non_blocking=True).permute(0, 3, 1, 2).half() / 255
            y = (self.network(x.contiguous(memory_format=torch.channels_last)).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
            if self.results[lane] is None:
                self.results[lane] = torch.empty(y.shape, dtype=torch.uint8).pin_memory()
            self.results[lane].copy_(y, non_blocking=True)

    def rate(self, count):
        for i in range(4):
            self.frame(i)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for i in range(count):
            self.frame(i)
        torch.cuda.synchronize()
        return count / (time.perf_counter() - start)


# Name and torch.compile's mode. CUDA graphs copy their inputs, so neither is always the faster. One graph has one set of
# buffers: it is not run on two streams at once.
MODES = [("eager", None), ("compile-default", "default"), ("compile", "max-autotune-no-cudagraphs"),
         ("compile+graph", "max-autotune")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--models", default="x4v3,animevideov3,x4plus")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", default=",".join(mode for mode, _ in MODES), help="max-autotune takes minutes")
    parser.add_argument("--json")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("SKIPPED: PyTorch sees no GPU")
        sys.exit(77)
    width, height = (int(v) for v in options.size.split("x"))
    torch.backends.cudnn.benchmark = True
    rows = []
    for name in options.models.split(","):
        make, macs = MODELS[name]
        torch.manual_seed(1)
        model = make().cuda().half().eval().to(memory_format=torch.channels_last)
        inputs = [torch.rand(1, 3, height, width, device="cuda").half().to(memory_format=torch.channels_last) for _ in range(16)]
        networks, times, peaks = {}, {}, {}
        with torch.inference_mode():
            for mode, compile_mode in MODES:
                if mode not in options.modes.split(","):
                    continue
                try:
                    torch.cuda.reset_peak_memory_stats()
                    network = torch.compile(model, mode=compile_mode) if compile_mode else model
                    frame_ms(lambda i: network(inputs[i % 16]), 5)
                    networks[mode], times[mode], peaks[mode] = network, [], torch.cuda.max_memory_allocated()
                except Exception as error:  # a mode that this version or card does not have
                    print(f"{name:14} {mode}: {type(error).__name__}: {str(error).splitlines()[0]}")
            for _ in range(options.rounds):
                for mode, network in networks.items():
                    times[mode] += frame_ms(lambda i: network(inputs[i % 16]), options.frames)
            for mode, network in networks.items():
                model_ms = statistics.median(times[mode])
                rate = Pipeline(network, height, width).rate(options.frames) if mode != "compile+graph" else None
                rows.append({
                    "model": name, "size": options.size, "precision": "fp16", "mode": mode,
                    "model_ms": model_ms, "model_fps": 1000 / model_ms, "end_to_end_fps": rate,
                    "tflops": 2 * macs * width * height / model_ms / 1e9, "peak_memory_mib": peaks[mode] / 2**20})
                r = rows[-1]
                print(f"{name:14} {mode:14} {r['model_ms']:8.2f} ms {r['model_fps']:7.1f} fps {r['tflops']:6.0f} TFLOP/s"
                      f"   end to end {rate or 0:7.1f} fps   {r['peak_memory_mib']:7.0f} MiB")
        if networks:
            best = min((r for r in rows if r["model"] == name), key=lambda r: r["model_ms"])
            print(f"{name:14} best: {best['mode']}, {best['model_ms']:.2f} ms")
        del networks, inputs, model
        torch.cuda.empty_cache()
    report = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda, "results": rows}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()

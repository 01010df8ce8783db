#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random variants of the families that spandrel knows: what PyTorch computes against what enlarge does.

Usage: random_variants.py ENLARGE [--count 200] [--first 0] [--keep FOLDER] [--device NAME]

Needs PyTorch, numpy, safetensors and spandrel. Variant N is the same in every run: its family is N modulo the number of
families; widths, depths, heads, windows, scale, tail, weights and picture follow from N. Prints a line for each variant
that differs by more than 1e-4 (or 1e-5 of the largest value) or is refused, and at the end the largest difference of
each family. Exits with 1 when there was such a line. --keep: where the weights of those are left.
"""
import argparse
import collections
import functools
import importlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch

from pfm import read_pfm, write_pfm


def layers(pick, most=2, groups=2):
    return [pick.randint(1, most) for _ in range(pick.randint(1, groups))]


def swinir(pick):
    heads, depths = pick.choice([2, 3, 6]), layers(pick)
    tail = pick.choice(["pixelshuffledirect", "pixelshuffle", "nearest+conv"])
    scale = {"nearest+conv": 4}.get(tail) or pick.choice([2, 3, 4])
    return dict(embed_dim=heads * pick.choice([4, 6, 10]), depths=depths, num_heads=[heads] * len(depths),
                window_size=8, mlp_ratio=pick.choice([2.0, 4.0]), upscale=scale, upsampler=tail,
                resi_connection=pick.choice(["1conv", "3conv"])), 8


def hat(pick):
    heads, depths = pick.choice([2, 3, 6]), layers(pick)
    return dict(embed_dim=heads * pick.choice([6, 10]), depths=depths, num_heads=[heads] * len(depths), window_size=16,
                compress_ratio=3, squeeze_factor=pick.choice([3, 6]), overlap_ratio=0.5, mlp_ratio=2.0,
                upscale=pick.choice([2, 4]), upsampler="pixelshuffle"), 16


def dat(pick):
    depths, heads = layers(pick, 3), pick.choice([2, 4])
    return dict(embed_dim=heads * pick.choice([8, 12]), split_size=pick.choice([[8, 8], [8, 16], [8, 32]]),
                depth=depths, num_heads=[heads] * len(depths), expansion_factor=2.0, upscale=pick.choice([2, 3, 4]),
                upsampler=pick.choice(["pixelshuffle", "pixelshuffledirect"]),
                resi_connection=pick.choice(["1conv", "3conv"])), 32


def omnisr(pick):
    return dict(num_feat=pick.choice([16, 32]), block_num=1, res_num=pick.randint(1, 3), window_size=8,
                up_scale=pick.choice([2, 3, 4])), 16


def rgt(pick):
    depths, heads = layers(pick, 3), pick.choice([2, 4])
    return dict(embed_dim=heads * pick.choice([8, 12]), depth=depths, num_heads=[heads] * len(depths), mlp_ratio=2.0,
                split_size=[8, 32], c_ratio=0.5, upscale=pick.choice([2, 3, 4])), 32


def drct(pick):
    groups, heads = pick.randint(1, 2), 2
    return dict(embed_dim=heads * pick.choice([8, 12]), depths=[6] * groups, num_heads=[heads] * groups, window_size=16,
                mlp_ratio=2.0, upscale=pick.choice([2, 4]), upsampler="pixelshuffle", gc=pick.choice([8, 16])), 16


def atd(pick):
    depths, heads = layers(pick), pick.choice([2, 3])
    return dict(embed_dim=heads * pick.choice([6, 8]), depths=depths, num_heads=[heads] * len(depths), window_size=16,
                category_size=256, num_tokens=pick.choice([16, 64]), reducted_dim=pick.choice([4, 10]),
                upscale=pick.choice([2, 3, 4]), upsampler=pick.choice(["pixelshuffle", "pixelshuffledirect"])), 16


def ditn(pick):
    return dict(dim=pick.choice([12, 20]), ITL_blocks=pick.randint(1, 2), SAL_blocks=pick.randint(1, 2),
                UFONE_blocks=pick.randint(1, 2), upscale=pick.choice([2, 3, 4])), 8


def plksr(pick):
    return dict(dim=pick.choice([16, 24]), n_blocks=pick.randint(1, 3), upscaling_factor=pick.choice([2, 3, 4]),
                ccm_type=pick.choice(["CCM", "ICCM", "DCCM"]), kernel_size=pick.choice([13, 17]), split_ratio=0.25,
                use_ea=pick.choice([True, False])), 1


def realplksr(pick):
    return dict(dim=pick.choice([16, 32]), n_blocks=pick.randint(1, 3), upscaling_factor=pick.choice([2, 3, 4]),
                kernel_size=pick.choice([13, 17]), split_ratio=0.25, dysample=pick.choice([True, False]),
                layer_norm=pick.choice([True, False])), 1


def mosr(pick):
    return dict(upscale=pick.choice([2, 3, 4]), n_block=pick.randint(1, 3), dim=pick.choice([16, 32]),
                upsampler="ps"), 1


def span(pick):
    return dict(num_in_ch=3, num_out_ch=3, feature_channels=pick.choice([8, 16, 26]), upscale=pick.choice([2, 3, 4]),
                norm=pick.choice([True, False])), 1


def compact(pick):
    return dict(num_feat=pick.choice([6, 16, 24]), num_conv=pick.randint(1, 4), upscale=pick.choice([1, 2, 3, 4])), 1


def esrgan(pick):
    return dict(num_filters=pick.choice([8, 24]), num_blocks=pick.randint(1, 2), scale=pick.choice([1, 2, 4, 8]),
                plus=pick.choice([True, False])), 1


def rcan(pick):
    return dict(scale=pick.choice([2, 3, 4]), n_resgroups=pick.randint(1, 2), n_resblocks=pick.randint(1, 3),
                n_feats=pick.choice([16, 32]), reduction=pick.choice([4, 8])), 1


def moesr(pick):
    return dict(scale=pick.choice([2, 4]), dim=pick.choice([16, 24]), n_blocks=pick.randint(1, 2),
                n_block=pick.randint(1, 2)), 1


def swiftsrgan(pick):
    return dict(num_channels=pick.choice([8, 16]), num_blocks=pick.randint(1, 3), upscale_factor=pick.choice([2, 4])), 1


def craft(pick):
    depths, heads = layers(pick), pick.choice([2, 4])
    return dict(embed_dim=heads * pick.choice([4, 8]), depths=depths, num_heads=[heads] * len(depths), window_size=16,
                mlp_ratio=2.0, upscale=pick.choice([2, 3, 4])), 16


def fdat(pick):
    heads = pick.choice([2, 4])
    return dict(embed_dim=heads * pick.choice([8, 12]), num_groups=pick.randint(1, 2), num_heads=heads,
                depth_per_group=pick.randint(1, 2), window_size=pick.choice([4, 8]), scale=pick.choice([2, 3, 4]),
                ffn_expansion_ratio=pick.choice([1.5, 2.0]), mid_dim=pick.choice([16, 64]),
                upsampler_type=pick.choice(["pixelshuffledirect", "pixelshuffle", "lda"])), 8


FAMILIES = {
    "SwinIR": ("SwinIR.__arch.SwinIR", "SwinIR", swinir),
    "HAT": ("HAT.__arch.HAT", "HAT", hat),
    "DAT": ("DAT.__arch.DAT", "DAT", dat),
    "OmniSR": ("OmniSR.__arch.OmniSR", "OmniSR", omnisr),
    "RGT": ("RGT.__arch.rgt", "RGT", rgt),
    "DRCT": ("DRCT.__arch.drct_arch", "DRCT", drct),
    "ATD": ("ATD.__arch.atd_arch", "ATD", atd),
    "DITN": ("DITN.__arch.DITN_Real", "DITN_Real", ditn),
    "PLKSR": ("PLKSR.__arch.PLKSR", "PLKSR", plksr),
    "RealPLKSR": ("PLKSR.__arch.RealPLKSR", "RealPLKSR", realplksr),
    "MoSR": ("MoSR.__arch.mosr_arch", "MoSR", mosr),
    "SPAN": ("SPAN.__arch.span", "SPAN", span),
    "Compact": ("Compact.__arch.SRVGG", "SRVGGNetCompact", compact),
    "ESRGAN": ("ESRGAN.__arch.RRDB", "RRDBNet", esrgan),
    "RCAN": ("RCAN.__arch.rcan_arch", "RCAN", rcan),
    "MoESR": ("MoESR.__arch.MoESR", "MoESR", moesr),
    "CRAFT": ("CRAFT.__arch.CRAFT", "CRAFT", craft),
    "FDAT": ("FDAT.__arch.fdat", "FDAT", fdat),
    "SwiftSRGAN": ("SwiftSRGAN.__arch.SwiftSRGAN", "Generator", swiftsrgan),
}


# ATD groups its pixels by an unstable sort, whose order of equals changed with PyTorch's versions; its authors'
# results, and ours, are those of a stable one.
torch.sort = functools.partial(lambda sort, *given, **named: sort(*given, **{**named, "stable": True}), torch.sort)


def make(number):
    """Variant `number`: its family, its settings, the module and a picture."""
    family = list(FAMILIES)[number % len(FAMILIES)]
    module, name, settings = FAMILIES[family]
    pick = random.Random(number)
    arguments, multiple = settings(pick)
    torch.manual_seed(number)
    network = getattr(importlib.import_module("spandrel.architectures." + module), name)(**arguments).eval()
    with torch.no_grad():
        for value in network.parameters():  # away from the zeros and ones that layers begin with
            value.add_(torch.randn_like(value) * 0.02)
    sides = [pick.randint(1, 3 if multiple < 32 else 2) * multiple if multiple > 1 else pick.randint(16, 40)
             for _ in range(2)]
    if multiple == 8:
        sides = [side + 8 for side in sides]
    return family, arguments, network, numpy.random.default_rng(number).random((3, *sides), numpy.float32)


def difference(number, program, device, folder):
    """(family, settings, the largest difference, what it may be) or, where enlarge failed, its words."""
    family, arguments, network, picture = make(number)
    with torch.no_grad():
        expected = network(torch.from_numpy(picture.copy())[None])[0].numpy()
    weights = folder / f"{number}-{family}.safetensors"
    state = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
    safetensors.torch.save_file(state, weights)
    source, target = folder / "in.pfm", folder / "out.pfm"
    write_pfm(source, picture)
    command = [program, source, "-m", weights, "-o", target, "--force", "--precision", "fp32", "--device", device]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        return family, arguments, done.stderr.strip().splitlines()[-1], 0
    off = float(numpy.abs(read_pfm(target) - expected).max())
    return family, arguments, off, max(1e-4, 1e-5 * float(numpy.abs(expected).max()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    largest, tried, failed = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        for number in range(options.first, options.first + options.count):
            family, arguments, off, most = difference(number, options.program, options.device, folder)
            tried[family] += 1
            if isinstance(off, str) or not off <= most:
                failed += 1
                print(f"{number} {family} {arguments}: {off}", flush=True)
                if options.keep:
                    shutil.copy(folder / f"{number}-{family}.safetensors", options.keep)
            else:
                largest[family] = max(largest[family], off)
            (folder / f"{number}-{family}.safetensors").unlink()
    for family, count in tried.items():
        print(f"| {family} | {count} | {largest[family]:.1e} |")
    print(f"{options.count} variants, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

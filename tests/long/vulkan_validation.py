# SPDX-License-Identifier: Apache-2.0
"""Runs the Vulkan tests under Khronos' validation layers, core and synchronisation: not a word may be said.

Usage: vulkan_validation.py VULKAN_BACKEND_TEST
"""
import os
import pathlib
import re
import subprocess
import sys

LAYER = "VK_LAYER_KHRONOS_validation"
WORDS = re.compile(r"Validation (Error|Warning)|VUID-|SYNC-HAZARD|UNASSIGNED-")


def main() -> int:
    manifest = pathlib.Path("/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json")
    if not manifest.exists():
        print("SKIPPED: Vulkan under validation: the validation layers are not installed\n0 checks, 0 failures")
        return 0
    environment = dict(os.environ, VK_INSTANCE_LAYERS=LAYER, VK_LOADER_DEBUG="layer",
                       VK_LAYER_ENABLES="VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT")
    # Faults are not for the layers: they see calls that never reach the driver. Nor is a form of Winograd's kernel that
    # takes more shared memory than the driver says there is; matrices that are emulated take it, too.
    left_out = ("--gtest_filter=-vulkan_faults.*:*vulkan_faults_of.*:*vulkan_winograd*/large:*every_form*:"
                "*emulated_matrices*:vulkan_matrices.*")
    done = subprocess.run([sys.argv[1], left_out], env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [line for line in done.stdout.splitlines() if WORDS.search(line)]
    failures = []
    if not re.search(f"Insert(ed)? instance layer.*{LAYER}", done.stdout):
        failures.append("the layers were not loaded")
    if done.returncode:
        failures.append(f"the tests ended with {done.returncode}: {done.stdout[-2000:]}")
    if said:
        failures.append(f"{len(said)} messages, the first: {said[0]}")
    for failure in failures:
        print(f"FAILED: Vulkan under validation: {failure}")
    print(f"3 checks, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""What a peer in Python prints: milliseconds, one run a line, after one that warms up; the most memory on stderr."""
import resource
import sys
import time


def report(once, runs):
    once()
    for _ in range(runs):
        start = time.perf_counter()
        once()
        print(1e3 * (time.perf_counter() - start), flush=True)
    print("maxrss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)

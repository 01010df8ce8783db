#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a shared folder costs a job of many parts: farm_simulation.py [FOLDER] [--parts N] [--workers N] ...

First measures, in FOLDER, what the operations of src/video/claims.cpp and farm_work.cpp take: making a claim, giving it a
new date, asking for its date, reading folders with as many names as the job has parts, naming a finished part and its side
file. Then plays the job event by event: workers look, claim, work, die, and wait; every operation waits for its turn at
one file server that does --rate of them a second (0: as measured). Prints both as tables.
"""

import argparse
import heapq
import os
import random
import tempfile
import time

NAMES_PER_READ = 500  # of a folder, in one request to a file server


def timed(count, action):
    start = time.perf_counter()
    for i in range(count):
        action(i)
    return (time.perf_counter() - start) / count


def write_new(path, text, flags=os.O_EXCL):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o666)
    os.write(fd, text)
    return fd


def measure(folder, names):
    """Seconds of each operation."""
    with tempfile.TemporaryDirectory(dir=folder) as at:
        claims, parts = os.path.join(at, "claims"), os.path.join(at, "parts")
        os.mkdir(claims)
        os.mkdir(parts)

        def name(i):
            return os.path.join(claims, f"part-{i:06d}.1")

        def finish(i):
            path = os.path.join(parts, f"part-{i:06d}.json")
            fd = write_new(path + ".part", b"x" * 1500)
            os.fsync(fd)
            os.close(fd)
            os.rename(path + ".part", path)

        def date(i):
            fd = os.open(name(i), os.O_RDONLY)
            os.fstat(fd)
            os.close(fd)

        costs = {"claim": timed(names, lambda i: os.close(write_new(name(i), b"node:4711\n")))}
        costs["beat"] = timed(names, lambda i: os.utime(name(i)))
        costs["date"] = timed(names, date)
        costs["finish"] = timed(200, finish)
        for i in range(200, names):
            os.close(write_new(os.path.join(parts, f"part-{i:06d}.json"), b"{}"))
        costs["list"] = timed(5, lambda _: (os.listdir(claims), os.listdir(parts)))
        costs["read side file"] = timed(200, lambda i: open(os.path.join(parts, f"part-{i:06d}.json"), "rb").read())
        return costs


class Server:
    """Takes one request at a time."""

    def __init__(self, seconds_per_request):
        self.each, self.free, self.requests, self.longest = seconds_per_request, 0.0, 0, 0.0

    def ask(self, now, requests):
        begin = max(now, self.free)
        self.free = begin + requests * self.each
        self.requests += requests
        self.longest = max(self.longest, self.free - now)
        return self.free


def play(o, each):
    """Workers die between parts' beginning and end; their parts are taken over once the lease is over."""
    rng, server = random.Random(o.seed), Server(each)
    waiting, working, done = list(range(o.parts)), {}, 0
    doomed = set(rng.sample(range(o.workers), int(o.workers * o.dying)))
    begun = o.parts / o.workers * o.part_seconds
    death = {w: rng.uniform(0, begun) for w in doomed}
    beats = 0
    events = [(rng.uniform(0, o.starting), w, "look", None) for w in range(o.workers)]
    heapq.heapify(events)
    lost, end, waits = 0.0, 0.0, 0.0
    while events and done < o.parts:
        now, worker, what, part = heapq.heappop(events)
        if worker in death and now >= death[worker] and what != "expired":
            continue
        if what == "finish":
            if working.pop(part, None) is not None:
                done += 1
            end = now = server.ask(now, 8)  # two files made, written, synced, named; the claim goes away
        elif what == "expired":
            if part in working:
                del working[part]
                waiting.insert(0, part)
            continue
        listed = o.parts / NAMES_PER_READ + (o.parts - done) / NAMES_PER_READ
        if not waiting:
            if done + len(working) < o.parts or working:
                ready = server.ask(now, listed + 1 + min(64, len(working)) * 2)
                waits += min(30, o.lease / 4)
                heapq.heappush(events, (ready + min(30, o.lease / 4), worker, "look", None))
            continue
        part = waiting.pop(0)
        ready = server.ask(now, listed + 3)
        lost += ready - now
        length = rng.lognormvariate(0, 0.25) * o.part_seconds
        working[part] = worker
        if worker in death and death[worker] < ready + length:
            beats += max(0.0, death[worker] - ready) / (o.lease / 4)
            heapq.heappush(events, (max(ready, death[worker]) + o.lease, worker, "expired", part))
        else:
            beats += length / (o.lease / 4)
            heapq.heappush(events, (ready + length, worker, "finish", part))
    return {"hours": end / 3600, "perfect hours": begun / 3600, "requests a second": (server.requests + beats) / end,
            "share of the server": (server.requests + beats) * each / end, "longest wait s": server.longest,
            "lost in claims %": 100 * lost / (o.parts * o.part_seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", default=".")
    parser.add_argument("--parts", type=int, default=10000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--part-seconds", type=float, default=600)
    parser.add_argument("--dying", type=float, default=0.05)
    parser.add_argument("--lease", type=float, default=300)
    parser.add_argument("--starting", type=float, default=10, help="seconds in which all workers start")
    parser.add_argument("--rate", type=float, nargs="*", default=[10000, 2000, 500], help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    costs = measure(o.folder, min(o.parts, 10000))
    print("| operation | ms here |\n|---|---|")
    for what, seconds in costs.items():
        print(f"| {what} | {seconds * 1000:.3f} |")
    print("\n| requests a second that the server does | " + " | ".join(f"{rate:g}" for rate in o.rate) + " |")
    print("|---|" + "---|" * len(o.rate))
    results = [play(o, 1 / rate) for rate in o.rate]
    for what in results[0]:
        print(f"| {what} | " + " | ".join(f"{result[what]:.2f}" for result in results) + " |")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`enlarge serve` under load, and killed in the middle.

serve_load.py PROGRAM [--seconds 120] [--kills 25] [--folder 64] [--turns 3]

  - 64 clients that ask one after the other for so many seconds: no answer fails or is another's, and memory stays flat;
  - so many kills (SIGKILL) of the server or its worker while jobs are in work: each job is done in the end;
  - 64 pictures at once against the program on the same folder, in turns: the same files; times are said, not judged.
Ends with "N checks, M failures".
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "serve"))
from client import Server, check, finish, png, png_size, ppm_pixels, until  # noqa: E402

CLIENTS = 64
CLIP = pathlib.Path(__file__).resolve().parents[2] / "samples" / "clip.mp4"


def resident(pid):
    """In KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def load(program, seconds):
    with Server(program) as server, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        end = time.monotonic() + seconds
        server.post("/v1/upscale?model=swift-x2", png(8, 8))

        def client(number):
            colour = (number * 3 + 20, 250 - number * 3, number * 37 % 256)
            picture, good, bad = png(64, 48, colour), 0, []
            while time.monotonic() < end:
                answer = server.post("/v1/upscale?model=swift-x2&format=ppm", picture)
                width, height, pixel = ppm_pixels(answer.body) if answer.status == 200 else (0, 0, (-99, 0, 0))
                mine = (width, height) == (128, 96) and all(abs(a - b) < 12 for a, b in zip(pixel, colour))
                good += mine
                if not mine:
                    bad.append(repr(answer)[:200])
            return good, bad

        futures = [pool.submit(client, n) for n in range(CLIENTS)]
        sizes = []
        while not all(f.done() for f in futures):
            time.sleep(min(5, seconds / 12))
            sizes.append((resident(server.process.pid), sum(resident(p) for p in server.workers())))
        results = [f.result() for f in futures]
        answers, bad = sum(r[0] for r in results), [b for r in results for b in r[1]]
        check("no answer fails or is another's", answers > CLIENTS and not bad, bad[:3])
        third = sizes[len(sizes) // 3 :] or sizes
        for which, name in ((0, "the server"), (1, "its workers")):
            series = [s[which] for s in third]
            print(f"memory of {name}: {series[0]} KiB after a third, {max(series)} at most, {series[-1]} at the end")
            check(f"memory of {name} is flat", series[-1] < series[0] * 1.15 + 4096, series)
        print(f"{answers} answers in {seconds} s to {CLIENTS} clients, {answers / seconds:.1f} a second")


def kills(program, count):
    random.seed(18)
    with tempfile.TemporaryDirectory() as folder:
        server, made = Server(program, data=folder), []
        server.start()
        for turn in range(count):
            for one in range(2):
                name = f"job-{turn}-{one}"
                answer = server.ask("PUT", f"/v1/jobs/{name}?model=fine-x4&tta=1&precision=fp32", png(60 + turn, 50))
                check(f"{name} is taken", answer.status == 201, answer)
                made.append(name)
            if turn % 5 == 0:
                name = f"film-{turn}"
                answer = server.ask("PUT", f"/v1/jobs/{name}?model=swift-x4&precision=fp32", CLIP.read_bytes())
                check(f"{name} is taken", answer.status == 201 and answer.json["kind"] == "film", answer)
                made.append(name)
            until(lambda: server.metric("enlarge_queue_running") >= 1, 60)
            time.sleep(random.random() / 5)
            if turn % 2:
                server.stop(signal.SIGKILL)
                server.start()
            else:
                for pid in server.workers():
                    os.kill(pid, signal.SIGKILL)
            listed = {j["id"] for j in server.get("/v1/jobs").json["jobs"]}
            check(f"nothing is lost in kill {turn + 1}", listed == set(made), set(made) - listed)
        idle = lambda: all(j["state"] not in ("queued", "running") for j in server.get("/v1/jobs").json["jobs"])
        check("all end", until(idle, 600))
        for job in server.get("/v1/jobs").json["jobs"]:
            kind, turn = job["id"].split("-")[:2]
            if kind == "film":
                got, wanted = job.get("output", job).get("frames"), 25
            else:
                got, wanted = png_size(server.get(f"/v1/jobs/{job['id']}/output").body), (4 * (60 + int(turn)), 200)
            check(f"{job['id']} is done and right", job["state"] == "done" and got == wanted, job)
        server.stop()
        print(f"{count} kills, {len(made)} jobs")


def throughput(program, count, turns):
    """Served and by the program in turns, since the machine's speed changes meanwhile: what counts are the sums."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "in"
        source.mkdir()
        pictures = [png(320, 240, (i * 3 % 256, 255 - i * 2 % 256, i % 256)) for i in range(count)]
        for index, data in enumerate(pictures):
            (source / f"{index:03}.png").write_bytes(data)
        served = alone = 0
        with Server(program) as server, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            server.post("/v1/upscale?model=swift-x2", pictures[0])
            for turn in range(turns):
                out = pathlib.Path(folder) / f"out-{turn}"
                began = time.monotonic()
                answers = list(pool.map(lambda p: server.post("/v1/upscale?model=swift-x2", p), pictures))
                served += time.monotonic() - began
                check("all are answered", [a.status for a in answers] == [200] * count, answers)
                began = time.monotonic()
                words = [program, "-r", str(source), "-o", str(out), "-m", "swift-x2", "--quiet"]
                subprocess.run(words, check=True)
                alone += time.monotonic() - began
                wanted = [path.read_bytes() for path in sorted(out.iterdir())]
                check("and each has what the program writes", [a.body for a in answers] == wanted)
        print(f"{count} pictures, {turns} turns: {served:.2f} s served, {alone:.2f} s by the program: "
              f"{100 * alone / served:.0f} %")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--folder", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    o = parser.parse_args()
    load(o.program, o.seconds)
    kills(o.program, o.kills)
    throughput(o.program, o.folder, o.turns)
    return finish()


sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs of many machines on real clips, on a long one, and by a scheduler.

farm.py PROGRAM MODEL [--slurm]

  - ten clips of ENLARGE_TEST_DATA and one of 20,000 frames: parts in random order, some twice, as processes that find
    their number in JOB_COMPLETION_INDEX, joined: the file that one machine makes, byte for byte;
  - plan and join of the long one take less than 2 % of the processor time that the parts take (said, not judged);
  - with --slurm the same by contrib/slurm/enlarge.sh on a Slurm that is started here, an array of 8, two tasks of which
    are killed and requeued.
Ends with "N checks, M failures".
"""

import argparse
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLIPS = ["mkv__sample_with_srt.mkv", "mkv__sample_with_chapters.mkv", "mp4__sample.mp4", "ts__sample_h264.ts",
         "ts__bbb_2500ms.ts", "flv__sample.flv", "avi__sample.avi", "mp4__edit_list_positive_shift.mp4",
         "mkv__bbb_642x642_768kbps_30fps_vp9.webm", "3gp__bbb_176x144_128kbps_15fps_h263.3gp"]
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
failures = checks = 0


def check(what, condition, detail=""):
    global failures, checks
    checks += 1
    if not condition:
        failures += 1
        print(f"FAILED: {what}: {detail}", flush=True)


def run(words, **variables):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([str(w) for w in words], env={**os.environ, **variables}, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ran.returncode, ran.stderr, spent


def same_file(program, film, folder, parts, options):
    """Whether the job's file is the one of a single machine, and the processor seconds of plan, parts and join."""
    ending = ".mkv" if film.suffix in (".3gp", ".flv", ".avi") else film.suffix
    out, alone, job = folder / f"out{ending}", folder / f"alone{ending}", folder / "job"
    code, said, planning = run([program, "plan", film, "-o", out, "--job", job, "--parts", parts, *options])
    if code:
        return False, "plan: " + said, (0, 0, 0)
    order = list(range(parts)) + random.choices(range(parts), k=2)
    random.shuffle(order)
    working = 0
    for index in order:
        words = [program, "work", job, "--task", "auto", "--threads", "1"]
        code, said, spent = run(words, JOB_COMPLETION_INDEX=str(index))
        working += spent
        if code:
            return False, f"part {index}: {said}", (0, 0, 0)
    code, said, joining = run([program, "join", job])
    if code:
        return False, "join: " + said, (0, 0, 0)
    code, said, _ = run([program, film, "-o", alone, "--threads", "1", *options])
    same = code == 0 and out.read_bytes() == alone.read_bytes()
    return same, said or "other bytes", (planning, working, joining)


def clips(program, model, folder):
    data = pathlib.Path(os.environ.get("ENLARGE_TEST_DATA", "")) / "clips"
    if not os.environ.get("ENLARGE_TEST_DATA") or not data.is_dir():
        print("SKIPPED: ten clips: ENLARGE_TEST_DATA is not set")
        return
    for name in CLIPS:
        at = folder / name
        at.mkdir()
        options = ["-m", model, "--precision", "fp32", "--preset", "veryfast", "--segment-frames", "10", "--to", "2"]
        same, said, _ = same_file(program, data / name, at, 6, options)
        check(name, same, said)
        shutil.rmtree(at)


def long_one(program, model, folder):
    film = folder / "long.mkv"
    made = subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-f", "lavfi",
                           "-i", "sine", "-frames:v", "20000", "-shortest", "-c:v", "libx264", "-bf", "3", str(film)])
    check("a clip of 20,000 frames", made.returncode == 0)
    options = ["-m", model, "--precision", "fp32", "--preset", "ultrafast"]
    same, said, (planning, working, joining) = same_file(program, film, folder, 40, options)
    check("20,000 frames", same, said)
    print(f"processor seconds: plan {planning:.1f}, parts {working:.1f}, join {joining:.1f}")


def slurm(program, model, folder):
    """A Slurm of one machine, in `folder`."""
    missing = [word for word in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(word)]
    if missing or os.geteuid() != 0:
        print(f"SKIPPED: Slurm: not installed here, or not root ({', '.join(missing) or 'user'})")
        return
    started = start_slurm(folder)
    try:
        check("Slurm starts", bool(started))
        if started:
            array_of_eight(program, model, folder)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.wait()


def start_slurm(folder):
    host, state = os.uname().nodename.split(".")[0], folder / "slurm"
    for name in ("spool", "state"):
        (state / name).mkdir(parents=True)
    (state / "slurm.conf").write_text("\n".join([
        "ClusterName=test", f"SlurmctldHost={host}", "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none",
        "SwitchType=switch/none", "ReturnToService=2", "SlurmUser=root", "SlurmdUser=root",
        f"SlurmctldPidFile={state}/slurmctld.pid", f"SlurmdPidFile={state}/slurmd.pid", f"SlurmdSpoolDir={state}/spool",
        f"StateSaveLocation={state}/state", f"SlurmctldLogFile={state}/ctld.log", f"SlurmdLogFile={state}/d.log",
        "SelectType=select/cons_tres", "SelectTypeParameters=CR_Core", "AccountingStorageType=accounting_storage/none",
        "JobAcctGatherType=jobacct_gather/none", f"NodeName={host} CPUs={os.cpu_count()} State=UNKNOWN",
        "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP", ""]))
    os.environ["SLURM_CONF"] = str(state / "slurm.conf")
    pathlib.Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    if not pathlib.Path("/etc/munge/munge.key").exists():
        subprocess.run(["mungekey"], check=True)
    subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", shutil.which("munged")], check=False)
    processes = [subprocess.Popen(["slurmctld", "-D"]), subprocess.Popen(["slurmd", "-D"])]
    for _ in range(120):
        seen = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if "idle" in seen.stdout:
            return processes
        time.sleep(0.5)
    for process in processes:
        process.terminate()
    return []


def array_of_eight(program, model, folder):
    film, out, job = folder / "film.mkv", folder / "film_x2.mkv", folder / "slurm-job"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25", "-frames:v", "960",
                    "-c:v", "libx264", str(film)], check=True)
    options = ["-m", "swift-x2", "--precision", "fp32", "--segment-frames", "20"]
    script = REPOSITORY / "contrib" / "slurm" / "enlarge.sh"
    code, said, _ = run([script, film, out, job, 8, *options], ENLARGE=str(program))
    check("the script submits", code == 0, said)
    requeued = set()
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline:
        seen = subprocess.run(["squeue", "-h", "-r", "-o", "%i %t %j"], capture_output=True, text=True)
        queue = seen.stdout.split("\n")
        running = [line.split()[0] for line in queue if line.endswith(" R enlarge")]
        for task in running[: 2 - len(requeued)]:
            if task not in requeued and subprocess.run(["scontrol", "requeue", task]).returncode == 0:
                requeued.add(task)
        if not any(line.strip() for line in queue):
            break
        time.sleep(1)
    check("two tasks were killed and requeued", len(requeued) == 2, str(requeued))
    alone = folder / "alone.mkv"
    check("one machine", run([program, film, "-o", alone, *options])[0] == 0)
    logs = " ".join(path.read_text() for path in (job / "logs").glob("slurm-join-*"))
    check("the array's file", out.exists() and out.read_bytes() == alone.read_bytes(), logs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--slurm", action="store_true")
    options = parser.parse_args()
    program, model = options.program.resolve(), options.model.resolve()
    random.seed(19)
    with tempfile.TemporaryDirectory(prefix="enlarge-farm-") as name:
        folder = pathlib.Path(name)
        os.environ["ENLARGE_CACHE"] = ""
        if options.slurm:
            slurm(program, model, folder)
        else:
            clips(program, model, folder)
            long_one(program, model, folder)
    print(f"{checks} checks, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

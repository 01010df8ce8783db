#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One film by contrib/slurm/enlarge.sh on a Slurm of this machine: farm_slurm.py PROGRAM

slurmctld, slurmd and munged are started here, as root, in a folder of their own, and ended afterwards.

  - an array of 8; two tasks are killed and requeued in mid-work, and go on with what they had; one is cancelled;
  - the join, which depends on the array, refuses and names the part that is missing;
  - contrib/slurm/README.md's command makes the rest; then the join gives the file that one machine makes.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from farm_tools import REPOSITORY, Checks, make_clip, run, same

check = Checks()
OPTIONS = ["-m", "swift-x2", "--precision", "fp32", "--segment-frames", "20", "--preset", "ultrafast"]


def answer(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def until(seconds, condition):
    """What `condition` gives once that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    return None


class Slurm:
    """One controller, one node: this machine."""

    def __init__(self, folder):
        host = os.uname().nodename.split(".")[0]
        for name in ("spool", "state"):
            (folder / name).mkdir(parents=True)
        # cred_expire: so long a requeued task waits before it begins again (otherwise two minutes).
        (folder / "slurm.conf").write_text("\n".join([
            "ClusterName=test", f"SlurmctldHost={host}(127.0.0.1)", "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none", "SwitchType=switch/none", "ReturnToService=2", "SlurmUser=root", "SlurmdUser=root",
            f"SlurmctldPidFile={folder}/slurmctld.pid", f"SlurmdPidFile={folder}/slurmd.pid",
            f"SlurmdSpoolDir={folder}/spool", f"StateSaveLocation={folder}/state", "AuthInfo=cred_expire=5",
            f"SlurmctldLogFile={folder}/ctld.log", f"SlurmdLogFile={folder}/d.log", "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core", "AccountingStorageType=accounting_storage/none", "KillWait=2",
            "JobAcctGatherType=jobacct_gather/none",
            f"NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN",
            "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP", ""]))
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        self.logs, self.processes = [folder / "ctld.log", folder / "d.log"], []

    def start(self):
        if subprocess.run("munge -n | unmunge", shell=True, capture_output=True, check=False).returncode:
            pathlib.Path("/run/munge").mkdir(exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            if not pathlib.Path("/etc/munge/munge.key").exists():
                subprocess.run(["mungekey"], check=True)
            self.processes.append(subprocess.Popen(["runuser", "-u", "munge", "--", shutil.which("munged"), "-F"],
                                                   stderr=subprocess.DEVNULL))
        for word in ("slurmctld", "slurmd"):
            self.processes.append(subprocess.Popen([word, "-D"], stderr=subprocess.DEVNULL))
        return until(60, lambda: "idle" in answer("sinfo", "-h", "-o", "%T"))

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()

    def said(self):
        return "\n".join(path.read_text()[-2000:] for path in self.logs if path.exists())


def state(task):
    found = re.search(r"JobState=(\S+)", answer("scontrol", "show", "job", task))
    return found[1] if found else ""


def has_work(job, part):
    """Whether somebody is at a part and at its second segment."""
    return len(list(job.glob(f"work/part-{part:06d}-*/segment-*"))) > 1


def worker_of(job, part):
    """The process that its claim names."""
    claims = [path for path in job.glob(f"claims/part-{part:06d}.*") if path.suffix[1:].isdigit()]
    return int(claims[-1].read_text().rsplit(":", 1)[1])


def requeue(job, array, wanted):
    """Kills and requeues tasks that are in mid-work, each once: by Slurm, which asks first, and as a node that dies."""
    done = {}

    def one():
        for part in range(8):
            task = f"{array}_{part}"
            if part in done or not has_work(job, part) or state(task) != "RUNNING":
                continue
            if done:
                os.kill(worker_of(job, part), signal.SIGKILL)
                until(60, lambda: state(task) != "RUNNING")
            if subprocess.run(["scontrol", "requeue", task], check=False).returncode == 0:
                done[part] = task
                return True
        return False

    while len(done) < wanted and until(300, one):
        pass
    return done


def ended(job):
    """Waits for a job of one task; the state it ended in."""
    return until(600, lambda: (s := state(job)) in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT") and s)


def array_of_eight(program, folder):
    film, out, job, alone = (folder / name for name in ("film.mkv", "film_x2.mkv", "job", "alone.mkv"))
    make_clip(film, "160x96", 1600, sound=True)
    script = REPOSITORY / "contrib" / "slurm" / "enlarge.sh"
    ran = subprocess.run([script, film, out, job, "8", *OPTIONS], env={**os.environ, "ENLARGE": str(program)},
                         capture_output=True, text=True, check=False)
    if not check("the script submits", ran.returncode == 0, ran.stderr + ran.stdout):
        return
    join = ran.stdout.split()[-1]
    array = re.search(r"afterany:(\d+)", answer("scontrol", "show", "job", join))
    if not check("the join waits for the array", array, answer("scontrol", "show", "job", join)):
        return
    array = array[1]
    check("a task is cancelled", subprocess.run(["scancel", f"{array}_6"], check=False).returncode == 0)
    killed = requeue(job, array, 2)
    check("two tasks were killed in mid-work and requeued", len(killed) == 2, str(killed))

    check("the join ends, and fails", ended(join) == "FAILED", answer("scontrol", "show", "job", join))
    said = "".join(path.read_text() for path in (job / "logs").glob("slurm-join-*"))
    check("it names what is missing", "1 of 8 parts are missing: 6" in said, said)
    check("it leaves no file", not out.exists())
    for part in killed:
        log = (job / "logs" / f"part-{part:06d}.log").read_text()
        check(f"part {part} was begun twice and made once",
              log.count(" begins ") == 2 and log.count(" done: ") == 1, log)
        check(f"part {part} went on with what it had", re.search(r"goes on with \d+ of the part", log), log)

    rest = answer("sbatch", "--parsable", "--array=6", f"--output={job}/logs/rest.out",
                  f"--wrap={program} work {job}").strip()
    again = answer("sbatch", "--parsable", f"--dependency=afterany:{rest}", f"--output={job}/logs/again.out",
                   f"--wrap={program} join {job}").strip()
    check("the second join ends well", ended(again) == "COMPLETED", (job / "logs" / "again.out").read_text())
    code, said, _ = run([program, film, "-o", alone, *OPTIONS])
    check("one machine", code == 0, said)
    check("the array's file is the one of one machine", out.exists() and same(out, alone))
    print(f"tasks {sorted(killed)} were killed and requeued; {out.stat().st_size} bytes")


def main():
    missing = [word for word in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(word)]
    if missing or os.geteuid() != 0:
        print(f"SKIPPED: Slurm: not installed here, or not root ({', '.join(missing) or 'user'})")
        return 0
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="enlarge-slurm-") as name:
        folder = pathlib.Path(name)
        slurm = Slurm(folder / "slurm")
        try:
            if check("Slurm starts", slurm.start(), slurm.said()):
                array_of_eight(program, folder)
        finally:
            slurm.stop()
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

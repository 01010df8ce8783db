#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contrib/kubernetes and contrib/gnu-parallel.md, as they are written: farm_contrib.py PROGRAM

  - the manifests against Kubernetes' published schema (`kubernetes-validate` of the Python index, when it is there), and
    damaged ones, which must be refused;
  - the containers' commands as processes with JOB_COMPLETION_INDEX set, some of them killed and started again as the
    Job would; the join's container refuses while a part is missing; the file is the one that one machine makes;
  - the blocks of gnu-parallel.md, word for word but for the folder, with an `ssh` that comes back to this machine.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from farm_tools import REPOSITORY, Checks, make_clip, run, same

check = Checks()
KUBERNETES = REPOSITORY / "contrib" / "kubernetes"


def accepted(text, folder):
    path = folder / "manifest.yaml"
    path.write_text(text)
    ran = subprocess.run(["kubernetes-validate", "--strict", str(path)], capture_output=True, text=True, check=False)
    return ran.returncode == 0, ran.stdout + ran.stderr


def schema(folder):
    if not shutil.which("kubernetes-validate"):
        print("SKIPPED: the manifests' schema: kubernetes-validate is not installed")
        return
    for name in ("job.yaml", "join.yaml"):
        text = (KUBERNETES / name).read_text()
        good, said = accepted(text, folder)
        check(f"{name} is as the schema has it", good, said)
        for right, wrong in (("backoffLimit:", "backofLimit:"), ("backoffLimit: ", "backoffLimit: x"),
                             ('command: ["enlarge",', 'command: [{"enlarge": 1},')):
            check(f"{name} with {wrong}: the sample is there", right in text)
            check(f"{name} with {wrong} is refused", not accepted(text.replace(right, wrong), folder)[0])


def container(name, folder):
    """The command of a manifest's container, with its volume in `folder`."""
    words = json.loads(re.search(r"^ *command: (\[.*\])$", (KUBERNETES / name).read_text(), re.M)[1])
    return [word.replace("/film/", f"{folder}/") for word in words]


def kubernetes(folder):
    """As the Job's controller does it: an index that failed is started again."""
    manifest = (KUBERNETES / "job.yaml").read_text()
    planned = re.search(r"`(enlarge plan [^`]*)`", manifest)[1].replace("\n# ", " ").replace("/film/", f"{folder}/")
    completions = int(re.search(r"completions: (\d+)", manifest)[1])
    check("the plan has as many parts as the Job", f"--parts {completions}" in planned, planned)
    make_clip(folder / "film.mkv", "64x48", 1500, sound=True)
    code, said, _ = run(planned.split())
    check("plan", code == 0, said)
    parts = len(json.loads((folder / "job" / "job.json").read_text())["parts"])
    check("several parts, and tasks without frames", 8 < parts < completions, parts)
    work, killed = container("job.yaml", folder), []

    def pod(index):
        doomed = index in (2, 5)
        for attempt in range(3):
            process = subprocess.Popen(work, env={**os.environ, "JOB_COMPLETION_INDEX": str(index)},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if doomed and attempt == 0:
                try:
                    process.wait(0.15)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed.append(index)
            said = process.communicate()[1]
            if process.returncode == 0:
                return True, said
        return False, said

    indices = list(range(completions))
    random.shuffle(indices)
    last = indices.index(3)
    indices = indices[:last] + indices[last + 1:] + [7, 2]  # 3 is left out at first; two run again
    with concurrent.futures.ThreadPoolExecutor(2) as pods:
        ended = dict(zip(indices, pods.map(pod, indices)))
    check("every pod ends well", all(good for good, _ in ended.values()), ended)
    check("pods were killed", killed, killed)
    code, said, _ = run(container("join.yaml", folder))
    check("the join names what is missing", code == 3 and "parts are missing: 3" in said, said)
    check("the last pod", pod(3)[0])
    code, said, _ = run(container("join.yaml", folder))
    check("the join", code == 0, said)
    code, said, _ = run(["enlarge", folder / "film.mkv", "-o", folder / "alone.mkv"])
    check("the file of one machine", code == 0 and same(folder / "alone.mkv", folder / "film_x2.mkv"), said)


def blocks():
    return re.findall(r"```\n(.*?)```", (REPOSITORY / "contrib" / "gnu-parallel.md").read_text(), re.S)


def gnu_parallel(folder):
    (folder / "bin").mkdir()
    ssh = folder / "bin" / "ssh"
    ssh.write_text('#!/bin/sh\necho "$1" >>"$SSH_LOG"\nshift\n[ "$1" = -- ] && shift\ncd / && exec sh -c "$*"\n')
    ssh.chmod(0o755)
    path = f"{folder}/bin:{os.environ['PATH']}"
    make_clip(folder / "film.mkv", "64x48", 1500, sound=True)
    check("the page has its two ways", len(blocks()) == 2 and "parallel" in blocks()[0], blocks())
    plan = blocks()[0].split("\n")[0] + "\n"
    for number, text in enumerate(blocks()):
        if "parallel" in text and not shutil.which("parallel"):
            print("SKIPPED: gnu-parallel.md: GNU parallel is not installed")
            continue
        log = folder / f"hosts{number}"
        script = "set -e\n" + (text if "enlarge plan" in text else plan + text).replace("/shared", str(folder))
        code, said, _ = run(["bash", "-c", f"cd {folder}\n" + script], PATH=path, SSH_LOG=str(log))
        check(f"block {number}", code == 0, said)
        hosts = set(log.read_text().split()) if log.exists() else set()
        check(f"block {number} went to all nodes", {"node1", "node2", "node3"} <= hosts, hosts)
        alone = folder / "alone.mkv"
        if not alone.exists():
            code, said, _ = run(["enlarge", folder / "film.mkv", "-o", alone])
            check("one machine", code == 0, said)
        check(f"block {number}: the file of one machine", same(alone, folder / "film_x2.mkv"))
        (folder / "film_x2.mkv").unlink(missing_ok=True)
        shutil.rmtree(folder / "job", ignore_errors=True)


def main():
    random.seed(19)
    program = pathlib.Path(sys.argv[1]).resolve()
    os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="enlarge-contrib-") as name:
        for step in (schema, kubernetes, gnu_parallel):
            folder = pathlib.Path(name) / step.__name__
            folder.mkdir()
            step(folder)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The archive that runs on any x86-64 Linux with glibc 2.36 or newer: the program and every library that it needs.

make_archive.py BUILD FOLDER             BUILD is configured by the preset `package`; the archive goes into FOLDER
make_archive.py BUILD FOLDER --sources   the source packages of all carried libraries instead, into FOLDER/sources

The archive holds bin/enlarge, lib/, the manual and completions, our own sources, licences/ with a folder for each
Debian package that something was taken from, and licences/SOURCES.tsv, which says where the sources of each are.
"""
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile

import carry_libraries

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = """enlarge {version}, for x86-64 Linux with glibc 2.36 or newer (Debian 12, Fedora 37 and what came later)

    bin/enlarge photo.jpg -o big.png

It runs from any folder. To have it on your path: ln -s "$PWD/bin/enlarge" ~/.local/bin/

Licences. enlarge itself is under the Apache License 2.0 (licences/enlarge). The libraries in lib/ are Debian's
binaries, unchanged but for the path by which they find each other; whose they are and their licences: licences/. Some,
x264 and x265 among them, are under the GNU General Public License, version 2 or later, and some under version 3 or
later, so this archive as a whole is under the GNU General Public License, version 3 (licences/common/GPL-3). The
sources that belong to it: enlarge's own are sources/enlarge-{version}.tar.gz; those of each library, in the very
version that is here, are kept by Debian at the addresses in licences/SOURCES.tsv. Whoever passes this archive on must
see to it that they stay available: `scripts/package sources` of enlarge's sources fetches all of them.
"""


def licences(packages, folder):
    """The copyright file of each package, the texts that those refer to, and where the sources are."""
    lines = ["package\tversion\tsource\tsource version\taddress\n"]
    for package in sorted(packages, key=lambda package: package.name):
        name = package.name.split(":")[0]
        copyright_file = pathlib.Path("/usr/share/doc") / name / "copyright"
        if not copyright_file.exists():
            raise carry_libraries.Failure(f"{copyright_file} is not there, and {name} cannot be passed on without it")
        (folder / name).mkdir(parents=True)
        shutil.copyfile(copyright_file, folder / name / "copyright")
        lines.append("\t".join((name, package.version, package.source, package.source_version, package.address)) + "\n")
    (folder / "common").mkdir()
    for text in pathlib.Path("/usr/share/common-licenses").iterdir():
        shutil.copyfile(text, folder / "common" / text.name)
    (folder / "SOURCES.tsv").write_text("".join(lines), encoding="utf-8")


def install(build, component, folder):
    command = ["cmake", "--install", build, "--component", component, "--prefix", folder, "--strip"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def own_sources(name, folder):
    """What is committed; scripts/package says so where something is not."""
    folder.mkdir()
    archive = folder / f"{name}.tar.gz"
    with archive.open("wb") as file:
        subprocess.run(["git", "-C", str(ROOT), "archive", "--format=tar.gz", f"--prefix={name}/", "HEAD"], check=True,
                       stdout=file)


def pack(folder, archive):
    """The same bytes for the same files."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))

    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        return entry

    whole = archive.with_suffix("")
    with tarfile.open(whole, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=plain)
    subprocess.run(["xz", "-T0", "-f", os.environ.get("ENLARGE_XZ_LEVEL", "-6"), str(whole)], check=True)


def version_of(build):
    text = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("CMAKE_PROJECT_VERSION:")).partition("=")[2]


def make(build, to):
    version = version_of(build)
    name = f"enlarge-{version}-linux-{platform.machine()}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / name
        install(build, "program", folder)
        install(build, "licence", folder)
        own = folder / "licences/enlarge"
        own.mkdir(parents=True)
        for text in (folder / "share/doc/enlarge").iterdir():
            shutil.move(text, own / text.name)
        shutil.rmtree(folder / "share/doc")
        program = folder / "bin/enlarge"
        carried = carry_libraries.carry([program], folder / "lib")
        carry_libraries.set_origin(program, "$ORIGIN/../lib")
        licences(set(carry_libraries.packages_of(set(carried.values())).values()), folder / "licences")
        own_sources(f"enlarge-{version}", folder / "sources")
        (folder / "README").write_text(README.format(version=version), encoding="utf-8")
        to.mkdir(parents=True, exist_ok=True)
        archive = to / f"{name}.tar.xz"
        pack(folder, archive)
    print(archive)


def source_lists(folder):
    """Options that let apt read the source packages of the archives that this system is installed from, whether its own
    lists name sources or not; what it knows of them goes into `folder`."""
    form = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
    lines = set()
    for line in carry_libraries.ask("apt-get", "indextargets", "--format", form).splitlines():
        kind, address, release, component, key = line.split("|")
        key = "" if key.startswith("$") else key  # what apt does not know it leaves as it is
        if kind == "Packages":
            lines.add(f"deb-src {f'[signed-by={key}] ' if key else ''}{address} {release} {component}\n")
    if not lines:
        raise carry_libraries.Failure("apt knows no archives; expected lists in /etc/apt and an `apt-get update`")
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "sources.list").write_text("".join(sorted(lines)), encoding="utf-8")
    return ["-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", f"Dir::State::lists={folder}/lists", "-o", "APT::Sandbox::User=root"]


def fetch_sources(build, to):
    with tempfile.TemporaryDirectory() as scratch:
        files = set(carry_libraries.all_needed([build / "bin/enlarge"]).values())
        packages = set(carry_libraries.packages_of(files).values())
        options = source_lists(pathlib.Path(scratch))
        carry_libraries.ask("apt-get", *options, "update")
        folder = to / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        missing = []
        for package in sorted({(one.source, one.source_version, one.address) for one in packages}):
            name, version, address = package
            words = ("source", "--download-only", "--only-source", f"{name}={version}")
            try:
                carry_libraries.ask("apt-get", *options, "-o", "Acquire::Retries=3", *words, at=folder)
                print(f"{name} {version}", flush=True)
            except carry_libraries.Failure:
                missing.append(f"{name} {version} ({address})")
        if missing:
            listed = ", ".join(missing)
            raise carry_libraries.Failure(f"this system's archives did not give all sources; missing: {listed}")


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--sources"]):
        sys.exit("make_archive.py: expected BUILD FOLDER [--sources]")
    build, to = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    try:
        if sys.argv[3:]:
            fetch_sources(build, to)
        else:
            make(build, to)
    except carry_libraries.Failure as failure:
        sys.exit(f"make_archive.py: {failure}")


if __name__ == "__main__":
    main()

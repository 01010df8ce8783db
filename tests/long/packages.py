#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/package makes, on bare Debian systems that have nothing else: packages are installed by apt, used and
removed without a trace; the archive runs where there are neither FFmpeg nor libvips.

packages.py REPOSITORY PROGRAM

PROGRAM is this build's, whose bits everything is compared with. Ends with "N checks, M failures".
"""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import check, finish  # noqa: E402
MODEL = ["-m", "swift-x2"]


def run(*words, **options):
    ran = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", **options)
    return ran.returncode, ran.stdout[-1500:]


def bitmap():
    """A picture that libvips reads by ImageMagick."""
    rows = b"".join(bytes([x * 10, y * 20, 128]) for y in range(12) for x in range(20))
    return (b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) +
            struct.pack("<IiiHHIIiiII", 40, 20, 12, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows)


class System:
    """A copy of the bare system, with /proc, in which commands run."""

    def __init__(self, bare, folder, files):
        self.root = folder
        run("cp", "-a", bare, folder)
        run("mount", "-t", "proc", "proc", folder / "proc")
        self.home = folder / "root"
        for name, file in files.items():
            shutil.copyfile(file, self.home / name)
        self.environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                            "DEBIAN_FRONTEND": "noninteractive"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", self.root / "proc")

    def run(self, line):
        return run("chroot", self.root, "sh", "-c", f"cd /root && {line}", env=self.environment)

    def check(self, what, line):
        code, said = self.run(line)
        return check(what, code == 0, f"`{line}` said: {said}")


def use(system, program, where, expected):
    """A picture and a clip, and the formats whose readers are loaded while running."""
    system.check(f"{where}: a picture", f"{program} cat.jpg -o cat.png {' '.join(MODEL)}")
    system.check(f"{where}: a clip", f"{program} clip.mkv -o big.mkv {' '.join(MODEL)}")
    for name in ("cat.png", "big.mkv"):
        made = system.home / name
        check(f"{where}: {name} has the bits of the build", made.exists() and made.read_bytes() == expected[name])
    system.check(f"{where}: BMP in, AVIF out", f"{program} a.bmp -o a.avif {' '.join(MODEL)}")
    system.check(f"{where}: AVIF in, JPEG XL out", f"{program} a.avif -o a.jxl {' '.join(MODEL)}")
    system.check(f"{where}: JPEG XL in", f"{program} a.jxl -o a.tif {' '.join(MODEL)}")


def packages(system, dist, expected):
    for package in dist.glob("*.deb"):
        shutil.copyfile(package, system.root / "tmp" / package.name)
    if not system.check("the mirror is reached", "apt-get update -qq"):
        return
    install = "cd /tmp && apt-get install -y -qq --no-install-recommends"
    if not system.check("the program's package is installed", f"{install} ./enlarge_*.deb"):
        return
    use(system, "enlarge", "package", expected)
    code, owned = system.run("dpkg -L enlarge")
    for file in ("man/man1/enlarge.1.gz", "bash-completion/completions/enlarge", "doc/enlarge/copyright"):
        check(f"the package has {file}", f"/usr/share/{file}\n" in owned, owned)
    system.check("library and Python are installed", f"{install} ./libenlarge0_*.deb ./python3-enlarge_*.deb")
    code = "import enlarge; enlarge.upscale_file('cat.jpg', 'py.png', 'swift-x2')"
    system.check("Python enlarges", f'python3 -c "{code}"')
    check("with the bits of the build", (system.home / "py.png").exists() and
          (system.home / "py.png").read_bytes() == expected["cat.png"])
    elements = list(dist.glob("gstreamer1.0-enlarge_*.deb"))
    if elements:
        system.check("the GStreamer element is installed", f"{install} ./gstreamer1.0-enlarge_*.deb gstreamer1.0-tools")
        system.check("and GStreamer has it", "gst-inspect-1.0 enlarge")
    system.check("all is removed", "apt-get purge -y -qq $(dpkg-query -W -f '${Package}\\n' | grep enlarge)")
    code, left = system.run("find /usr /etc /var/lib -xdev -name '*enlarge*'")
    check("nothing is left", code == 0 and not left.strip(), left)


def portable(system, dist, expected):
    archive, = dist.glob("enlarge-*-linux-*.tar.xz")
    code, said = run("tar", "-C", system.root / "opt", "-xf", archive)
    check("the archive is unpacked", code == 0, said)
    folder, = (system.root / "opt").glob("enlarge-*")
    here = f"/opt/{folder.name}"
    code, found = system.run("ls /usr/lib/x86_64-linux-gnu | grep -E '^lib(vips|avcodec|glib-2)'")
    check("the system has no library of pictures or video", code == 1, found)
    system.check("a link elsewhere works", f"ln -s {here}/bin/enlarge /usr/bin/enlarge && enlarge --version")
    use(system, "enlarge", "archive", expected)
    every = f"{here}/bin/enlarge {here}/lib/*.so* {here}/lib/enlarge-modules/*.so"
    code, said = system.run(f"for f in {every}; do ldd $f; done | grep 'not found'")
    check("every library finds what it needs", code == 1, said)
    licences = {path.name for path in (folder / "licences").iterdir()}
    check("x264 and x265 have their licences", {"libx264-164", "libx265-199", "enlarge"} <= licences, licences)
    rows = (folder / "licences/SOURCES.tsv").read_text().splitlines()[1:]
    packages_here = licences - {"enlarge", "common", "SOURCES.tsv"}
    check("each licence has its sources", {row.split("\t")[0] for row in rows} == packages_here)
    check("our own sources are there", any((folder / "sources").glob("enlarge-*.tar.gz")))


def main():
    repository, program = (pathlib.Path(word) for word in sys.argv[1:])
    build = repository / "build/package"
    for tool in ("debootstrap", "dpkg-shlibdeps", "lintian", "patchelf"):
        if not shutil.which(tool) or os.geteuid() != 0:
            print(f"skipped: packages need {tool}, which is not installed, or root")
            return 77
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        folder = pathlib.Path(scratch)
        code, said = run("debootstrap", "--variant=minbase", "bookworm", folder / "bare")
        if code:
            print(f"skipped: no bare Debian by debootstrap here: {said.splitlines()[-1:]}")
            return 77
        for kind in ("debian", "portable"):
            code, said = run(repository / "scripts/package", kind)
            if not check(f"scripts/package {kind}", code == 0, said):
                break
        else:
            files = {"cat.jpg": repository / "samples/cat.jpg", "clip.mkv": folder / "clip.mkv",
                     "a.bmp": folder / "a.bmp"}
            (folder / "a.bmp").write_bytes(bitmap())
            run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x96:rate=25:duration=1", "-f", "lavfi",
                "-i", "sine=duration=1", "-pix_fmt", "yuv420p", folder / "clip.mkv")
            expected = {}
            for name, source in (("cat.png", "cat.jpg"), ("big.mkv", "clip.mkv")):
                run(program, files[source], "-o", folder / name, *MODEL)
                expected[name] = (folder / name).read_bytes()
            for kind, work in (("packages", packages), ("portable", portable)):
                with System(folder / "bare", folder / kind, files) as system:
                    work(system, build / "dist", expected)
    return finish()


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""What a program or library needs to run on machines that have nothing but glibc: its libraries, those that it and they
load while running, and whose they are. For Debian, whose package database says that. Used by make_archive.py and
bindings/python/make_wheel.py."""

import dataclasses
import pathlib
import re
import shutil
import subprocess
import urllib.parse

# Of glibc, which is as old as the kernel's interface and the machine's own: never carried.
GLIBC = re.compile(
    r"^(ld-linux.*|lib(c|m|mvec|dl|rt|pthread|resolv|util|anl|nsl|BrokenLocale|thread_db|nss_.*))\.so\.\d+$")
# What src/pictures/carried.cpp loads, by the folder it looks into, which lies beside the libraries.
VIPS_MODULES = ("vips-heif.so", "vips-jxl.so", "vips-magick.so")
MAGICK_CODERS = ("bmp.la", "bmp.so")
NEWEST_GLIBC = (2, 36)
# Of several that Debian lets its users choose from, the small ones: speech recognition in libavfilter needs them.
CHOSEN = {"libblas.so.3": "blas", "liblapack.so.3": "lapack"}


class Failure(Exception):
    """Said in one sentence."""


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    version: str
    source: str
    source_version: str

    @property
    def address(self):
        """Where Debian keeps the sources of this very version for good."""
        version = urllib.parse.quote(self.source_version)
        return f"https://snapshot.debian.org/package/{self.source}/{version}/"


def ask(*words, at=None):
    try:
        return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, cwd=at).stdout
    except FileNotFoundError:
        raise Failure(f"{words[0]} is not installed; scripts/packages package installs it") from None
    except subprocess.CalledProcessError as error:
        raise Failure(f"{' '.join(map(str, words))}: {error.stderr.strip()}") from None


def needed(file):
    """The libraries that a file names in its header, and where it looks for them itself."""
    text = ask("readelf", "-dW", file)
    paths = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", text)
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text), [path for value in paths for path in value.split(":")]


def installed_libraries():
    """{soname: path} of what the loader finds here."""
    found = {}
    for line in ask("/sbin/ldconfig", "-p").splitlines():
        match = re.match(r"\s+(\S+) \((.*)\) => (\S+)", line)
        if match and "x86-64" in match.group(2):
            found.setdefault(match.group(1), pathlib.Path(match.group(3)))
    for name, folder in CHOSEN.items():
        plain = name in found and found[name].parent / folder / name
        if plain and plain.exists():
            found[name] = plain
    return found


def loaded_by_name(header_folder=pathlib.Path("/usr/include/x86_64-linux-gnu")):
    """The libraries that src/media/libraries.cpp loads."""
    names = []
    for library in ("avcodec", "avformat", "avfilter"):
        header = header_folder / f"lib{library}" / "version_major.h"
        if not header.exists():
            header = header_folder / f"lib{library}" / "version.h"
        match = re.search(rf"define LIB{library.upper()}_VERSION_MAJOR\s+(\d+)", header.read_text())
        if not match:
            raise Failure(f"{header} does not say its version")
        names.append(f"lib{library}.so.{match.group(1)}")
    return names


def modules_of(libvips):
    """{path in the carried folder: file} of what libvips and ImageMagick load while running."""
    folder, = libvips.parent.glob("vips-modules-*")
    coders = sorted(libvips.parent.glob("ImageMagick-*/modules-*/coders"))
    if not coders:
        raise Failure(f"ImageMagick's coders are not in {libvips.parent}")
    found = {f"enlarge-modules/{name}": folder / name for name in VIPS_MODULES}
    found.update({f"enlarge-modules/coders/{name}": coders[-1] / name for name in MAGICK_CODERS})
    for file in found.values():
        if not file.exists():
            raise Failure(f"{file} is not there")
    return found


def closure(roots, names):
    """{soname: file} of all libraries that the files `roots` and the libraries `names` need, without glibc's."""
    here, libraries = installed_libraries(), {}
    waiting = [(name, None) for name in names]
    for root in roots:
        waiting += [(name, root) for name in needed(root)[0]]
    while waiting:
        name, asker = waiting.pop()
        if GLIBC.match(name) or name in libraries:
            continue
        places = [pathlib.Path(place) / name for place in needed(asker)[1]] if asker else []
        file = next((place for place in places if place.exists()), here.get(name))
        if file is None:
            raise Failure(f"{name}, which {asker or 'the library'} needs, is not installed")
        libraries[name] = file.resolve()
        waiting += [(below, libraries[name]) for below in needed(file)[0]]
    return dict(sorted(libraries.items()))


def newest_glibc(file):
    """The newest version of glibc that a file asks for."""
    versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", ask("readelf", "-VW", file))
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def all_needed(roots):
    """{path in the carried folder: file} of what `roots` need, what is loaded while running included."""
    libraries = closure(roots, loaded_by_name())
    vips = next((file for name, file in libraries.items() if name.startswith("libvips.so.")), None)
    if vips is None:
        raise Failure(f"{roots[0]} does not need libvips: is it the right file?")
    modules = modules_of(vips)
    libraries = closure([*roots, *(file for file in modules.values() if file.suffix == ".so")], loaded_by_name())
    return {**libraries, **modules}


def carry(roots, folder):
    """Copies into `folder` what `roots` need; returns {copied file: the installed one}."""
    copied = {}
    for path, file in all_needed(roots).items():
        to = folder / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
        to.chmod(0o644)
        copied[to] = file
        if to.suffix == ".la":
            continue
        up = "/.." * (len(pathlib.PurePath(path).parts) - 1)
        set_origin(to, "$ORIGIN" + up)
    return copied


def set_origin(file, path):
    """Lets `file` find its libraries from where it lies."""
    glibc = newest_glibc(file)
    if glibc > NEWEST_GLIBC:
        found, most = (".".join(map(str, version)) for version in (glibc, NEWEST_GLIBC))
        raise Failure(f"{file} needs glibc {found}; at most {most} was meant")
    ask("patchelf", "--set-rpath", path, file)


def packages_of(files):
    """{file: Package} by Debian's database."""
    owners = {}
    wanted = {str(file): file for file in files}
    for line in search(wanted):
        owner, _, path = line.partition(": ")
        if path in wanted or "/usr" + path in wanted:
            owners[wanted.get(path) or wanted["/usr" + path]] = owner.split(",")[0]
    missing = [str(file) for file in files if file not in owners]
    if missing:
        raise Failure(f"no package owns {', '.join(missing)}: what is passed on must be Debian's own")
    form = "${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    known = {}
    for line in ask("dpkg-query", "-W", "-f", form, *sorted(set(owners.values()))).splitlines():
        package = Package(*line.split("\t"))
        known[package.name] = known[package.name.split(":")[0]] = package
    return {file: known[owner] for file, owner in owners.items()}


def search(paths):
    """Lines of `dpkg -S`. Debian 12 lists some files by their place before /lib became a part of /usr."""
    names = [*paths, *(path[4:] for path in paths if path.startswith("/usr/lib/"))]
    ran = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True)  # 1 where any is not found
    return ran.stdout.splitlines()

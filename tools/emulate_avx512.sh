#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a program on an emulated processor with AVX-512 and VNNI (Bochs), for machines that have neither.
#
#   tools/emulate_avx512.sh PROGRAM [ARGUMENT...]
#
# PROGRAM should be linked statically; otherwise its libraries are carried along. A Debian kernel boots in the emulator with
# PROGRAM as its only process; its output is printed here and its exit status is this script's. Slow: about 50 million
# instructions a second, half a minute to boot. Needs the Debian packages bochs bochsbios vgabios bochs-term isolinux
# syslinux-common xorriso busybox-static cpio and apt-get for the kernel. EMULATED_CPU chooses the processor.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 PROGRAM [ARGUMENT...]" >&2; exit 2; }
cpu=${EMULATED_CPU:-corei7_icelake_u}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/enlarge-emulator
work=$(mktemp -d)

mkdir -p "$cache" "$work/root/bin" "$work/iso/isolinux"

if [ ! -f "$cache/vmlinuz" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-6/ {print $2; exit}')
    (cd "$work" && apt-get download "$package" >/dev/null 2>&1 && dpkg -x linux-image-*.deb kernel)
    cp "$work"/kernel/boot/vmlinuz-* "$cache/vmlinuz"
fi

cp "$1" "$work/root/program"
cp /bin/busybox "$work/root/bin/busybox"
for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true); do
    mkdir -p "$work/root$(dirname "$library")"
    cp -L "$library" "$work/root$library"
done
printf '%q ' "${@:2}" >"$work/root/arguments"
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /tmp /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
echo "== begin"
cd /
eval "/program $(/bin/busybox cat /arguments)"
echo "== exit $?"
/bin/busybox poweroff -f
INIT
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1 >"$work/iso/initrd")
cp "$cache/vmlinuz" "$work/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
cat >"$work/iso/isolinux/isolinux.cfg" <<'CFG'
default run
label run
  kernel /vmlinuz
  append initrd=/initrd console=ttyS0,115200 panic=1 acpi=off nosmp noapic nolapic noxsaves clearcpuid=xsavec,xsaves,pku lsm=capability mitigations=off tsc=reliable nokaslr random.trust_cpu=on
CFG
xorriso -as mkisofs -quiet -o "$work/disk.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/iso" 2>/dev/null
cat >"$work/bochsrc" <<CFG
display_library: term
megs: 1024
cpu: model=$cpu, count=1, ips=100000000, reset_on_triple_fault=0
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$work/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
speaker: enabled=0
error: action=ignore
log: $work/log
panic: action=fatal
CFG
echo c >"$work/commands"  # Debian's Bochs starts in its debugger: continue
TERM=${TERM:-xterm} timeout "${EMULATOR_SECONDS:-900}" script -qec "bochs -q -f '$work/bochsrc' -rc '$work/commands'" /dev/null >/dev/null 2>&1 </dev/null || true
tr -d '\r' <"$work/serial" | sed -n '/^== begin/,/^== exit/p' | grep -v '^== '
status=$(tr -d '\r' <"$work/serial" | sed -n 's/^== exit \([0-9]*\).*/\1/p' | tail -n 1)
if [ -z "$status" ]; then
    echo "$0: the emulated machine stopped before the program ended; the last it said:" >&2
    tail -n 5 "$work/serial" "$work/log" >&2
    exit 1
fi
exit "$status"

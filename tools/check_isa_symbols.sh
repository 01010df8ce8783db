#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_isa_symbols.sh KERNELS_OBJECT_DIR LIBRARY.a [PREFIX]
# PREFIX: that of binutils for another processor, as aarch64-linux-gnu-.
# Code for one instruction set must never be reached on a processor without it:
#   1. an isa/ object defines no symbol but fill_x() that others could link to: an inline function shared with baseline
#      code might be taken from here;
#   2. no other object of the library holds AVX-512 or AVX registers, or those of SVE;
#   3. the innermost loops of the products keep their vectors in registers: no vector on the stack.
set -euo pipefail
objects=$1 library=$2 prefix=${3:-}
failed=0
complain() { echo "check_isa_symbols: $*" >&2; failed=1; }

for object in "$objects"/isa/*.o; do
    name=$(basename "$object" .cpp.o)
    exported=$("${prefix}nm" -C --defined-only --extern-only "$object" | sed 's/^[0-9a-f]* . //')
    [ "$exported" = "enlarge::fill_$name(enlarge::KernelTable&)" ] ||
        complain "$name exports more than fill_$name(): $exported"
done

case $(basename "$objects"/isa/avx2*.o) in
avx2.*) newer='%[yzt]mm[0-9]|%k[1-7][,}]' isa=$(cd "$objects/isa" && echo *.o) ;;
*) newer='[^a-z]z[0-9]+\\.[bhsd]|[^a-z]p[0-9]+/[mz]' isa=$(cd "$objects/isa" && echo sve*.o) ;;
esac
leaks=$("${prefix}objdump" -d --no-show-raw-insn "$library" | awk -v isa=" $isa " -v newer="$newer" '
    /file format/ { member = $1; sub(/:$/, "", member); own = index(isa, " " member " ") > 0; next }
    !own && $0 ~ newer && !seen[member]++ { print member ":" $0 }')
[ -z "$leaks" ] || complain "instructions of a newer set outside isa/: $leaks"

# Innermost loops: a backward jump with at least eight products and no other backward jump inside.
python3 - "${prefix}objdump" "$objects"/isa/*.o <<'PYTHON' || failed=1
import re, subprocess, sys

bad = 0
objdump = sys.argv[1]
for path in sys.argv[2:]:
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    loops = 0
    for block in text.split("\n\n"):
        head = re.match(r"[0-9a-f]+ <(.*)>:", block.strip())
        if not head or "_tile<" not in head.group(1):
            continue
        code = [(int(line.split(":")[0], 16), line.split(":", 1)[1].strip())
                for line in block.strip().split("\n")[1:] if re.match(r"\s*[0-9a-f]+:", line)]
        jumps = []
        for at, instruction in code:
            target = re.match(r"(?:j\w+|b\.\w+|cbn?z\s+\w+,)\s+([0-9a-f]+)\b", instruction)
            if target and code[0][0] <= int(target.group(1), 16) < at:
                jumps.append((int(target.group(1), 16), at))
        for first, last in jumps:
            if any(first <= f and l <= last and (f, l) != (first, last) for f, l in jumps):
                continue
            body = [i for at, i in code if first <= at <= last]
            if sum(bool(re.match(r"vfmadd|vpmaddwd|vpdpwssd|fmla|fmad\b|sdot", i)) for i in body) < 8:
                continue
            loops += 1
            spills = [i for i in body if re.search(r"[xyz]mm\d", i) and re.search(r"\((%rsp|%rbp)\b", i)
                      or re.search(r"\bq\d+,.*\[(sp|x29)\b", i) or re.match(r"(str|ldr)\s+z\d", i)]
            if spills:
                print(f"check_isa_symbols: {path}: {head.group(1)} keeps vectors on the stack: {spills[0]}", file=sys.stderr)
                bad = 1
    if not loops:
        print(f"check_isa_symbols: {path}: found no inner loop to look at", file=sys.stderr)
        bad = 1
sys.exit(bad)
PYTHON
exit $failed

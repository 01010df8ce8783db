#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A GPU that is new to us, in one go (less than 25 minutes): do the kernels compute what they should, how fast, compared
# with the card's own limits and with PyTorch.
#
#   bench/gpu_first.sh bundle [MODEL...]   here: puts what is needed into .gpu/ (programs, their libraries, models)
#   bench/gpu_first.sh run [FOLDER]        on the computer with the GPU: writes FOLDER/gpu.json and FOLDER/gpu.log
#
# Here and there may be the same computer. There needs an NVIDIA driver, and python3 with PyTorch for the comparison.
# SIZES, RUNS, PRECISIONS, DEVICE and STEPS ("tests sanitizer ours pytorch vulkan") change what is done. The Vulkan step
# needs a Vulkan driver alone (STEPS=vulkan, with VULKAN=vulkan:N for another than the best); ncnn networks (both files)
# among the models are also run by ncnn, where Python has it.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
bundle=.gpu

if [ "${1:-}" = bundle ]; then
    shift
    set -e
    cmake --build "$build" --target gpu_first
    programs=("$build/bench/gpu_first")
    # Not in builds without CUDA, which have the Vulkan step alone.
    if cmake --build "$build" --target cuda_gpu; then programs+=("$build/tests/cuda/cuda_gpu"); fi
    rm -rf $bundle
    mkdir -p $bundle/lib $bundle/models
    cp "${programs[@]}" $bundle/
    for library in $(ldd "${programs[@]}" | awk '$3 ~ /^\// {print $3}' | sort -u); do
        case $(basename "$library") in
            libc.so*|libm.so*|libpthread*|libdl.so*|librt.so*|ld-linux*) ;;  # the target's own are newer or as new
            *) cp -L "$library" $bundle/lib/ ;;
        esac
    done
    for model in "$@"; do cp "$model" $bundle/models/; done
    du -sh $bundle
    exit 0
fi
[ "${1:-}" = run ] || { sed -n '3,12p' "$0"; exit 2; }

out=${2:-.}
mkdir -p "$out"
log=$out/gpu.log
steps=${STEPS:-tests sanitizer ours pytorch vulkan}
device=${DEVICE:-cuda:0}
sizes=${SIZES:-1280x720,1920x1080}
: > "$log"
# For our programs only: PyTorch brings its own libraries.
mine="env LD_LIBRARY_PATH=$PWD/$bundle/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
lines=$(mktemp)
note() { printf '%s %s\n' "$(date +%T)" "$*" | tee -a "$log"; }
step() {  # name seconds command...
    local name=$1 limit=$2 code
    shift 2
    case " $steps " in *" $name "*) ;; *) return 0 ;; esac
    note "== $name: $*"
    timeout "$limit" "$@" >> "$log" 2>&1
    code=$?
    note "== $name ended with $code"
    printf '{"step": "%s", "exit": %d}\n' "$name" "$code" >> "$lines"
}
{ command -v nvidia-smi > /dev/null && nvidia-smi >> "$log" 2>&1; } || note "nvidia-smi is not there"

# 1. Right? Primitives against what the emulator says they are: every kernel, both accumulations, 8 bits, graphs.
step tests 240 $mine $bundle/cuda_gpu
if command -v compute-sanitizer > /dev/null; then
    step sanitizer 300 $mine compute-sanitizer --error-exitcode 9 $bundle/cuda_gpu
    # 2. Layers of one 64 -> 64 network are in `ours` as animevideov3 and general-x4v3; a profile of the winner, by hand:
    #    ncu --set full -k regex:conv64 -c 3 .gpu/gpu_first cuda:0 1 1280x720 fp16 .gpu/models/...
fi
# 3. Fast? Whole networks, with the card's ceilings, NV12 in and out.
ours() {
    local models=()
    for model in $bundle/models/*; do [ -f "$model" ] && models+=("$model"); done
    set -o pipefail
    $mine $bundle/gpu_first "$device" "${RUNS:-30}" "$sizes" "${PRECISIONS:-fp16,int8}" swift-x4 "${models[@]}" | tee -a "$out/ours.jsonl" || failed=1
    if [ -z "${NO_RRDB:-}" ] && python3 bench/random_rrdb.py "$out/x4plus.safetensors"; then
        $mine $bundle/gpu_first "$device" 5 "${sizes%%,*}" fp16 "$out/x4plus.safetensors" | tee -a "$out/ours.jsonl"
        rm -f "$out/x4plus.safetensors"
    fi
    return "${failed:-0}"
}
export -f ours
export bundle mine device sizes out
rm -f "$out/ours.jsonl" "$out/pytorch.json"
step ours 360 bash -c ours
# 4. Faster? The same networks in PyTorch, then ours once more: a card that is warm is slower.
step pytorch 420 python3 bench/peers/pytorch_cuda.py --size "${sizes%%,*}" --json "$out/pytorch.json"
case " $steps " in *" pytorch "*) NO_RRDB=1 step ours 180 bash -c ours ;; esac
# 5. The same networks on Vulkan, in fp32 and fp16 (each line says which rung), and ncnn's side by side.
on_vulkan() {
    local models=() size=${sizes%%,*} failed=0
    for model in $bundle/models/*; do [ -f "$model" ] && [ "${model##*.}" != bin ] && models+=("$model"); done
    set -o pipefail
    $mine $bundle/gpu_first "${VULKAN:-vulkan}" "${RUNS:-30}" "$size" fp32,fp16 swift-x4 "${models[@]}" |
        tee -a "$out/ours.jsonl" || failed=1
    for model in "${models[@]}"; do
        [ "${model##*.}" = param ] || continue
        for how in fp32 ""; do
            echo "ncnn ${how:-fp16} ${model##*/} $size, ms a run:"
            python3 bench/peers/ncnn_vulkan.py "$model" "${size%x*}" "${size#*x}" "${RUNS:-30}" $how
        done
    done
    return $failed
}
export -f on_vulkan
step vulkan 300 bash -c on_vulkan

python3 - "$out" "$lines" << 'PYTHON'
import json, os, sys
out, lines = sys.argv[1:]
report = {"steps": [json.loads(line) for line in open(lines)], "ours": [], "pytorch": None}
if os.path.exists(f"{out}/ours.jsonl"):
    report["ours"] = [json.loads(line) for line in open(f"{out}/ours.jsonl")]
if os.path.exists(f"{out}/pytorch.json"):
    report["pytorch"] = json.load(open(f"{out}/pytorch.json"))
json.dump(report, open(f"{out}/gpu.json", "w"), indent=1)
for step in report["steps"]:
    print(f"{step['step']:10} exit {step['exit']}")
for r in report["ours"]:
    if "device_ms" in r:
        print(f"{r['model']:34} {r['size']:>9} {r['precision']:>5} {r['device_ms']:8.2f} ms {r['device_fps']:7.1f} fps, video {r['video_fps']:7.1f} fps, "
              f"{r['tflops']:6.1f} TFLOP/s = {100 * r['of_ceiling']:.0f} % of {r['ceiling_tflops']:.0f}, copy {r['copy_gigabytes']:.0f} GB/s, {r['device_memory_mib']:.0f} MiB")
    elif "error" in r:
        print(f"{r['model']}: {r['error']}")
PYTHON
note "wrote $out/gpu.json and $log"

#!/usr/bin/env bash
# Check everything that needs a GPU, in ten minutes and without network:
#   bash tools/gpu_check.sh OUT [STEP...]
# OUT gets a log and a json of each step, and after each step gpu_check.json of all. A step that fails or hangs does
# not stop the others. Without a GPU it runs what the CPU can tell. PYTHON names the Python, LIMIT the seconds for all
# steps (540).
set -uo pipefail
if [ $# -lt 1 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
mkdir -p "$1" || exit 2
out="$(cd "$1" && pwd)"
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
python="${PYTHON:-}"
for name in ${python:-python python3}; do
    if "$name" -c 'import torch' 2>/dev/null; then python="$name"; break; fi
done
if ! "${python:=python3}" -c 'import torch, mmengine, mmcv, pytest'; then
    echo "error: $python lacks packages, see above and requirements/gpu_wheels.txt; PYTHON=... names another" >&2
    exit 2
fi
limit="${LIMIT:-540}"
all=(device build ops goldens drift syncs precisions inference_bf16 training_bf16 video inference training operators
    determinism resume nccl sanitizer registers video_compiled emulated data cpu_suite)
steps=("${@:-${all[@]}}")
[ $# -gt 0 ] || steps=("${all[@]}")

gpu=no
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null && gpu=yes
device=cpu small=(--size 96 64 --turns 1)
if [ "$gpu" = yes ]; then device=cuda small=(--turns 10); else echo 'no GPU: running what the CPU can tell'; fi

skip() { echo "$1"; return 77; }
need_gpu() { [ "$gpu" = yes ] || skip 'needs a GPU'; }
# Seconds that a step may take on a GPU, so that one that hangs leaves time for the others.
most() {
    case "$gpu $1" in
        'yes build') echo 180 ;;
        'yes ops' | 'yes resume' | 'yes sanitizer' | 'yes video_compiled') echo 120 ;;
        'yes cpu_suite' | no*) echo "$limit" ;;
        *) echo 75 ;;
    esac
}
step() {
    local json="$out/$1.json" pytest=("$python" -m pytest -q -p no:cacheprovider)
    case "$1" in
        device | registers | drift | syncs | precisions | determinism | resume | nccl | video | video_compiled)
            "$python" tools/gpu_check/steps.py "$1" "$json" ;;
        build) PYTHON="$python" bash compile.sh ;;
        ops) need_gpu && "${pytest[@]}" --durations 5 -m cuda tests/ops ;;
        emulated) "${pytest[@]}" tests/ops/test_cuda_sources.py -k 'not compiles' ;;
        goldens) need_gpu && "${pytest[@]}" -m cuda tests/parity ;;
        inference) "$python" benchmarks/inference.py --device $device "${small[@]}" --out "$json" ;;
        inference_bf16)
            need_gpu && "$python" benchmarks/inference.py --device cuda "${small[@]}" --precision bf16 \
                --batch 4 --frames 8 --out "$json" ;;
        training) "$python" benchmarks/training.py --device $device "${small[@]}" --out "$json" ;;
        training_bf16)
            need_gpu && "$python" benchmarks/training.py --device cuda "${small[@]}" --precision bf16 \
                --pairs 8 --out "$json" ;;
        operators) need_gpu && "$python" benchmarks/ops.py --device cuda --out "$json" ;;
        data) "$python" benchmarks/data.py --turns 1 --out "$json" ;;
        sanitizer)
            need_gpu || return
            command -v compute-sanitizer >/dev/null || { skip 'compute-sanitizer is not installed'; return; }
            # Each tensor in memory of its own: within a block of PyTorch's cache nothing is out of bounds.
            local cuda=tests/ops/test_cuda.py
            PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --error-exitcode 9 --report-api-errors no \
                "${pytest[@]}" -m cuda "$cuda::test_roi_align_of_few_and_many" "$cuda::test_soft_nms" \
                "$cuda::test_roi_align_backward[False-dtype0-channels_last]" \
                "$cuda::test_nms[0]" "$cuda::test_nms[1]" "$cuda::test_nms[65]" \
                "$cuda::test_batched_nms[dtype0-65-2]" "$cuda::test_batched_nms[dtype0-10000-40]" ;;
        cpu_suite)
            find tests -name 'test_*.py' | sort | CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1 \
                xargs -P "$(nproc)" -n 4 "${pytest[@]}" ;;
        *) echo "unknown step $1; known: ${all[*]}"; return 2 ;;
    esac
}

# Runs a step in a process group of its own, so that the time limit ends what it started, also what ignores SIGTERM.
limited() {
    local late="$out/$1.late" job watch status
    set -m
    step "$1" > "$out/$1.log" 2>&1 &
    job=$!
    ( sleep "$2" && touch "$late" && kill -TERM -- "-$job" ) 2>/dev/null &
    watch=$!
    wait "$job"
    status=$?
    kill -- "-$watch" 2>/dev/null
    [ -e "$late" ] || return "$status"
    rm -f "$late"
    for _ in {1..20}; do kill -0 -- "-$job" 2>/dev/null && sleep 0.5; done
    kill -KILL -- "-$job" 2>/dev/null
    return 124
}

begin=$SECONDS
: > "$out/steps.tsv"
for name in "${steps[@]}"; do
    left=$((limit - (SECONDS - begin)))
    start=$SECONDS
    rm -f "$out/$name.json"
    if [ "$left" -le 0 ]; then
        echo 'no time left' > "$out/$name.log"
        status=124
    else
        own=$(most "$name")
        ( limited "$name" $((own < left ? own : left)) )
        status=$?
    fi
    printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - start))" >> "$out/steps.tsv"
    echo "$name: exit status $status, $((SECONDS - start)) s"
    "$python" tools/gpu_check/report.py "$out" > "$out/report.txt" 2>&1
    reported=$?
done
cat "$out/report.txt"
exit "$reported"

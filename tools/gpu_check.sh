#!/usr/bin/env bash
# Check everything that needs a GPU, in ten minutes and without network:
#   bash tools/gpu_check.sh OUT [STEP...]
# OUT gets a log and a json of each step, and gpu_check.json of all. A step that fails does not stop the others.
# Without a GPU it runs what the CPU can tell. PYTHON names the Python, LIMIT the seconds for all steps (600).
set -uo pipefail
if [ $# -lt 1 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
mkdir -p "$1" || exit 2
out="$(cd "$1" && pwd)"
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
python="${PYTHON:-python}"
limit="${LIMIT:-600}"
all=(device build registers ops emulated goldens drift syncs precisions determinism resume nccl
    inference inference_bf16 training training_bf16 operators data sanitizer cpu_suite)
steps=("${@:-${all[@]}}")
[ $# -gt 0 ] || steps=("${all[@]}")

gpu=no
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null && gpu=yes
device=cpu small=(--size 96 64 --turns 1)
if [ "$gpu" = yes ]; then device=cuda small=(--turns 10); else echo 'no GPU: running what the CPU can tell'; fi

skip() { echo "$1"; return 77; }
need_gpu() { [ "$gpu" = yes ] || skip 'needs a GPU'; }
step() {
    local json="$out/$1.json" pytest=("$python" -m pytest -q -p no:cacheprovider)
    case "$1" in
        device | registers | drift | syncs | precisions | determinism | resume | nccl)
            "$python" tools/gpu_check/steps.py "$1" "$json" ;;
        build) PYTHON="$python" bash compile.sh ;;
        ops) need_gpu && "${pytest[@]}" -m cuda tests/ops ;;
        emulated) "${pytest[@]}" tests/ops/test_cuda_sources.py ;;
        goldens) need_gpu && "${pytest[@]}" -m cuda tests/parity ;;
        inference) "$python" benchmarks/inference.py --device $device "${small[@]}" --out "$json" ;;
        inference_bf16)
            need_gpu && "$python" benchmarks/inference.py --device cuda "${small[@]}" --precision bf16 \
                --batch 4 --frames 8 --out "$json" ;;
        training) "$python" benchmarks/training.py --device $device "${small[@]}" --out "$json" ;;
        training_bf16)
            need_gpu && "$python" benchmarks/training.py --device cuda "${small[@]}" --precision bf16 \
                --pairs 8 --out "$json" ;;
        operators) need_gpu && "$python" benchmarks/ops.py --device cuda --out "$out/operators_cuda.json" ;;
        data) "$python" benchmarks/data.py --turns 1 --out "$json" ;;
        sanitizer)
            need_gpu || return
            command -v compute-sanitizer >/dev/null || { skip 'compute-sanitizer is not installed'; return; }
            compute-sanitizer --error-exitcode 9 "${pytest[@]}" -m cuda tests/ops/test_cuda.py \
                -k 'few_and_many or test_soft_nms or (test_nms and (0 or 1 or 65))' ;;
        cpu_suite)
            find tests -name 'test_*.py' | sort | CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1 \
                xargs -P "$(nproc)" -n 4 "${pytest[@]}" ;;
        *) echo "unknown step $1; known: ${all[*]}"; return 2 ;;
    esac
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
        # A process group of its own, so that the time limit ends what a step started.
        (
            set -m
            step "$name" > "$out/$name.log" 2>&1 &
            job=$!
            ( sleep "$left" && kill -TERM -- "-$job" ) 2>/dev/null &
            watch=$!
            wait "$job"
            status=$?
            kill -- "-$watch" 2>/dev/null
            [ "$status" -ne 143 ] || status=124
            exit "$status"
        )
        status=$?
    fi
    printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - start))" >> "$out/steps.tsv"
    echo "$name: exit status $status, $((SECONDS - start)) s"
done
"$python" tools/gpu_check/report.py "$out"

#!/usr/bin/env bash
# Test on videos with several processes: bash tools/dist_test_video.sh CONFIG CHECKPOINT PROCESSES [options]
set -euo pipefail
if [ "$#" -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT PROCESSES [options of tools/test_video.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
# One thread a process is torchrun's own choice, too; setting it saves its notice.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python}" -m torch.distributed.run --standalone --nproc_per_node="$processes" \
    "$(dirname "$0")/test_video.py" "$config" "$checkpoint" --launcher pytorch "$@"

#!/usr/bin/env bash
# Test on several GPUs (or CPU processes) of this machine; every video stays on one of them:
#   bash tools/dist_test_video.sh CONFIG CHECKPOINT PROCESSES --out OUT [options of tools/test_video.py]
set -euo pipefail
if [ $# -lt 3 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
config=$1; checkpoint=$2; processes=$3; shift 3
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python}"
rendezvous=(--standalone)
if [ "${NNODES:-1}" -gt 1 ]; then
    rendezvous=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
fi
exec "$python" -m torch.distributed.run "${rendezvous[@]}" --nproc_per_node "$processes" \
    "$here/test_video.py" "$config" "$checkpoint" --launcher pytorch "$@"

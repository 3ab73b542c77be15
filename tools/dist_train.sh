#!/usr/bin/env bash
# Train on several GPUs (or CPU processes) of this machine:
#   bash tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT are for several machines.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
config=$1; processes=$2; shift 2
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python}"
rendezvous=(--standalone)
if [ "${NNODES:-1}" -gt 1 ]; then
    rendezvous=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
fi
exec "$python" -m torch.distributed.run "${rendezvous[@]}" --nproc_per_node "$processes" \
    "$here/train.py" "$config" --launcher pytorch "$@"

#!/usr/bin/env bash
# Train on several GPUs (or CPU processes):
#   bash tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
source "$(dirname "${BASH_SOURCE[0]}")/_torchrun.sh"
torchrun "$2" train.py "$1" "${@:3}"

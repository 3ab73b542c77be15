#!/usr/bin/env bash
# Test on several GPUs (or CPU processes); every video stays on one of them:
#   bash tools/dist_test_video.sh CONFIG CHECKPOINT PROCESSES --out OUT [options of tools/test_video.py]
set -euo pipefail
if [ $# -lt 3 ]; then sed -n '3s/^# *//p' "$0" >&2; exit 2; fi
source "$(dirname "${BASH_SOURCE[0]}")/_torchrun.sh"
torchrun "$3" test_video.py "$1" "$2" "${@:4}"

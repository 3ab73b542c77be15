# Sourced by dist_train.sh and dist_test_video.sh: torchrun PROCESSES TOOL [arguments of the tool]
# NNODES, NODE_RANK, MASTER_ADDR and PORT are for several machines.
# The name of the machine may not resolve, so that one machine uses its own address.
torchrun() {
    local processes=$1 tool=$2 rendezvous=(--standalone --local_addr 127.0.0.1)
    shift 2
    if [ "${NNODES:-1}" -gt 1 ]; then
        rendezvous=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}"
            --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
    fi
    exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" --nproc_per_node "$processes" \
        "$(dirname "${BASH_SOURCE[0]}")/$tool" "$@" --launcher pytorch
}

"""Checkpoint files for the tests of tools, and a way to call a tool and look at how it fails."""

import torch

from tests.compat.checkpoints import foreign


class Payload:
    """Pickles into a call that leaves a file behind when it is loaded carelessly. Harmless otherwise."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, 'w'))


def malicious(path, mark, state=None):
    """Write a checkpoint whose meta runs code on loading: it creates the file ``mark``."""
    state = foreign.fill(foreign.mmdet_shapes(2)) if state is None else state
    torch.save(dict(state_dict=state, meta=dict(mmdet_version='2.25.0', payload=Payload(mark))), path)
    return path


def refused(capsys, main, *args):
    """Run a tool that must end with status 2 and one line; returns the line."""
    code = None
    try:
        main([str(arg) for arg in args])
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code == 2, f'exit status {code}: {error}'
    lines = [line for line in error.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'Traceback' not in error, error
    return lines[0]

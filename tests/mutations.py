"""Random changes of plain data and of bytes, for fuzz tests."""

import copy

import torch

VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    float('nan'),
    float('inf'),
    '',
    'x\n\x00\ud800',
    b'\xff',
    [],
    {},
    [[]],
    {'a': {}},
    torch.zeros(2, 3),
    torch.tensor(float('nan')),
    torch.zeros(0),
    (),
)


def places(data, container=None, key=None):
    """Every (container, key) in nested dicts, lists and tuples."""
    if container is not None:
        yield container, key
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in items:
        yield from places(value, data, name)


def mutated(data, rng, values=VALUES):
    """A copy of nested dicts and lists with one to three changes.

    Args:
        data: dicts and lists.
        rng (random.Random): source of the choices.
        values (Sequence): what entries are replaced by.
    """
    data = copy.deepcopy(data)
    for _ in range(rng.randint(1, 3)):
        everywhere = list(places(data))
        if not everywhere:
            break
        container, key = rng.choice(everywhere)
        how = rng.choice(['replace', 'replace', 'remove', 'swap', 'rename', 'repeat'])
        other_container, other_key = rng.choice(everywhere)
        if how == 'replace':
            container[key] = copy.deepcopy(rng.choice(values))
        elif how == 'remove':
            del container[key]
        elif how == 'swap':
            container[key] = copy.deepcopy(other_container[other_key])
        elif how == 'rename' and isinstance(container, dict):
            container[rng.choice(['x', 0, None, f'{key}_', other_key])] = container.pop(key)
        elif how == 'repeat' and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
    return data


def mutated_bytes(data, rng):
    """A copy of a byte string with bytes changed, removed, repeated, or its end cut off."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        if not data:
            break
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.choice([1, 1, 8, 100]))
        how = rng.choice(['flip', 'random', 'remove', 'repeat', 'cut'])
        if how == 'flip':
            data[start] ^= 1 << rng.randrange(8)
        elif how == 'random':
            data[start:end] = rng.randbytes(end - start)
        elif how == 'remove':
            del data[start:end]
        elif how == 'repeat':
            data[start:start] = data[start:end]
        else:
            del data[start:]
    return bytes(data)

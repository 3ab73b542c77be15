"""Checks that the parts of a detector fit together, made when it is built."""


def check_channels(producer, consumer, names):
    """Raise a ValueError if one part outputs other channels than the next one expects.

    Custom parts without ``out_channels`` or ``in_channels`` are not compared.

    Args:
        producer (nn.Module | None): its ``out_channels`` is a number, or one number per level.
        consumer (nn.Module | None): its ``in_channels`` is a number for all levels, or one number per level.
        names (tuple[str, str]): their names in the config.
    """
    given, taken = getattr(producer, 'out_channels', None), getattr(consumer, 'in_channels', None)
    if given is None or taken is None:
        return
    given, taken = _listed(given), _listed(taken)
    length = max(len(given), len(taken))
    spread = [part * length if len(part) == 1 else part for part in (given, taken)]
    if spread[0] != spread[1]:
        raise ValueError(
            f'{names[1]}: in_channels={_shown(taken)} does not fit the output of {names[0]}, '
            f'which has {_shown(given)} channels'
        )


def check_roi_features(extractor, head, names):
    """Raise a ValueError if an extractor outputs other channels or another size than a head expects.

    Args:
        extractor (nn.Module): with ``out_channels`` and ``output_size``.
        head (nn.Module): with ``in_channels`` and, if it needs a fixed size, ``roi_feat_size``.
        names (tuple[str, str]): their names in the config.
    """
    check_channels(extractor, head, names)
    given, taken = getattr(extractor, 'output_size', None), getattr(head, 'roi_feat_size', None)
    if given is None or taken is None:
        return
    given, taken = (sorted(set(_listed(size))) for size in (given, taken))
    if given != taken:
        raise ValueError(
            f'{names[1]}: roi_feat_size={_shown(taken)} does not fit '
            f'output_size={_shown(given)} of {names[0]}.roi_layer'
        )


def _listed(value):
    return [value] if isinstance(value, int) else list(value)


def _shown(values):
    return values[0] if len(values) == 1 else values

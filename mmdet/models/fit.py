"""Whether the parts of a detector fit together, asked when it is built and not in the first iteration."""


def check_channels(producer, consumer, names):
    """Raise a ValueError where one part does not give the channels that the next one takes.

    Parts without ``out_channels`` or ``in_channels`` (a user's own, for instance) are not compared.

    Args:
        producer (nn.Module | None): its ``out_channels`` is a number, or one number a level.
        consumer (nn.Module | None): its ``in_channels`` is a number that holds for every level, or one each.
        names (tuple[str, str]): what the config calls the two.
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
    """Raise a ValueError where an extractor's maps have not the channels or the size that a head takes.

    Args:
        extractor (nn.Module): with ``out_channels`` and ``output_size``.
        head (nn.Module): with ``in_channels`` and, if it takes one size alone, ``roi_feat_size``.
        names (tuple[str, str]): what the config calls the two.
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

"""Which detection continues which object, given how well they fit."""

import numpy as np

ASSIGNMENTS = ('hungarian', 'greedy')


def assign(fit: np.ndarray, allowed: np.ndarray, method: str = 'hungarian') -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns, each at most once.

    Args:
        fit (np.ndarray): (n, m) finite numbers of at least 0, more is better.
        allowed (np.ndarray): (n, m) bool; only these pairs are possible.
        method (str): ``'hungarian'``: the sum over the pairs is as great as it can be; ``'greedy'``: the best
            pair first, of equal ones the earlier row, then the earlier column.

    Returns:
        tuple: rows and columns of the pairs, (k,) int64 each, rows ascending.
    """
    if method == 'greedy':
        return _greedy(fit, allowed)
    from scipy.optimize import linear_sum_assignment  # takes as long to import as this package

    rows, columns = linear_sum_assignment(np.where(allowed, fit, 0.0), maximize=True)
    paired = allowed[rows, columns]
    return rows[paired], columns[paired]


def _greedy(fit, allowed):
    rows, columns = np.nonzero(allowed)
    free_rows, free_columns = np.ones(len(fit), bool), np.ones(fit.shape[1], bool)
    pairs = []
    for index in np.argsort(-fit[rows, columns], kind='stable'):
        row, column = rows[index], columns[index]
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            pairs.append((row, column))
    pairs = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]

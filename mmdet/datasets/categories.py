"""Which category gets which label."""

from mmdet.formats.ytvis_tables import sort_ids
from mmdet.registry import DATASETS
from mmdet.utils import UserError, suggest


def match_classes(path, categories, used_ids, classes=None, filter_classes=False):
    """Assign labels to categories.

    Args:
        path (str): annotation file, for messages.
        categories (list[dict]): ``id`` and ``name``.
        used_ids (Container[int]): category ids that annotations refer to.
        classes (Sequence[str] | None): names in the order of the labels; None: all, in the order of ids.
        filter_classes (bool): drop annotations of other categories, and allow names that the file lacks.

    Returns:
        tuple: class names; their category ids (-1 for a name that the file lacks).

    Raises:
        UserError: annotations of a category that is not in ``classes``, or a name that the file lacks.
    """
    by_name = {category['name']: category['id'] for category in categories}
    if classes is None:
        ordered = sort_ids(categories, lambda category: category['id'])
        return tuple(c['name'] for c in ordered), tuple(c['id'] for c in ordered)
    classes = tuple(classes)
    if len(set(classes)) != len(classes):
        raise UserError(f'classes: a name is listed twice in {classes}')
    if not set(classes) & set(by_name):
        raise UserError(
            f'{path}: none of the given classes {_few(classes)} is among its categories {_few(by_name)}'
        )
    if not filter_classes:
        outside = [name for name, identity in by_name.items() if identity in used_ids and name not in classes]
        if outside:
            raise UserError(
                f'{path}: annotations of {len(outside)} categories outside the given classes: '
                f'{_few(outside)}; pass filter_classes=True to leave them out'
            )
        missing = [name for name in classes if name not in by_name]
        if missing:
            raise UserError(
                f'{path}: has no category {missing[0]!r}{suggest(missing[0], by_name)}, which is among '
                f'the given classes ({len(missing)} of {len(classes)} are missing); '
                'pass filter_classes=True to allow classes without objects'
            )
    return classes, tuple(by_name.get(name, -1) for name in classes)


def _few(names, count=5):
    names = [repr(name) for name in names]
    more = f' and {len(names) - count} more' if len(names) > count else ''
    return ', '.join(names[:count]) + more


def named_classes(name):
    """Class names of a dataset that defines them, such as ``'OVISDataset'``.

    Raises:
        UserError: no dataset with class names has this type.
    """
    classes = getattr(DATASETS.get(name), 'CLASSES', None)
    if classes is None:
        known = [key for key, kind in DATASETS.module_dict.items() if getattr(kind, 'CLASSES', None)]
        raise UserError(
            f'classes: expected a list of names or one of {", ".join(sorted(known))}, got the string {name!r}'
        )
    return classes


def rename_categories(path, categories, rename):
    """Give categories the names that the classes of a model have.

    Args:
        path (str): annotation file, for messages.
        categories (list[dict]): ``id`` and ``name``.
        rename (dict[str, str | None]): name in the file -> new name; None leaves the category out.

    Returns:
        list[dict]: the remaining categories.

    Raises:
        UserError: a name that the file lacks, or two categories of one name.
    """
    known = [category['name'] for category in categories]
    for name in rename:
        if name not in known:
            raise UserError(f'rename: {path} has no category {name!r}{suggest(name, known)}')
    renamed = [
        {**category, 'name': rename.get(category['name'], category['name'])} for category in categories
    ]
    kept = [category for category in renamed if category['name'] is not None]
    names = [category['name'] for category in kept]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f'rename: {names.count(name)} categories of {path} are named {name!r}')
    return kept

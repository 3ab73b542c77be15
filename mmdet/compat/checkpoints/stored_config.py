"""Read facts out of a config text stored in a checkpoint, without ever running it."""

import ast
import operator

_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MAX_TEXT = 2_000_000


class _Unreadable(Exception):
    """An expression that is more than literals, names and ``dict(...)``."""


def _value(node, names):
    """Evaluate literals, displays, ``dict(...)`` calls, known names and arithmetic on numbers."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_value(item, names) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict):
        return _dict(zip(node.keys, node.values), names)
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
    ):
        pairs = [(ast.Constant(word.arg) if word.arg else None, word.value) for word in node.keywords]
        return _dict(pairs, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _value(node.operand, names)
        if isinstance(number, (int, float)):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left, names), _value(node.right, names)
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        texts = isinstance(left, str) and isinstance(right, str) and isinstance(node.op, ast.Add)
        if (numbers and not (isinstance(node.op, ast.Div) and right == 0)) or texts:
            return _BINARY[type(node.op)](left, right)
    raise _Unreadable


def _dict(pairs, names):
    """Build a dict from key and value nodes; unreadable values are left out, ``**name`` is merged."""
    result = {}
    for key, value in pairs:
        try:
            if key is None:
                result.update(_value(value, names))
            else:
                result[_value(key, names)] = _value(value, names)
        except (_Unreadable, TypeError):
            continue
    return result


def parse_config_text(text):
    """Return the top-level assignments of a config text whose values are plain data.

    mmdetection and its relatives store the text of the training config in ``meta['config']``. It is Python,
    so running it would run whatever somebody put there. This reads the syntax tree instead and understands
    literals, ``dict(...)``, names assigned before, and arithmetic on numbers; all else is skipped.

    Args:
        text (str): config text. Version 1.x puts the file's path in the first line; that is skipped.

    Returns:
        dict: name -> value; empty where the text cannot be parsed.
    """
    if not text or len(text) > _MAX_TEXT:
        return {}
    tree = None
    for candidate in (text, text.partition('\n')[2]):
        try:
            tree = ast.parse(candidate)
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    names = {}
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                names[node.targets[0].id] = _value(node.value, names)
            except (_Unreadable, TypeError, RecursionError):
                names.pop(node.targets[0].id, None)
    return names

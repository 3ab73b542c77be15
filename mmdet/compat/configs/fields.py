"""Taking apart a dict of a foreign schema so that no key is lost and no value passes unchecked."""

import contextlib

from mmdet.utils import UserError, shown, suggest

from .values import check_value


def plain(value):
    """Return config containers as plain dicts, lists and tuples (a copy)."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def unsupported(what, reason):
    """The error for a part of a config, such as ``model.neck.type='PAFPN'``, that has no counterpart."""
    return UserError(f'{what} is not supported: {reason}')


class Refusals(dict):
    """What cannot be used, by the job that needs it: 'train', 'val' or 'test' -> the first message.

    A part that one job needs does not stop the others: 2019 trained with a test part that could not run.
    """

    @contextlib.contextmanager
    def of(self, job):
        """Within the block a ``UserError`` is kept for ``job`` instead of raised."""
        try:
            yield
        except UserError as error:
            self.setdefault(job, str(error))


class Fields:
    """A dict whose keys are taken one by one; :meth:`done` complains of those that are left.

    Args:
        values (dict): part of a config.
        where (str): dotted name of that part, for messages.
    """

    def __init__(self, values, where):
        if not isinstance(values, dict):
            raise UserError(f'{where}: expected a dict, got {shown(values)}')
        self.values = plain(values)
        self.where = where
        self.asked = set()

    def __contains__(self, key):
        return key in self.values

    def take(self, key, *default):
        """Remove and return a value that fits its key; without a default the key must be there."""
        self.asked.add(key)
        if key in self.values:
            value = self.values.pop(key)
            check_value(self.name(key), key, value)
            return value
        if not default:
            raise UserError(f'{self.name(key)}: missing{suggest(key, self.values)}')
        return default[0]

    def sub(self, key, *default):
        """Take a dict and return it as fields; None means the default, where there is one."""
        self.asked.add(key)
        value = self.values.pop(key) if key in self.values else self.take(key, *default)
        if value is None and default:
            value = default[0]
        return None if value is None and default else Fields(value, self.name(key))

    def move(self, *keys, **renamed):
        """Return the given keys that are there as a dict, under new names where ``old='new'`` says so."""
        pairs = [*((key, key) for key in keys), *renamed.items()]
        self.asked.update(old for old, _ in pairs)
        return {new: self.take(old) for old, new in pairs if old in self.values}

    def refuse(self, key, reason, harmless=(None,)):
        """Raise if a key has a value that is not supported; drop it if its value is harmless."""
        self.asked.add(key)
        value = self.values.pop(key, None)
        if value not in harmless:
            raise unsupported(f'{self.name(key)}={shown(value)}', reason)

    def drop(self, *keys):
        """Leave out keys that mean nothing, whatever they hold."""
        self.asked.update(keys)
        for key in keys:
            self.values.pop(key, None)

    def take_type(self, *known):
        """Take ``type``, which must be one of ``known``."""
        kind = self.take('type')
        if kind not in known:
            raise unsupported(f'{self.name("type")}={kind!r}', f'known is {" or ".join(known)}')
        return kind

    def name(self, key):
        """Return the dotted name of a key."""
        return f'{self.where}.{key}' if self.where else str(key)

    def done(self):
        """Raise if a key was neither used nor dropped on purpose."""
        if self.values:
            key = next(iter(self.values))
            raise unsupported(self.name(key), f'unknown key{suggest(key, self.asked)}')

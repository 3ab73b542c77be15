"""Taking apart a dict of the old schema so that no key is lost without a word."""

from mmdet.utils import UserError, suggest


def plain(value):
    """Return config containers as plain dicts, lists and tuples (a copy)."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def unsupported(what, reason):
    """The error for a part of an old config, such as ``model.neck.type='PAFPN'``, that has no counterpart."""
    return UserError(f'{what} is not supported: {reason}')


class Fields:
    """A dict whose keys are taken one by one; :meth:`done` complains of those that are left.

    Args:
        values (dict): part of a config.
        where (str): dotted name of that part, for messages.
    """

    def __init__(self, values, where):
        if not isinstance(values, dict):
            raise UserError(f'{where}: expected a dict, got {values!r}')
        self.values = plain(values)
        self.where = where
        self.asked = set()

    def __contains__(self, key):
        return key in self.values

    def take(self, key, *default):
        """Remove and return a value; without a default the key must be there."""
        self.asked.add(key)
        if key not in self.values and not default:
            near = suggest(key, self.values)
            raise UserError(f'{self.name(key)}: missing{near}')
        return self.values.pop(key, *default)

    def sub(self, key, *default):
        """Take a dict and return it as fields; None where the default is taken or the value is None."""
        value = self.take(key, *default)
        return None if value is None else Fields(value, self.name(key))

    def move(self, *keys, **renamed):
        """Return the given keys that are there as a dict, under new names where ``old='new'`` says so."""
        out = {}
        for old, new in [*((key, key) for key in keys), *renamed.items()]:
            self.asked.add(old)
            if old in self.values:
                out[new] = self.values.pop(old)
        return out

    def refuse(self, key, reason, harmless=(None,)):
        """Raise if a key has a value that is not supported; drop it if its value is harmless."""
        value = self.take(key, None)
        if value not in harmless:
            raise unsupported(f'{self.name(key)}={value!r}', reason)

    def take_type(self, *known):
        """Take ``type``, which must be one of ``known``."""
        kind = self.take('type')
        if kind not in known:
            raise unsupported(f'{self.name("type")}={kind!r}', f'known is {" or ".join(known)}')
        return kind

    def name(self, key):
        """Return the dotted name of a key."""
        return f'{self.where}.{key}' if self.where else key

    def done(self):
        """Raise if a key was neither used nor dropped on purpose."""
        if self.values:
            key = next(iter(self.values))
            raise unsupported(self.name(key), f'unknown key{suggest(key, self.asked)}')

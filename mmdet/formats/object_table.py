"""Tables that give the category of each object in masks."""

import csv
import io
from pathlib import Path

from mmdet.utils import UserError, atomic_open, is_text, note_input

from .reading import read_json

ANY = '*'


class ObjectTable:
    """(video, object number) -> category name and crowd flag.

    Args:
        default (str | None): category of objects that are not in the table; None makes these an error.
        path (str): what messages call the table.
    """

    def __init__(self, default: str | None = None, path: str = 'object table'):
        self.default = default
        self.path = str(path)
        self._entries = {}
        self._used = set()

    @classmethod
    def read(cls, path: str | Path | None, default: str | None = None) -> 'ObjectTable':
        """Read a table; without a path every object has the category ``default``.

        csv: columns ``video,object,category`` and optionally ``iscrowd``; video ``*`` stands for every video.
        json: ``{video: {object: category}}``, ``{object: category}`` for all videos, or the ``meta.json`` of
        YouTube-VOS (``{"videos": {video: {"objects": {object: {"category": name}}}}}``).

        Raises:
            UserError: the file is missing or has another form; the message names the place.
        """
        if path is None:
            return cls(default)
        table = cls(default, path)
        if Path(path).suffix.lower() == '.csv':
            table._take_csv()
        else:
            table._take_json(read_json(path, 'object table'))
        if not table._entries:
            raise UserError(f'object table {path} lists no object')
        return table

    @property
    def categories(self):
        """list[str]: names in alphabetical order, with the default."""
        names = {name for name, _ in self._entries.values()}
        return sorted(names | ({self.default} if self.default else set()))

    def look_up(self, video, number, place):
        """Category name and crowd flag of an object; ``place`` is for messages."""
        for key in ((video, number), (ANY, number)):
            if key in self._entries:
                self._used.add(key)
                return self._entries[key]
        if self.default is None:
            raise UserError(
                f'{place}: object {number} of video {video!r} has no category in {self.path}; '
                'list it there or give a default category'
            )
        return self.default, 0

    def get(self, video, number):
        """Category name of an object; None if no row lists it."""
        for key in ((video, number), (ANY, number)):
            if key in self._entries:
                return self._entries[key][0]
        return None

    def unused(self):
        """list[tuple]: (video, object number) of the rows that were never looked up."""
        return [key for key in self._entries if key not in self._used]

    def add(self, video, number, category, iscrowd=0, place=''):
        """Add an object; ``UserError`` if it is listed already, or a value is invalid."""
        place = place or self.path
        try:
            number, iscrowd = int(number), int(iscrowd)
        except (TypeError, ValueError, OverflowError):
            raise UserError(
                f'{place}: object and iscrowd must be integers, got {number!r}, {iscrowd!r}'
            ) from None
        if number < 1 or iscrowd not in (0, 1):
            raise UserError(f'{place}: expected object >= 1 and iscrowd 0 or 1, got {number} and {iscrowd}')
        if not is_text(category):
            raise UserError(f'{place}: expected the name of a category, got {category!r:.60}')
        if (video, number) in self._entries:
            raise UserError(f'{place}: object {number} of video {video!r} is listed twice')
        self._entries[video, number] = (category.strip(), iscrowd)

    def _take_csv(self):
        note_input(self.path)
        try:
            with open(self.path, encoding='utf-8-sig', newline='') as file:
                text = file.read()
        except UnicodeDecodeError:
            raise UserError(f'object table {self.path} is not UTF-8 text: save it as UTF-8') from None
        except OSError as error:
            raise UserError(f'object table {self.path} cannot be read: {error.strerror or error}') from None
        head = text.partition('\n')[0]
        # Spreadsheets write semicolons in countries where the comma is the decimal separator.
        delimiter = next((mark for mark in ',;\t' if mark in head), ',')
        rows = csv.DictReader(io.StringIO(text, newline=''), delimiter=delimiter, skipinitialspace=True)
        missing = {'video', 'object', 'category'} - set(rows.fieldnames or ())
        if missing:
            raise UserError(
                f'object table {self.path}: the first line must name the columns video,object,category; '
                f'{", ".join(sorted(missing))} not found in {rows.fieldnames or "an empty file"}'
            )
        for row in self._rows(rows):
            place = f'{self.path}, line {rows.line_num}'
            if not any(value and str(value).strip() for value in row.values()):
                continue  # spreadsheets keep rows that were emptied
            if row['object'] is None or row['category'] is None:
                raise UserError(f'{place}: expected video,object,category')
            crowd = (row.get('iscrowd') or '').strip() or 0
            self.add((row['video'] or '').strip(), row['object'], row['category'], crowd, place)

    def _rows(self, rows):
        try:
            yield from rows
        except csv.Error as error:
            raise UserError(f'{self.path}, line {rows.line_num}: not readable as csv: {error}') from None

    def _take_json(self, content):
        if isinstance(content, dict) and isinstance(content.get('videos'), dict):
            content = content['videos']
        if not isinstance(content, dict):
            raise UserError(f'object table {self.path}: expected an object {{video: {{object: category}}}}')
        for video, objects in content.items():
            if isinstance(objects, str):
                self.add(ANY, video, objects)
                continue
            if isinstance(objects, dict) and isinstance(objects.get('objects'), dict):
                objects = objects['objects']
            if not isinstance(objects, dict):
                raise UserError(
                    f'object table {self.path}: {video!r}: expected an object, got {objects!r:.60}'
                )
            for number, category in objects.items():
                entry = category if isinstance(category, dict) else {'category': category}
                place = f'{self.path}: {video!r}, object {number!r}'
                self.add(video, number, entry.get('category'), entry.get('iscrowd', 0), place)


def write_table(path: str | Path, rows) -> None:
    """Write a csv that :meth:`ObjectTable.read` reads; ``rows`` are (video, object, category, iscrowd)."""
    with atomic_open(path, newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(('video', 'object', 'category', 'iscrowd'))
        writer.writerows(rows)

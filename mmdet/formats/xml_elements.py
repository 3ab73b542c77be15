"""Reading XML of others safely: no document type and thus no entities, limited depth, piece by piece."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from mmdet.utils import UserError, note_input

from .reading import MAX_RATIO, MAX_UNPACKED, MissingFileError
from .recognize import name_bytes

MAX_DEPTH = 30
_CHUNK = 1 << 16


@dataclass
class Element:
    """An element of an XML file.

    Attributes:
        tag (str), attrib (dict[str, str]): its name and attributes.
        line (int): where it begins in the file.
        children (list[Element]): the elements in it.
        text (str): the text in it, without that of its children.
    """

    tag: str
    attrib: dict
    line: int
    children: list = field(default_factory=list)
    text: str = ''

    def find(self, *path: str) -> 'Element | None':
        """The first element that is reached by a path of tags, or None."""
        found = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None)
            if found is None:
                return None
        return found

    def find_text(self, *path: str) -> str:
        """Text of :meth:`find` without blanks at its ends; empty if there is none."""
        found = self.find(*path)
        return '' if found is None else found.text.strip()


class _Builder:
    """Puts the events of the parser together to the elements below the root."""

    def __init__(self, path, root):
        self.path, self.root = path, root
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.open, self.done = [], []

    def _refuse(self, *_):
        raise UserError(
            f'{self.path}, line {self.parser.CurrentLineNumber}: the file declares a document type or '
            'entities, which files of label tools do not have: it is not read'
        )

    def _start(self, tag, attrib):
        line = self.parser.CurrentLineNumber
        if not self.open and tag != self.root:
            raise UserError(f'{self.path}: expected XML with the root <{self.root}>, got <{tag:.60}>')
        if len(self.open) >= MAX_DEPTH:
            raise UserError(f'{self.path}, line {line}: elements lie more than {MAX_DEPTH} deep')
        element = Element(tag, attrib, line)
        if len(self.open) > 1:  # those below the root are handed over and forgotten
            self.open[-1].children.append(element)
        self.open.append(element)

    def _end(self, _):
        element = self.open.pop()
        if len(self.open) == 1:
            self.done.append(element)

    def _text(self, text):
        self.open[-1].text += text


def read_elements(path: str | Path, root: str, member: str) -> Iterator[Element]:
    """Yield the elements below the root of an XML file, one after the other.

    Args:
        path (str | Path): XML file, or a zip that holds one.
        root (str): expected tag of the root.
        member (str): name of the file in a zip.

    Raises:
        MissingFileError: the file does not exist.
        UserError: it is no well-formed XML, has another root, or declares a document type.
    """
    with _open(Path(path), member) as file:
        builder = _Builder(path, root)
        left, last, start = MAX_UNPACKED, False, b''
        while not last:
            try:
                data = file.read(_CHUNK)
            except (OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
                raise UserError(f'{path} cannot be read: {error}') from None
            left, last, start = left - len(data), not data, start or data
            if left < 0:
                raise UserError(f'{path}: more than {MAX_UNPACKED} bytes of XML are not read')
            try:
                builder.parser.Parse(data, last)
            except (expat.ExpatError, ValueError, LookupError) as error:
                if isinstance(error, UserError):
                    raise
                if not start.strip():
                    raise UserError(f'{path} is empty') from None
                known = 'a file of JSON' if start.lstrip()[:1] in (b'{', b'[') else name_bytes(start, path)
                if known and not start.lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<'):
                    raise UserError(f'{path} is no XML, but {known}') from None
                raise UserError(f'{path} is not valid XML: {error}') from None
            yield from builder.done
            builder.done.clear()


@contextlib.contextmanager
def _open(path, member):
    try:
        if path.is_dir():
            raise UserError(f'{path} is a folder: expected an XML file, such as {path / member}')
        with open(path, 'rb') as file:
            note_input(path)
            if file.read(4) != b'PK\x03\x04':
                file.seek(0)
                yield file
                return
    except FileNotFoundError:
        raise MissingFileError(f'{path} does not exist') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from None
    try:
        with zipfile.ZipFile(path) as archive:
            info = _member(archive, member, path)
            if info.file_size > MAX_RATIO * max(info.compress_size, 4096):
                raise UserError(
                    f'{path}: {member} unpacks to more than {MAX_RATIO} times its packed size: it is not read'
                )
            with archive.open(info) as file:
                yield io.BufferedReader(file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f'{path}: the zip cannot be read: {error}') from None


def _member(archive, member, path):
    """The file of this name in a zip, at top level or the only one in a folder."""
    names = [name for name in archive.namelist() if not name.endswith('/')]
    found = [name for name in names if name.rpartition('/')[2] == member]
    if member in found or len(found) == 1:
        return archive.getinfo(member if member in found else found[0])
    has = ', '.join(map(repr, names[:5])) + (', ...' if len(names) > 5 else '') or 'nothing'
    raise UserError(f'{path}: expected one {member} in the zip, which has {has:.300}')

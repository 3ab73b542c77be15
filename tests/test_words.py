"""The field's words and American spelling, outside quotations, recorded data and history."""

import io
import re
import subprocess
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = (
    '.py',
    '.md',
    '.sh',
    '.cpp',
    '.cu',
    '.h',
    '.pyx',
    '.pxi',
    '.toml',
    '.yml',
    '.yaml',
    '.cff',
    '.txt',
)
SKIPPED = ('CHANGELOG.md', 'tests/test_words.py', 'tests/golden/', 'tests/evaluation/cases/')

WORDS = re.compile(
    r"""\b(
    pictures? | data\ sets? | one's\ own
    | (?:col|hon|behavi|neighb|fav|harb)our\w* | cent(?:re|red|res|ring) | grey\w* | licence\w*
    | catalogues? | artefacts? | analysed? | (?:label|model|travel|cancel|signal)l(?:ed|ing)
    | (?:initial|optim|normal|serial|organ|recogn|synchron|visual|general|summar|minim|maxim|vector|quant
        |custom|util|real|final|parametr|special|memor|penal|regular|local|token|author|discret|character)
      is(?:e|ed|es|er|ers|ing|ation|ations)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
CODES = re.compile(r'\b(?:[A-D]/)?[A-D]\d{1,2}\b')  # of a list of conventions that is not in this repository


def sources(*folders):
    """Names of the text files below these folders, or of all that git knows."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.splitlines()
    if done.returncode:  # an unpacked archive
        names = [str(path.relative_to(ROOT)) for path in (ROOT / 'mmdet').rglob('*.py')]
    return [
        name
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(SKIPPED) and (ROOT / name).is_file()
    ]


def lines_of(name):
    """Line numbers and text; quoted lines of pages are left out."""
    for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
        if not (name.endswith('.md') and line.startswith('>')):
            yield number, line


def prose_of(name):
    """Line numbers and text: comments and docstrings of Python, all of other files."""
    if not name.endswith('.py'):
        yield from lines_of(name)
        return
    for token in tokenize.generate_tokens(io.StringIO((ROOT / name).read_text()).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string):
            yield token.start[0], token.string


def found(pattern, lines, names):
    """Every match as ``file:line: text``."""
    return [
        f'{name}:{number}: {match.group()}'
        for name in names
        for number, line in lines(name)
        for match in pattern.finditer(line)
    ]


def test_words_and_spelling():
    assert found(WORDS, lines_of, [*sources(), 'NOTICE']) == []


def test_no_codes_of_conventions():
    assert found(CODES, prose_of, sources('mmdet', 'tools', 'configs', 'docs')) == []


def test_a_wrong_word_is_found():
    text = 'a picture of our neighbours, normalised'
    assert [match.group() for match in WORDS.finditer(text)] == ['picture', 'neighbours', 'normalised']
    assert CODES.search('(semantics A22)') and CODES.search('D/B10') and not CODES.search('an A100, ABC1')

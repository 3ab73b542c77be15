"""Atomic files, errors a user can act on, progress lines and lazy packages."""

import argparse
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet.utils import (
    Progress,
    UserError,
    add_options,
    atomic_open,
    atomic_write_text,
    cli_main,
    file_name_fault,
    format_seconds,
    natural_key,
    printable,
    suggest,
)

ROOT = Path(__file__).resolve().parents[2]


def test_atomic_write_creates_folders_and_leaves_no_temporary(tmp_path):
    target = tmp_path / 'a' / 'b.json'
    atomic_write_text(target, 'grün\n')
    assert target.read_text(encoding='utf-8') == 'grün\n'
    assert [p.name for p in target.parent.iterdir()] == ['b.json']


def test_atomic_write_gives_ordinary_permissions(tmp_path):
    atomic_write_text(tmp_path / 'x', '')
    (tmp_path / 'y').write_text('')
    assert (tmp_path / 'x').stat().st_mode == (tmp_path / 'y').stat().st_mode


def test_atomic_write_keeps_the_old_file_after_an_error(tmp_path):
    target = tmp_path / 'x'
    target.write_text('old')
    with pytest.raises(RuntimeError), atomic_open(target) as file:
        file.write('half of the new')
        raise RuntimeError
    assert target.read_text() == 'old'
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_open_refuses_other_modes(tmp_path):
    with pytest.raises(ValueError, match="'a'"), atomic_open(tmp_path / 'x', 'a'):
        pass


def test_suggest_names_the_close_one_or_nothing():
    assert suggest('optim_wraper', ['optim_wrapper', 'model']) == " (did you mean 'optim_wrapper'?)"
    assert suggest('zzz', ['optim_wrapper', 'model']) == ''


def test_cli_main_prints_one_line_for_bad_input(capsys):
    @cli_main
    def main():
        raise UserError('expected a dict, got a list, in x.json')

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == 'error: expected a dict, got a list, in x.json\n'


def test_cli_main_keeps_the_traceback_of_a_bug():
    @cli_main
    def main():
        raise KeyError('a bug')

    with pytest.raises(KeyError):
        main()


def test_cli_main_names_a_library_that_is_not_installed(capsys):
    @cli_main
    def main(name):
        importlib.import_module(name)

    with pytest.raises(SystemExit) as exit_info:
        main('no_such_library.part')
    assert exit_info.value.code == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and err.startswith('error: no_such_library is not installed for ')
    with pytest.raises(ModuleNotFoundError):  # a part of this project that is not there is a bug
        main('mmdet.no_such_part')


@pytest.mark.parametrize('kind', [PermissionError, NotADirectoryError, IsADirectoryError, OSError])
def test_cli_main_names_a_place_that_is_refused(kind, capsys):
    codes = {PermissionError: 13, NotADirectoryError: 20, IsADirectoryError: 21, OSError: 28}

    @cli_main
    def main(code):
        raise OSError(code, os.strerror(code), '/the/place')

    with pytest.raises(SystemExit) as exit_info:
        main(codes[kind])
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == f'error: /the/place: {os.strerror(codes[kind])}\n'
    with pytest.raises(OSError):  # any other error of the system is not the user's doing
        main(9)


def test_atomic_open_names_the_file_that_was_asked_for(tmp_path):
    (tmp_path / 'file').touch()
    for path, message in (
        ('file/a.json', r'file/a\.json: .*file is a file; expected a folder'),
        ('', 'is a folder'),
    ):
        with pytest.raises(UserError, match=message), atomic_open(tmp_path / path):
            pass


def test_cli_main_reports_an_interrupt(capsys):
    @cli_main
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert 'interrupted' in capsys.readouterr().err


@pytest.mark.parametrize(('seconds', 'text'), [(0, '0:00'), (59.6, '1:00'), (3661, '1:01:01')])
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_progress_says_how_much_is_done_and_left():
    stream = io.StringIO()
    with Progress(total=4, label='frames', interval=0.0, stream=stream) as progress:
        progress.update(2)
        progress.update(2)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith('2/4 frames')
    assert lines[0].endswith('left')
    assert lines[-1].startswith('4/4 frames')
    assert 'left' not in lines[-1]
    assert len(lines) == 2, 'the last count was printed twice'


def test_progress_does_not_count_beyond_its_total():
    stream = io.StringIO()
    with Progress(total=2, label='frames', interval=60.0, stream=stream) as progress:
        progress.update(3)
    assert stream.getvalue().startswith('3 frames')


def test_progress_prints_one_line_for_a_short_job():
    stream = io.StringIO()
    with Progress(total=3, label='frames', interval=60.0, stream=stream) as progress:
        progress.update(3)
    progress.close()
    (line,) = stream.getvalue().splitlines()
    assert line.startswith('3/3 frames')


def test_progress_prints_the_count_that_followed_the_last_line():
    stream = io.StringIO()
    with Progress(label='frames', interval=0.0, stream=stream) as progress:
        progress.update()
        progress.interval = 60.0
        progress.update()
    assert [line.split(',')[0] for line in stream.getvalue().splitlines()] == ['1 frames', '2 frames']


@pytest.mark.parametrize('total', [10, 2, None])
def test_progress_says_that_an_error_stopped_it(total):
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Progress(total, 'frames', interval=60.0, stream=stream) as progress:
        progress.update(2)
        raise RuntimeError
    (line,) = stream.getvalue().splitlines()
    assert line.startswith('2/' if total else '2 frames')
    assert line.endswith(', stopped')
    assert 'left' not in line


def test_progress_redraws_one_line_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Progress(total=2, label='frames', stream=stream) as progress:
        progress.interval = 0.0
        progress.update()
        progress.update()
    assert stream.getvalue().count('\n') == 1
    last = stream.getvalue().rsplit('\r', 1)[1]
    assert last.startswith('\x1b[K2/2 frames')
    assert last.endswith('elapsed\n')


def test_lazy_packages_import_their_parts_on_first_use():
    code = (
        'import sys, mmdet.evaluation as package\n'
        'print("mmdet.evaluation.ap.ytvos" in sys.modules)\n'
        'package.YTVOS\n'
        'print("mmdet.evaluation.ap.ytvos" in sys.modules)\n'
        'try:\n    package.nothing\nexcept AttributeError as error:\n    print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'False',
        'True',
        "module 'mmdet.evaluation' has no attribute 'nothing'",
    ]


def test_every_module_below_a_package_is_imported(tmp_path, monkeypatch):
    (tmp_path / 'room/inner').mkdir(parents=True)
    call = 'from mmdet.utils import import_submodules\nimport_submodules(__name__)\n'
    for name, text in {
        'room/__init__.py': call,
        'room/inner/__init__.py': '',
        'room/inner/new.py': '',
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module('room')
    assert 'room.inner.new' in sys.modules
    for name in ('room', 'room.inner', 'room.inner.new'):
        sys.modules.pop(name)


def test_natural_order():
    assert sorted(['f10', 'f9', 'f09', '1', 'a'], key=natural_key) == ['1', 'a', 'f09', 'f9', 'f10']
    assert sorted(['F10', 'f9', '\u00b2', 'F1'], key=natural_key) == ['F1', 'f9', 'F10', '\u00b2']


@pytest.mark.parametrize('text', ['x' * 100_000, 'y'])
def test_a_closed_pipe_ends_a_tool_without_a_word(text):
    code = f'from mmdet.utils import cli_main\n@cli_main\ndef main(): print({text!r})\nmain()'
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, '-c', code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b'')


def test_ctrl_c_while_a_tool_imports_is_one_line(tmp_path):
    (tmp_path / 'numpy.py').write_text('raise KeyboardInterrupt')
    env = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    command = [sys.executable, str(ROOT / 'tools/check_dataset.py'), 'a.json']
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.stderr == 'interrupted\n' and done.returncode != 0


def test_any_text_can_be_printed():
    code = (
        'from mmdet.utils import UserError, cli_main\n@cli_main\ndef main():\n'
        "    print('\\ud800 \\u00fc')\n    raise UserError('a\\x1b\\x00b \\udcff')\nmain()"
    )
    env = {**os.environ, 'PYTHONIOENCODING': 'ascii:strict'}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 2 and done.stdout == '\\ud800 \\xfc\n'
    assert done.stderr == 'error: a\\x1b\\x00b \\udcff\n'


def test_names_that_break_lines_or_no_file_can_have():
    assert printable('a\nb\t\x00\ud800\u2028 ü 猫') == 'a\\nb\\t\\x00\\ud800\\u2028 ü 猫'
    assert not any(map(file_name_fault, ('v/0.jpg', 'a\nb', 'caf\udce9', '猫')))
    for name in ('', None, 3, 'a\0b', '\ud800.jpg'):
        assert file_name_fault(name).startswith('a file name')


def test_numbers_in_names_may_have_any_length():
    names = ['9' * 5000, '1' + '0' * 5000, '10', '9', '009']
    assert sorted(names, key=natural_key) == ['009', '9', '10', '9' * 5000, '1' + '0' * 5000]


@pytest.mark.parametrize(
    'text, value',
    [
        ('[(1,2),(3,4)]', [(1, 2), (3, 4)]),
        ("dict(_delete_=True, type='IoUTracker')", None),
        ("{'type': 'IoUTracker'}", None),
        ('[1,2', None),
    ],
)
def test_values_of_config_keys(text, value, capsys):
    parser = argparse.ArgumentParser()
    add_options(parser, 'cfg-options')
    args = ['--cfg-options', f'model.tracker={text}']
    if value is not None:
        assert parser.parse_args(args).cfg_options == {'model.tracker': value}
        return
    with pytest.raises(SystemExit):
        parser.parse_args(args)
    assert f'model.tracker: cannot read {text!r}: ' in capsys.readouterr().err

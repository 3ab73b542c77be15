"""No command replaces its inputs, follows links out of its output folder, or leaves temporary files."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from mmdet.utils import (
    Scratch,
    UserError,
    atomic_write_text,
    check_output,
    exclusive,
    inside,
    io,
    note_input,
    reading_own_output,
)


@pytest.fixture
def command():
    with io.protecting_inputs():
        yield


def same(folder, kind):
    """Another spelling of ``folder/in.json``."""
    source = folder / 'in.json'
    if kind in ('dots', 'dots over nothing'):
        return folder / ('x' if kind == 'dots' else 'y') / '..' / 'in.json'
    if kind == 'link':
        (folder / 'link.json').symlink_to(source)
        return folder / 'link.json'
    if kind == 'hard link':
        os.link(source, folder / 'hard.json')
        return folder / 'hard.json'
    if kind == 'linked folder':
        (folder / 'other').symlink_to(folder, target_is_directory=True)
        return folder / 'other' / 'in.json'
    return source


def test_what_one_thread_looks_at_leaves_the_inputs_of_others(tmp_path, command):
    """A writer checks its finished video while frames are read; two writers may finish at once."""
    for name in 'ab':
        (tmp_path / name).write_text('mine')
    entered, leave = threading.Barrier(3), threading.Barrier(3)

    def look():
        with reading_own_output():
            note_input(tmp_path / 'a')
            entered.wait(10)
            leave.wait(10)

    writers = [threading.Thread(target=look) for _ in range(2)]
    for writer in writers:
        writer.start()
    entered.wait(10)
    note_input(tmp_path / 'b')
    leave.wait(10)
    for writer in writers:
        writer.join()
    assert not io.is_input(tmp_path / 'a')
    assert io.is_input(tmp_path / 'b')


@pytest.mark.parametrize('kind', ['path', 'dots', 'dots over nothing', 'link', 'hard link', 'linked folder'])
def test_an_input_is_never_replaced(tmp_path, command, kind):
    (tmp_path / 'in.json').write_text('mine')
    (tmp_path / 'x').mkdir()
    path = same(tmp_path, kind)
    note_input(tmp_path / 'in.json')
    with pytest.raises(UserError, match='is an input of this command'):
        atomic_write_text(path, 'new')
    assert (tmp_path / 'in.json').read_text() == 'mine'
    atomic_write_text(tmp_path / 'out.json', 'new')


def test_what_a_command_wrote_it_may_read_and_write_again(tmp_path, command):
    for text in ('1', '2'):
        atomic_write_text(tmp_path / 'a', text)
        note_input(tmp_path / 'a')
    assert (tmp_path / 'a').read_text() == '2'


def test_python_code_may_write_what_it_read(tmp_path):
    (tmp_path / 'a').write_text('1')
    note_input(tmp_path / 'a')
    atomic_write_text(tmp_path / 'a', '2')
    assert (tmp_path / 'a').read_text() == '2'


@pytest.mark.parametrize('name', ['../a', 'video/../../a', '/a', 'planted/a'])
def test_names_do_not_lead_out_of_the_output_folder(tmp_path, name):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'planted').symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UserError, match='leads out of the output folder'):
        inside(out, name)


def test_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / 'target').write_text('theirs')
    (tmp_path / 'out').symlink_to(tmp_path / 'target')
    atomic_write_text(tmp_path / 'out', 'new')
    assert (tmp_path / 'target').read_text() == 'theirs' and not (tmp_path / 'out').is_symlink()


KILLED = """
import os, signal, sys
from mmdet.utils import Scratch
Scratch(sys.argv[1]); Scratch(sys.argv[1] + '_folder', folder=True)
if sys.argv[2] == 'kill':
    os.kill(os.getpid(), signal.SIGKILL)
print('ready', flush=True)
sys.stdin.read()
"""


def test_temporary_files_of_killed_runs_go_and_those_of_running_ones_stay(tmp_path):
    foreign = tmp_path / '.mine.tmp'
    foreign.write_text('')
    run = [sys.executable, '-c', KILLED, str(tmp_path / 'a.json')]
    assert subprocess.run([*run, 'kill'], timeout=60).returncode == -signal.SIGKILL
    with subprocess.Popen([*run, 'wait'], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alive:
        assert alive.stdout.readline() == b'ready\n'
        io._swept.discard(str(tmp_path))
        left = len(list(tmp_path.glob('.mmdet-tmp.*')))
        atomic_write_text(tmp_path / 'b.json', '')
        assert left >= 2 and len(list(tmp_path.glob('.mmdet-tmp.*'))) == 2
        alive.stdin.close()
    assert foreign.exists()


HOLDER = """
import sys
from mmdet.utils import exclusive
with exclusive(sys.argv[1], 'busy'):
    print('ready', flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize('how', ['ends', 'is killed'])
def test_one_process_holds_a_lock_until_it(tmp_path, how):
    path = tmp_path / 'lock'
    run = [sys.executable, '-c', HOLDER, str(path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b'ready\n'
        busy = pytest.raises(UserError, match=rf'work dir in use \(process {holder.pid} on ')
        with busy, exclusive(path, 'work dir in use'):
            pass
        holder.kill() if how == 'is killed' else holder.stdin.close()
    with exclusive(path, 'work dir in use'):
        pass
    assert not path.exists()


@pytest.mark.parametrize('write', [Scratch, lambda path: atomic_write_text(path, 'x'), check_output])
def test_devices_and_pipes_are_not_replaced(write, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(UserError, match='pipe is a device or a pipe: expected the name of a file'):
        write(tmp_path / 'pipe')
    assert [path.name for path in tmp_path.iterdir()] == ['pipe']

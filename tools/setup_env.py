"""Create the environment `.venv`, install the requirements and build the compiled parts (`make setup`).

Uses the standard library only. Missing system packages are listed before anything is changed. A torch that is
already installed in the environment, or in the Python it is created from, is kept. A second call with nothing
changed takes about a second.
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from build_native import MIN_TORCH, ROOT, Missing, find_compiler, find_headers, parse_version

REQUIREMENTS = ROOT / 'requirements'
MIN_PYTHON = (3, 10)
_VERSION_OF_TORCH = (
    'import importlib.metadata as m, importlib.util as u\n'
    'print(m.version("torch") if u.find_spec("torch") else "")'
)


def missing_tools():
    """Return one line for each requirement that this machine lacks."""
    found = []
    if sys.version_info < MIN_PYTHON:
        found.append(
            f'Python {sys.version.split()[0]} is too old, 3.10 or newer is needed (make setup PYTHON=...)'
        )
    for module in ('venv', 'ensurepip'):
        try:
            __import__(module)
        except ImportError:
            found.append(f'the Python module {module} is missing (Debian, Ubuntu: apt install python3-venv)')
            break
    for find in (find_headers, find_compiler):
        try:
            find()
        except Missing as error:
            found.append(str(error))
    if shutil.which('make') is None:
        found.append('make is missing (Debian, Ubuntu: apt install make)')
    return found


def torch_version(python):
    """Return the version of the torch that ``python`` would import, or an empty string."""
    run = subprocess.run([python, '-c', _VERSION_OF_TORCH], capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ''


def run(command, **kwargs):
    """Run a command, and stop with its exit status if it fails."""
    result = subprocess.run([str(part) for part in command], check=False, **kwargs)
    if result.returncode:
        print(f'error: this failed: {shlex.join(str(part) for part in command)}', file=sys.stderr)
        sys.exit(result.returncode)


def fingerprint(torch_wanted):
    """Return a hash of everything that the environment depends on, except the compiled parts."""
    digest = hashlib.sha256(f'{sys.version}\n{torch_wanted}\n'.encode())
    for path in [*sorted(REQUIREMENTS.glob('*.txt')), ROOT / 'pyproject.toml', Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_environment(venv):
    """Create the environment if it does not exist; return the path of its Python."""
    python = venv / 'bin' / 'python'
    if python.exists():
        return python
    command = [sys.executable, '-m', 'venv', venv]
    version = torch_version(sys.executable)
    if version and parse_version(version) >= MIN_TORCH:
        print(f'using torch {version} of {sys.executable}')
        command.insert(3, '--system-site-packages')
    run(command)
    if '--system-site-packages' in command and sys.prefix != sys.base_prefix:
        # In another environment, --system-site-packages means the base Python; add that environment.
        site = Path(sysconfig.get_path('purelib', vars={'base': str(venv), 'platbase': str(venv)}))
        (site / 'parent_environment.pth').write_text(sysconfig.get_path('purelib') + '\n')
    return python


def install(python, torch_wanted):
    """Install torch, unless a recent enough one is installed, then the pinned requirements."""
    # Not quiet: torch and what it needs are some hundred megabytes, and pip shows how far they are.
    pip = [python, '-m', 'pip', 'install', '--disable-pip-version-check']
    present = torch_version(python)
    if torch_wanted:
        print(f'installing {torch_wanted}')
        run([*pip, *shlex.split(torch_wanted)])
    elif present and parse_version(present) >= MIN_TORCH:
        print(f'keeping torch {present}')
    else:
        print('installing torch (make setup TORCH=... chooses another build, see INSTALL.md)')
        run([*pip, '-r', REQUIREMENTS / 'torch.txt', '-c', REQUIREMENTS / 'constraints.txt'])
    print('installing the other requirements')
    # A constraint keeps pip from replacing the torch that was chosen.
    pin = Path(python).parents[1] / 'torch-constraint.txt'
    pin.write_text(f'torch=={torch_version(python)}\n')
    run([*pip, '-r', REQUIREMENTS / 'develop.txt', '-c', REQUIREMENTS / 'constraints.txt', '-c', pin])


def main():
    """Check the machine, create the environment, build, and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--venv', default=str(ROOT / '.venv'), help='folder of the environment')
    parser.add_argument('--torch', default='', help="what pip installs for torch, such as 'torch==2.13.0'")
    parser.add_argument('--force', action='store_true', help='install even if nothing changed')
    args = parser.parse_args()
    missing = missing_tools()
    for line in missing:
        print(f'error: {line}', file=sys.stderr)
    if missing:
        return 1
    venv = Path(args.venv)
    stamp = venv / 'setup-stamp.json'
    wanted = fingerprint(args.torch)
    done = json.loads(stamp.read_text()) if stamp.is_file() else {}
    # Without TORCH= the earlier choice counts, so that `make test` does not undo it.
    current = done.get('fingerprint') in (wanted, args.torch == '' and fingerprint(done.get('torch', '')))
    python = make_environment(venv)
    if args.force or not current:
        install(python, args.torch)
    environment = {**os.environ, 'PYTHON': str(python)}
    environment.pop('VIRTUAL_ENV', None)
    run(['bash', ROOT / 'compile.sh'], env=environment, cwd=ROOT)
    if args.force or not current:
        pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
        run([*pip, '--no-deps', '--no-build-isolation', '--editable', ROOT])
        stamp.write_text(json.dumps({'fingerprint': wanted, 'torch': args.torch}))
        print(f'ready: {venv} with torch {torch_version(python)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

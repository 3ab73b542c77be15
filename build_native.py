"""Build the compiled parts: the operators (mmdet/ops) and the core of the evaluator (mmdet/evaluation/ap).

``bash compile.sh`` runs this file inside the checkout, and setup.py uses it for wheels. It needs the standard
library, a C++ compiler and, for the evaluator, Cython. torch is located but not imported. The operators use
the stable interface of torch and no Python, so one build serves every Python and every torch from 2.10 on.
"""

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / 'mmdet' / 'ops' / 'csrc'
PYX = ROOT / 'mmdet' / 'evaluation' / 'ap' / '_ytvis_core.pyx'
OPS_LIBRARY = Path('mmdet') / 'ops' / '_C.so'
MIN_TORCH = (2, 10)
TARGET_VERSION = '0x020a000000000000'  # torch 2.10, see torch/csrc/stable/version.h

# Fused multiply-add would round differently from the plain-PyTorch path and from other processors.
CXX_FLAGS = [
    '-O3',
    '-std=c++20',
    '-fPIC',
    '-fvisibility=hidden',
    '-ffp-contract=off',
    '-fno-math-errno',
    '-fno-trapping-math',
    '-Wall',
]
NVCC_FLAGS = ['-O3', '-std=c++20', '--fmad=false', '-Xcompiler', '-fPIC,-fvisibility=hidden', '-DUSE_CUDA']
NVCC_FLAGS += ['--threads', '4']  # generations of GPUs at a time


class Missing(Exception):
    """A build requirement is missing; the message names it in one line."""


class Optional(Missing):
    """A requirement of the evaluator core, without which plain Python gives the same numbers."""


def parse_version(text):
    """Return the first two numbers of a version such as ``2.13.0+cpu``, or (0, 0)."""
    found = re.match(r'(\d+)\.(\d+)', text)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def find_torch():
    """Locate the installed torch without importing it.

    Returns:
        tuple: folder (Path), version (str), CUDA version (str | None).

    Raises:
        Missing: torch is absent, too old, or came without its headers.
    """
    # An isolated build has a search path of its own; the interpreter is still that of the environment.
    folders = [sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), *site.getsitepackages()]
    extra = [folder for folder in dict.fromkeys(folders) if folder not in sys.path]
    sys.path.extend(extra)
    try:
        spec = importlib.util.find_spec('torch')
    finally:
        for path in extra:
            sys.path.remove(path)
    if spec is None or not spec.origin:
        raise Missing('torch is not installed')
    folder = Path(spec.origin).parent
    text = (folder / 'version.py').read_text()
    version = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    cuda = re.search(r"^cuda(?:: .*?)? = '([^']+)'", text, re.MULTILINE)
    version = version.group(1) if version else '0'
    if parse_version(version) < MIN_TORCH:
        raise Missing(f'torch {version} is too old, {".".join(map(str, MIN_TORCH))} or newer is needed')
    if not (folder / 'include' / 'torch' / 'csrc' / 'stable' / 'library.h').is_file():
        raise Missing(f'torch {version} came without its C++ headers')
    return folder, version, cuda.group(1) if cuda else None


def find_compiler():
    """Return the command of the C++ compiler, from $CXX or the usual names, as a list.

    Raises:
        Missing: no compiler was found.
    """
    wanted = os.environ.get('CXX')
    for name in [wanted] if wanted else ['c++', 'g++', 'clang++']:
        command = shlex.split(name)
        if shutil.which(command[0]):
            return command
    raise Missing(f'no C++ compiler ({wanted or "c++, g++, clang++"}), install g++')


def find_headers():
    """Return the folders of the headers of Python.

    Raises:
        Missing: ``Python.h`` is in none of them.
    """
    folders = [sysconfig.get_path('include'), sysconfig.get_path('platinclude')]
    if not any((Path(folder) / 'Python.h').is_file() for folder in folders):
        raise Missing(f'no Python.h in {folders[0]}, install the headers of this Python (python3-dev)')
    return folders


def find_nvcc():
    """Return the path of nvcc and the folder of its toolkit, or (None, None)."""
    homes = [os.environ.get(name) for name in ('CUDA_HOME', 'CUDA_PATH')]
    candidates = [str(Path(home) / 'bin' / 'nvcc') for home in homes if home]
    candidates += [shutil.which('nvcc') or '', '/usr/local/cuda/bin/nvcc']
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            nvcc = Path(candidate).resolve()
            home = nvcc.parents[1]
            if (
                not (home / 'include' / 'cuda_runtime.h').is_file()
                and Path('/usr/local/cuda/include').is_dir()
            ):
                home = Path('/usr/local/cuda')  # nvcc is a wrapper script somewhere else
            return str(nvcc), home
    return None, None


def cuda_part(cuda):
    """Decide whether the CUDA kernels can be compiled.

    Args:
        cuda (str | None): the CUDA version that torch was built with.

    Returns:
        tuple: path of nvcc (str | None), folder of its toolkit (Path | None), and a phrase about the devices.
    """
    if not cuda:
        return None, None, 'CPU'
    nvcc, home = find_nvcc()
    if nvcc is None:
        return None, None, f'CPU, no CUDA part as nvcc was not found (torch has CUDA {cuda})'
    done = subprocess.run([nvcc, '--version'], capture_output=True, text=True, check=False)
    release = re.search(r'release (\d+)\.(\d+)', done.stdout)
    found = '.'.join(release.groups()) if release else 'unknown'
    # A build by another major version would need a runtime library that torch does not ship.
    if found.split('.')[0] != cuda.split('.')[0]:
        return None, None, f'CPU, no CUDA part as nvcc is of CUDA {found} and torch of CUDA {cuda}'
    return nvcc, home, f'CPU and CUDA {cuda}'


def cuda_architectures(cuda):
    """Return ``-gencode`` options: from $TORCH_CUDA_ARCH_LIST, or for the GPUs of this CUDA version."""
    listed = os.environ.get('TORCH_CUDA_ARCH_LIST')
    if listed:
        names = re.split(r'[ ;,]+', listed.strip())
    else:
        newest = int(cuda.split('.')[0]) >= 13
        names = (
            ['7.5', '8.0', '8.6', '9.0', '10.0', '12.0+PTX'] if newest else ['7.5', '8.0', '8.6', '9.0+PTX']
        )
    options = []
    for name in names:
        number = re.sub(r'[^0-9a-z]', '', name.replace('+PTX', ''))
        options += ['-gencode', f'arch=compute_{number},code=sm_{number}']
        if name.endswith('+PTX'):
            options += ['-gencode', f'arch=compute_{number},code=compute_{number}']
    return options


def run(command):
    """Run a compiler.

    Raises:
        Missing: it failed; its last lines go to stderr.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-6000:])
        raise Missing(f'{Path(str(command[0])).name} failed (exit status {done.returncode}, see above)')


def fingerprint(*parts):
    """Return a hash of files (content) and settings (text); equal hashes mean equal builds."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
        digest.update(b'\0')
    return digest.hexdigest()


def stamp_file(target):
    """Return the file that holds the fingerprint of a library in this checkout."""
    return ROOT / 'build' / 'native' / f'{target.name}.stamp'


def reuse(target, out_root, stamp):
    """Return whether the library in this checkout is up to date; if so, copy it to ``out_root``."""
    here, note = ROOT / target, stamp_file(target)
    if not (here.is_file() and note.is_file() and note.read_text().strip() == stamp):
        return False
    if Path(out_root).resolve() != ROOT:
        publish(here, target, out_root, stamp)
    return True


def publish(built, target, out_root, stamp):
    """Copy a library to its place by an atomic rename, so that no process imports half of it."""
    final = Path(out_root) / target
    final.parent.mkdir(parents=True, exist_ok=True)
    beside = final.with_name(f'.{final.name}.{os.getpid()}')
    shutil.copyfile(built, beside)
    os.chmod(beside, 0o755)
    os.replace(beside, final)
    if Path(out_root).resolve() == ROOT:
        note = stamp_file(target)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(stamp + '\n')


def build_ops(out_root, force=False):
    """Build the operators into ``out_root/mmdet/ops/_C.so``.

    Returns:
        str: a phrase that says what was built or is up to date.

    Raises:
        Missing: torch, its headers or the compiler was not found, or compiling failed.
    """
    torch_folder, torch_version, cuda = find_torch()
    compiler = find_compiler()
    nvcc, cuda_home, device = cuda_part(cuda)
    files = sorted(path for path in SOURCES.rglob('*') if path.suffix in ('.cpp', '.cu', '.h'))
    units = [path for path in files if path.suffix == '.cpp' or (path.suffix == '.cu' and nvcc)]
    gencode = cuda_architectures(cuda) if nvcc else []
    # Without the torch version: with the stable interface the result is the same for all versions.
    stamp = fingerprint(*files, Path(__file__), compiler, nvcc, gencode, platform.machine())
    if not force and reuse(OPS_LIBRARY, out_root, stamp):
        return f'operators up to date ({device}, torch {torch_version})'
    print('building the operators: a minute or more', flush=True)
    include = ['-isystem', torch_folder / 'include', f'-DTORCH_TARGET_VERSION={TARGET_VERSION}']
    with tempfile.TemporaryDirectory() as work:

        def compile_one(unit):
            compiled = Path(work) / (unit.name + '.o')
            if unit.suffix == '.cu':
                run([nvcc, *NVCC_FLAGS, *gencode, *include, '-c', unit, '-o', compiled])
            else:
                define = ['-DUSE_CUDA'] if nvcc else []
                run([*compiler, *CXX_FLAGS, *define, *include, '-c', unit, '-o', compiled])
            return compiled

        with ThreadPoolExecutor(max_workers=min(len(units), os.cpu_count() or 1)) as pool:
            objects = list(pool.map(compile_one, units))
        linked = Path(work) / OPS_LIBRARY.name
        run([*compiler, '-shared', *objects, '-o', linked, *link_options(torch_folder, nvcc, cuda_home)])
        publish(linked, OPS_LIBRARY, out_root, stamp)
    return f'operators ({device}) with torch {torch_version}'


def link_options(torch_folder, nvcc, cuda_home):
    """Return linker options. No path is recorded: at run time ``import torch`` has loaded the libraries."""
    options = ['-L', torch_folder / 'lib', '-ltorch', '-ltorch_cpu']
    if not nvcc:
        return options
    folders = [cuda_home / name for name in ('lib64', 'lib', 'targets/x86_64-linux/lib')]
    folders += sorted(torch_folder.parent.glob('nvidia/*/lib'))
    for folder in folders:
        runtime = sorted(folder.glob('libcudart.so*'))
        if runtime:
            return [*options, '-ltorch_cuda', '-L', folder, f'-l:{runtime[0].name}']
    raise Missing('the CUDA runtime (libcudart.so) was not found beside nvcc; set CUDA_HOME')


def build_evaluator(out_root, force=False):
    """Build the Cython core of the evaluator into ``out_root/mmdet/evaluation/ap``.

    Returns:
        str | None: a phrase that says what was built or is up to date; None if the source is not shipped.

    Raises:
        Missing: Cython, numpy, the headers of Python or the compiler was not found, or compiling failed.
    """
    if not PYX.is_file():
        return None
    suffix = sysconfig.get_config_var('EXT_SUFFIX') or '.so'
    target = Path('mmdet') / 'evaluation' / 'ap' / (PYX.stem + suffix)
    compiler = find_compiler()
    parts = sorted(PYX.parent.glob('*.pxi'))
    stamp = fingerprint(PYX, *parts, Path(__file__), compiler, sys.version)
    if not force and reuse(target, out_root, stamp):
        return 'evaluator core up to date'
    headers = find_headers()
    if importlib.util.find_spec('Cython') is None:
        raise Optional(f'Cython is not installed for {sys.executable}; pip install . brings it for its build')
    import_numpy = 'import numpy; print(numpy.get_include())'
    found = subprocess.run([sys.executable, '-c', import_numpy], capture_output=True, text=True, check=False)
    if found.returncode:
        raise Optional(f'numpy is not installed for {sys.executable}; pip install . brings it for its build')
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / (PYX.stem + '.cpp')
        run(
            [sys.executable, '-m', 'cython', '-3', '--cplus', '-w', ROOT, PYX.relative_to(ROOT), '-o', source]
        )
        include = [part for folder in [*headers, found.stdout.strip()] for part in ('-isystem', folder)]
        linked = Path(work) / target.name
        flags = [flag for flag in CXX_FLAGS if flag not in ('-std=c++20', '-fvisibility=hidden')]
        define = '-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION'
        dynamic = ['-undefined', 'dynamic_lookup'] if sys.platform == 'darwin' else []
        run([*compiler, *flags, define, *include, '-shared', *dynamic, source, '-o', linked])
        publish(linked, target, out_root, stamp)
    return f'evaluator core for Python {platform.python_version()}'


def build(out_root=ROOT, force=False, operators=True):
    """Build everything that can be built; without ``operators`` only the core of the evaluator.

    Returns:
        tuple[list[str], list[str], list[str]]: what was built, notes (what is optional and was not built) and
        errors (what is missing).
    """
    built, notes, missing = [], [], []
    steps = [('operators', build_ops)] if operators else []
    for name, step in [*steps, ('evaluator core', build_evaluator)]:
        try:
            phrase = step(out_root, force)
        except Optional as error:
            notes.append(f'{name} not built, its plain-Python path gives the same numbers: {error}')
        except Missing as error:
            missing.append(f'{name} not built: {error}')
        else:
            built += [phrase] if phrase else []
    return built, notes, missing


def main():
    parser = argparse.ArgumentParser(description='Build the compiled parts in place.')
    parser.add_argument('--force', action='store_true', help='also build what is up to date')
    parser.add_argument(
        '--evaluator', action='store_true', help='only the core of the evaluator, without torch'
    )
    arguments = parser.parse_args()
    built, notes, missing = build(ROOT, arguments.force, operators=not arguments.evaluator)
    if built:
        print('built: ' + '; '.join(built), flush=True)
    for line in notes:
        print(f'note: {line}', file=sys.stderr)
    for line in missing:
        print(f'error: {line}', file=sys.stderr)
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())

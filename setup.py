"""Packaging. pyproject.toml has names and dependencies; this file builds the compiled parts."""

import importlib.metadata
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

import build_native  # noqa: E402

NAME = 'masktrack-rcnn'


def refuse_other_mmdet():
    """Stop if another distribution provides the package mmdet: the two would overwrite each other's files."""
    folders = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
    for distribution in importlib.metadata.distributions(path=sorted(folders)):
        name = (distribution.metadata['Name'] or '').lower().replace('_', '-')
        if name == NAME:
            continue
        top_level = (distribution.read_text('top_level.txt') or '').split()
        if name == 'mmdet' or 'mmdet' in top_level:
            raise SystemExit(
                f'error: the distribution {name} {distribution.version} is installed in {sys.prefix} and '
                f"provides the package 'mmdet', as {NAME} does. Remove it (pip uninstall {name}) or install "
                f'{NAME} into a separate environment.'
            )


class BuildPython(build_py):
    """Build from an empty folder, so that a wheel has no modules that were removed since the last build.

    The configs go into the package, where ``init_detector('NAME')`` finds them.
    """

    def run(self):
        package = Path(self.build_lib) / 'mmdet'
        shutil.rmtree(package, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(ROOT / 'configs', package / 'configs', ignore=ignore)


class BuildNative(build_ext):
    """Build the compiled parts; those that cannot be built are left out (``pip -v`` shows why)."""

    def run(self):
        out_root = ROOT if self.inplace else Path(self.build_lib)
        built, notes, missing = build_native.build(out_root)
        for line in built:
            print(f'built: {line}')
        for line in notes + missing:
            print(f'warning: {line}', file=sys.stderr)
        if missing and os.environ.get('MASKTRACK_REQUIRE_NATIVE') == '1':
            raise SystemExit(f'error: MASKTRACK_REQUIRE_NATIVE=1, but {"; ".join(missing)}')

    def get_outputs(self):
        return sorted(str(path) for path in (Path(self.build_lib) / 'mmdet').rglob('*.so'))

    def get_source_files(self):
        files = [path for path in build_native.SOURCES.rglob('*') if path.suffix in ('.cpp', '.cu', '.h')]
        files += [build_native.PYX] if build_native.PYX.is_file() else []
        return sorted(str(path.relative_to(ROOT)) for path in files)


refuse_other_mmdet()
setup(
    # Marks the wheel as specific to this platform and Python; BuildNative decides what to compile.
    ext_modules=[Extension('mmdet.ops._C', sources=[])],
    cmdclass={'build_py': BuildPython, 'build_ext': BuildNative},
)

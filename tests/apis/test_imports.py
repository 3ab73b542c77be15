"""What importing loads: a command line should answer at once."""

import subprocess
import sys

SCRIPT = """
import sys
import mmdet.apis
early = {'torch', 'numpy', 'cv2', 'mmcv', 'mmengine'} & set(sys.modules)
from mmdet.apis import build_runner, inference_video, init_detector, test_videos, track_video
late = {'scipy', 'matplotlib.pyplot', 'torchvision', 'av', 'pandas', 'trackeval'} & set(sys.modules)
print(sorted(early), sorted(late))
"""


def test_heavy_libraries_are_imported_when_they_are_used():
    done = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ('[] []\n', 0), done.stderr[-2000:]

"""Taking away what a run has put into its work dir if its input is refused before it begins."""

import contextlib
import shutil
from pathlib import Path


class Footprint:
    """Folders that a run makes before it begins.

    mmengine makes them first and builds model, data and optimizer later. Whoever mistypes a config would find
    an empty work dir with a log of nothing.

    Attributes:
        begun (bool): set it once the input is accepted; from then on nothing is removed.
    """

    def __init__(self):
        self.begun = False
        self._made = []  # outermost first
        self._log_dir = None

    def expect(self, folder):
        """Remember which of a folder and its parents are about to be made."""
        folder = Path(folder).absolute()
        places = [*reversed(folder.parents), folder]
        self._made += [place for place in places if not place.exists() and place not in self._made]

    def expect_log_dir(self, folder):
        """The same for the folder of the log, which belongs to this run alone and goes with all it holds."""
        self.expect(folder)
        folder = Path(folder).absolute()
        self._log_dir = folder if folder in self._made else None

    @contextlib.contextmanager
    def removed_unless_begun(self):
        """Remove the folders if the block ends with an error before the run has begun.

        A folder that holds anything else by then stays.
        """
        try:
            yield
        except BaseException:
            if not self.begun:
                self._remove()
            raise

    def _remove(self):
        if self._log_dir is not None:
            shutil.rmtree(self._log_dir, ignore_errors=True)
        for place in reversed(self._made):
            with contextlib.suppress(OSError):  # it is not empty, or gone already
                place.rmdir()

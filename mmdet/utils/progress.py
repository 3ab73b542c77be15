"""A progress line with an estimate of the time left."""

import sys
import time


def format_seconds(seconds):
    """Format a duration in seconds as ``m:ss`` or ``h:mm:ss``."""
    seconds = int(round(seconds))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


class Progress:
    """Count finished steps and print rate and time left to stderr.

    On a terminal one line is redrawn. In a log file a line is printed every ``interval`` seconds, which
    ``rich.progress`` cannot do; that is why this class exists. In a ``with`` block, the last line says
    ``stopped`` if an error ends the block.

    Args:
        total (int | None): number of steps, if known.
        label (str): what is counted, such as ``'frames'``.
        interval (float): seconds between two lines where the output is not a terminal.
        stream (IO | None): where to print; stderr by default.
        done (int): steps of an earlier run, which do not count for the rate.
    """

    def __init__(self, total=None, label='items', interval=10.0, stream=None, done=0):
        self.total = total
        self.label = label
        self.stream = stream or sys.stderr
        self.interval = 0.2 if self.stream.isatty() else interval
        self.done = self._before = done
        self._start = self._last = time.monotonic()
        self._printed = None  # count in the last complete line
        self._closed = False

    def update(self, n=1):
        """Count ``n`` more finished steps and print if the interval has passed."""
        self.done += n
        now = time.monotonic()
        if now - self._last >= self.interval:
            self._last = now
            if self.stream.isatty():
                self._print(end='')
            else:
                self._print(end='\n')
                self._printed = self.done

    def close(self, finished=True):
        """Print the final count unless the last line shows it. A second call does nothing.

        Args:
            finished (bool): False if the work was interrupted; the line then says ``stopped``.
        """
        if self._closed:
            return
        self._closed = True
        if not finished:
            self._print(end='\n', note='stopped')
        elif self._printed != self.done:
            self._print(end='\n', note='')

    def _print(self, end, note=None):
        """Print one line; ``note`` replaces the time left."""
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = (self.done - self._before) / elapsed
        # A total that a container announces may be too small.
        total = None if self.total is None or self.done > self.total else self.total
        parts = [f'{self.done}' + (f'/{total}' if total is not None else '') + f' {self.label}']
        parts += [f'{rate:.1f}/s', f'{format_seconds(elapsed)} elapsed']
        if note is None and total is not None and rate > 0 and self.done < total:
            note = f'{format_seconds((total - self.done) / rate)} left'
        if note:
            parts.append(note)
        start = '\r\x1b[K' if self.stream.isatty() else ''
        self.stream.write(start + ', '.join(parts) + end)
        self.stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(finished=kind is None)

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

    On a terminal one line is redrawn; elsewhere a line is printed every ``interval`` seconds, so that logs
    stay short.

    Args:
        total (int | None): number of steps, if known.
        label (str): what is being counted, such as ``'frames'``.
        interval (float): seconds between two lines where the output is not a terminal.
        stream (IO | None): where to print; stderr by default.
    """

    def __init__(self, total=None, label='items', interval=10.0, stream=None):
        self.total = total
        self.label = label
        self.stream = stream or sys.stderr
        self.interval = 0.2 if self.stream.isatty() else interval
        self.done = 0
        self._start = self._last = time.monotonic()

    def update(self, n=1):
        """Count ``n`` more finished steps and print if it is time to."""
        self.done += n
        now = time.monotonic()
        if now - self._last >= self.interval:
            self._last = now
            self._print(end='' if self.stream.isatty() else '\n')

    def close(self):
        """Print the final count."""
        self._print(end='\n')

    def _print(self, end):
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / elapsed
        text = f'{self.done}' + (f'/{self.total}' if self.total is not None else '') + f' {self.label}'
        text += f', {rate:.1f}/s, {format_seconds(elapsed)} elapsed'
        if self.total is not None and rate > 0 and self.done < self.total:
            text += f', {format_seconds((self.total - self.done) / rate)} left'
        start = '\r\x1b[K' if self.stream.isatty() else ''
        self.stream.write(start + text + end)
        self.stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

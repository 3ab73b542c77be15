"""What of the runner's log reaches the screen."""

import logging
import re

# Beginnings of library messages that tell a user nothing they can act on; the log file has them all.
_QUIET = (
    'Distributed training is not used',
    'Hooks will be executed',
    'Exp name:',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'Checkpoints will be saved to',
    'Loads checkpoint by',
    'paramwise_options -- ',  # four lines a layer
)


class _ConsoleFilter(logging.Filter):
    def filter(self, record):
        record.levelmark = '' if record.levelno <= logging.INFO else f'{record.levelname}: '
        message = record.getMessage()
        # The metrics of tracks, boxes and masks have said the same in a line one can read; others have not.
        names = re.findall(r'(\S+/\S+): ', message) if message.startswith('Epoch(val)') else ()
        repeated = names and all(name.startswith('ytvis/') or '_mAP' in name for name in names)
        return not (getattr(record, 'file_only', False) or repeated or message.startswith(_QUIET))


def shorten_console(logger):
    """Leave out of a logger's console half what is of use in its file only.

    Args:
        logger (logging.Logger): its handlers are changed.

    Returns:
        logging.Logger: the same.
    """
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(_ConsoleFilter())
            handler.setFormatter(logging.Formatter('%(asctime)s %(levelmark)s%(message)s', '%H:%M:%S'))
    return logger

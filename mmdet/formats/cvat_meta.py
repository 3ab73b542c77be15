"""The head of the XML files of CVAT: labels, and tasks with their frames."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from mmdet.utils import UserError

from .xml_elements import Element

#: Frames of a video, so that a wrong number cannot fill the memory.
MAX_FRAMES = 10**6
#: Kinds of labels that have no masks.
_OTHER_LABELS = ('tag', 'points', 'polyline', 'skeleton', 'cuboid')


@dataclass
class Task:
    """A task or job of CVAT, which is one video or one set of images.

    Attributes:
        names (list[str]): its name and that of its video file without suffix; one may be missing.
        numbers (range): of its frames, as CVAT counts them in the video.
        size (tuple | None): (height, width) of the frames; CVAT writes it for video files only.
        offset (int): what the export of a project adds to ``numbers``.
        of_images (bool): whether it was made of images, which CVAT counts from 0 whatever their names are.
    """

    names: list
    numbers: range
    size: tuple | None
    offset: int
    of_images: bool


class Meta:
    """What the element ``<meta>`` says.

    Args:
        element (Element | None): the element; None for a file without it.
        path (str | Path): the file, for messages.

    Raises:
        UserError: it is not one of CVAT.
    """

    def __init__(self, element: Element | None, path):
        self._path, self._meta, self.labels, self._tasks, self._single = path, element, [], {}, None
        if element is None:
            return
        holder = next(filter(None, map(element.find, ('task', 'job', 'project'))), None)
        if holder is None:
            raise UserError(f'{path}: <meta> has no task, job or project: is this an export of CVAT?')
        labels = holder.find('labels')
        for label in labels.children if labels else ():
            name = label.find_text('name')
            if name and not label.find('parent') and label.find_text('type') not in _OTHER_LABELS:
                self.labels.append(name)
        self.labels = list(dict.fromkeys(self.labels))
        tasks = [holder]
        if holder.tag == 'project':
            tasks = holder.find('tasks').children if holder.find('tasks') else []
        self._tasks = {task.find_text('id'): task for task in tasks}
        self._single = holder if holder.tag != 'project' else None

    def task(self, track: Element, place: str) -> tuple[str, Task]:
        """Id and content of the task of a track: of a project, its ``task_id`` says which."""
        if self._meta is None:
            raise UserError(
                f'{self._path}: no <meta> before the tracks or images, which says how many frames there are'
            )
        key = track.attrib.get('task_id', '') if self._single is None else ''
        task = self._single or self._tasks.get(key)
        if task is None:
            raise UserError(f'{place}: task_id {key!r:.60} is not among the tasks in the <meta> of the file')
        # Jobs and old versions have the file and the size beside the task.
        source = task.find_text('source') or self._meta.find_text('source')
        names = [name for name in (task.find_text('name'), PurePosixPath(source).stem) if name]
        size = _size(task) or _size(self._meta)
        of_images = task.find_text('mode') == 'annotation'
        return key, Task(names, _frame_numbers(task, self._path), size, self._offset(task), of_images)

    def names_without(self, keys) -> list[str]:
        """Names of the tasks whose ids, as :meth:`task` returns them, are not among ``keys``."""
        if self._single is not None:
            return [] if keys else [self._single.find_text('name') or 'job']
        return [task.find_text('name') or key for key, task in self._tasks.items() if key not in keys]

    def _offset(self, task):
        """Frames of the tasks before this one in a project: CVAT counts on from task to task of a subset."""
        offset, subset = 0, None
        for other in self._tasks.values():
            if other.find_text('subset') != subset:
                offset, subset = 0, other.find_text('subset')
            if other is task:
                break
            offset += _frame_numbers(other, self._path).stop
        return offset


def _frame_numbers(task, path):
    numbers = {}
    for key in ('size', 'start_frame', 'stop_frame'):
        text = task.find_text(key)
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise UserError(f'{path}: <{key}> is not a number: {text!r:.40}')
        numbers[key] = int(text) if text else None
    match = re.search(r'step\s*=\s*([1-9][0-9]{0,8})', task.find_text('frame_filter'))
    start, step = numbers['start_frame'] or 0, int(match[1]) if match else 1
    count = numbers['size']
    if count is None and numbers['stop_frame'] is not None:
        count = (numbers['stop_frame'] - start) // step + 1
    if count is None or not 0 < count <= MAX_FRAMES:
        raise UserError(f'{path}: the <size> of a task, its number of frames, is missing or odd: {count}')
    return range(start, start + count * step, step)


def _size(holder):
    texts = [holder.find_text('original_size', side) for side in ('height', 'width')]
    if not all(text.isascii() and text.isdigit() and len(text) < 7 and int(text) for text in texts):
        return None
    return tuple(map(int, texts))

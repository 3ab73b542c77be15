"""Drawing: arrays and tracks in, images and videos out."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'colors': ('readable_on', 'track_color'),
        'sheet': ('contact_sheet', 'pick_frames', 'sheet_of_folder', 'side_by_side'),
        'draw': ('draw_instances',),
        'color_matching': ('hide_duplicates', 'match_colors', 'track_iou'),
        'result_renderer': ('ResultRenderer', 'render_worst'),
        'renderer': ('TrackRenderer', 'frames_of_tracks', 'matched_numbers', 'video_names'),
        'trails': ('Trails',),
        'text': ('draw_label', 'text_size'),
    },
)

"""Other formats of video instance data, to YouTube-VIS and back."""

# Part of _ytvis_core.pyx: run-length codes, read and intersected without pixels.


cdef struct Frame:
    # One mask of the current frame: its intervals of ones [start, end), if asked for.
    uint32_t *edges
    Py_ssize_t n_edges
    int64_t mask
    int64_t area
    bint canonical
    bint wanted


cdef inline Py_ssize_t next_count(const uint8_t *text, Py_ssize_t at, Py_ssize_t end, uint32_t *x, int *flag) noexcept:
    """Read one number of a COCO string; the position after it, or -1 if it cannot be read."""
    cdef uint32_t value = 0, c
    cdef int k = 0
    while at < end:
        c = <uint32_t><uint8_t>(text[at] - 48)
        flag[0] |= BAD_TEXT if c & 0xC0 else 0
        at += 1
        value |= (c & 0x1F) << (5 * k)
        if not c & 0x20:
            if c & 0x10:
                if k >= 6:
                    break
                value |= (<uint32_t>0xFFFFFFFF) << (5 * (k + 1))
            x[0] = value
            return at
        k += 1
        if k > 6:
            break
    flag[0] |= BAD_TEXT
    return -1


cdef int read_text(const uint8_t *text, Py_ssize_t n, int64_t pixels, Frame *frame) noexcept:
    """Decode a COCO string in one pass: area, flags and, if wanted, intervals. Returns the flags."""
    cdef Py_ssize_t at = 0, m = 0
    cdef uint64_t total = 0
    cdef uint32_t c, x = 0, last = 0, before = 0, area = 0
    cdef int flag = 0
    cdef bint zero = False
    cdef uint32_t *edges = frame.edges
    while at < n:
        c = <uint32_t><uint8_t>(text[at] - 48)
        if c < 0x20:
            # Most numbers are a single character.
            at += 1
            x = (c ^ 0x10) - 0x10
        else:
            at = next_count(text, at, n, &x, &flag)
            if at < 0:
                break
        if m > 2:
            x += before
        before = last
        last = x
        zero |= x == 0 and m > 0
        if m & 1:
            area += x
        total += x
        edges[m] = <uint32_t>total
        m += 1
    frame.n_edges = m
    frame.area = area
    if n == 0:
        flag |= EMPTY
    elif <int64_t>total != pixels:
        flag |= BAD_SUM
    frame.canonical = m > 0 and not zero and not flag & (BAD_SUM | EMPTY)
    return flag


cdef int read_runs(const uint32_t *runs, Py_ssize_t n, int64_t pixels, Frame *frame) noexcept:
    """The same for a list of counts."""
    cdef Py_ssize_t m
    cdef uint64_t total = 0
    cdef uint32_t area = 0
    cdef int flag = 0
    cdef bint zero = False
    for m in range(n):
        zero |= runs[m] == 0 and m > 0
        if m & 1:
            area += runs[m]
        total += runs[m]
        frame.edges[m] = <uint32_t>total
    frame.n_edges = n
    frame.area = area
    if n == 0:
        flag |= EMPTY
    elif <int64_t>total != pixels:
        flag |= BAD_SUM
    frame.canonical = n > 0 and not zero and not flag & (BAD_SUM | EMPTY)
    return flag


cdef int64_t intersect(const Frame *a, const Frame *b) noexcept:
    """Common pixels of two canonical masks. Edges: zeros end, ones end, zeros end, ..."""
    cdef const uint32_t *p = a.edges
    cdef const uint32_t *q = b.edges
    cdef const uint32_t *p_end = p + (a.n_edges & ~1)
    cdef const uint32_t *q_end = q + (b.n_edges & ~1)
    cdef int64_t common = 0, low, high
    cdef bint left
    if p == p_end or q == q_end:
        return 0
    # Most of two masks lies apart: jump to where the later one begins.
    while p_end - p > 64 and p[64 - 1] <= q[0]:
        p += 64
    while q_end - q > 64 and q[64 - 1] <= p[0]:
        q += 64
    while p < p_end and q < q_end:
        low = max(p[0], q[0])
        high = min(p[1], q[1])
        if high > low:
            common += high - low
        left = p[1] <= q[1]
        q += 2 * (q[1] <= p[1])
        p += 2 * left
    return common


cdef uint32_t rest_of_ones(const uint32_t *counts, Py_ssize_t n, Py_ssize_t at) noexcept:
    cdef uint32_t area = 0
    cdef Py_ssize_t k = at | 1
    while k < n:
        area += counts[k]
        k += 2
    return area


cdef bint walk(
    const uint32_t *a, Py_ssize_t n, const uint32_t *b, Py_ssize_t m, int64_t *inter, int64_t *joint
) noexcept:
    """Twin of ``masks.intersect_walk``; True if it stopped early."""
    cdef uint32_t left, right, step, common = 0, both = 0
    cdef Py_ssize_t i = 1, j = 1, k
    cdef bint va = False, vb = False, early = False
    if n == 0 or m == 0:
        inter[0], joint[0] = 0, rest_of_ones(a, n, 1) + rest_of_ones(b, m, 1)
        return False
    left, right = a[0], b[0]
    while True:
        step = min(left, right)
        if va and vb:
            common += step
        if va or vb:
            both += step
        left -= step
        right -= step
        if left == 0 and i < n:
            left = a[i]
            va = not va
            i += 1
        if right == 0 and j < m:
            right = b[j]
            vb = not vb
            j += 1
        if left == 0 and right == 0:
            for k in range(i, n):
                early |= a[k] != 0
            for k in range(j, m):
                early |= b[k] != 0
            break
        if left == 0 and i == n:
            both += (right if vb else 0) + rest_of_ones(b, m, j)
            break
        if right == 0 and j == m:
            both += (left if va else 0) + rest_of_ones(a, n, i)
            break
    inter[0], joint[0] = common, both
    return early


cdef class View:
    """Typed access to the arrays of a ``Masks``."""

    cdef const uint8_t[::1] kind, text
    cdef const int64_t[:, ::1] size, span, tracks
    cdef const uint32_t[::1] runs
    cdef int64_t[::1] area
    cdef uint8_t[::1] flag

    def __init__(self, masks, tracks):
        self.kind, self.size, self.span = masks.kind, masks.size, masks.span
        # One spare element, so that the address of the first is always there.
        self.text = masks.text if len(masks.text) else np.zeros(1, np.uint8)
        self.runs = masks.runs if len(masks.runs) else np.zeros(1, np.uint32)
        self.area, self.flag = masks.area, masks.flag
        self.tracks = tracks

    cdef Py_ssize_t n_frames(self, Py_ssize_t track) noexcept:
        return self.tracks[track, 1] - self.tracks[track, 0]

    cdef Py_ssize_t find(self, Py_ssize_t track, Py_ssize_t t) noexcept:
        """Mask of a track in frame ``t``, or -1."""
        cdef Py_ssize_t mask = self.tracks[track, 0] + t
        if mask >= self.tracks[track, 1] or self.kind[mask] == ABSENT or self.kind[mask] == OTHER:
            return -1
        return mask

    cdef void read(self, Py_ssize_t mask, Frame *frame) noexcept:
        cdef int64_t pixels = self.size[mask, 0] * self.size[mask, 1]
        cdef Py_ssize_t begin = self.span[mask, 0], n = self.span[mask, 1] - self.span[mask, 0]
        cdef int flag
        if self.kind[mask] == TEXT:
            flag = read_text(&self.text[0] + begin, n, pixels, frame)
        else:
            flag = read_runs(&self.runs[0] + begin, n, pixels, frame)
        frame.mask = mask
        self.area[mask] = frame.area
        self.flag[mask] |= flag

    cdef Py_ssize_t counts(self, Py_ssize_t mask, uint32_t *out) noexcept:
        """Counts of a mask to ``out``, for masks that are not canonical."""
        cdef Py_ssize_t begin = self.span[mask, 0], end = self.span[mask, 1], m = 0
        cdef uint32_t x = 0
        cdef int flag = 0
        if self.kind[mask] == COUNTS:
            memcpy(out, &self.runs[0] + begin, 4 * (end - begin))
            return end - begin
        while begin < end:
            begin = next_count(&self.text[0], begin, end, &x, &flag)
            if begin < 0:
                break
            out[m] = x + (out[m - 2] if m > 2 else 0)
            m += 1
        return m


def read_counts(masks, Py_ssize_t i):
    """Twin of ``masks.read_counts`` for one mask."""
    cdef View view = View(masks, np.zeros((0, 2), np.int64))
    cdef Py_ssize_t n = max(view.span[i, 1] - view.span[i, 0], 1)
    cdef uint32_t[::1] edges = np.empty(n, np.uint32)
    cdef uint32_t[::1] counts = np.empty(n, np.uint32)
    cdef Frame frame
    frame.edges, frame.wanted = &edges[0], True
    view.read(i, &frame)
    n = view.counts(i, &counts[0])
    return np.asarray(counts)[:n].astype(np.int64), bool(frame.canonical)


cdef class Bench:
    """Scratch memory for the masks of one frame."""

    cdef Frame *frames
    cdef uint32_t *edges
    cdef uint32_t *spare
    cdef Py_ssize_t n_frames, n_edges, n_spare

    def __dealloc__(self):
        free(self.frames)
        free(self.edges)
        free(self.spare)

    cdef int want_frames(self, Py_ssize_t n) except -1:
        if n > self.n_frames:
            free(self.frames)
            self.frames = <Frame *>malloc(n * sizeof(Frame))
            if self.frames == NULL:
                self.n_frames = 0
                raise MemoryError
            self.n_frames = n
        return 0

    cdef int want_edges(self, Py_ssize_t n) except -1:
        if n > self.n_edges:
            free(self.edges)
            self.edges = <uint32_t *>malloc(4 * n)
            if self.edges == NULL:
                self.n_edges = 0
                raise MemoryError
            self.n_edges = n
        return 0

    cdef int want_spare(self, Py_ssize_t n) except -1:
        if n > self.n_spare:
            free(self.spare)
            self.spare = <uint32_t *>malloc(4 * n)
            if self.spare == NULL:
                self.n_spare = 0
                raise MemoryError
            self.n_spare = n
        return 0

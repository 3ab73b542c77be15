# Part of _ytvis_core.pyx: a json parser that keeps masks out of Python.


class Unusual(Exception):
    """The text is not json, or json that is left to the standard library."""


cdef class Parser:
    """A json parser that keeps masks out of Python: they go to flat arrays as they are met.

    It accepts a subset of what the standard library accepts, and stops at anything else, which the standard
    library then reads or rejects with its own message.
    """

    cdef uint8_t *data
    cdef Py_ssize_t pos, end
    cdef object kind_array, size_array, span_array, runs_array
    cdef uint8_t *kind
    cdef int64_t *size
    cdef int64_t *span
    cdef uint32_t *runs
    cdef Py_ssize_t n_masks, max_masks, n_runs, max_runs
    cdef bint any_text
    cdef dict other, keys

    def __init__(self, uint8_t[::1] data):
        self.end = data.shape[0]
        self.data = &data[0] if self.end else NULL
        self.pos = 0
        self.other, self.keys = {}, {}
        self.n_masks = self.n_runs = 0
        self.grow_masks(4096)
        self.grow_runs(self.end // 5 + 1024)

    cdef int grow_masks(self, Py_ssize_t capacity) except -1:
        cdef uint8_t[::1] kind = np.empty(capacity, np.uint8)
        cdef int64_t[:, ::1] size = np.zeros((capacity, 2), np.int64)
        cdef int64_t[:, ::1] span = np.zeros((capacity, 2), np.int64)
        if self.n_masks:
            memcpy(&kind[0], self.kind, self.n_masks)
            memcpy(&size[0, 0], self.size, 16 * self.n_masks)
            memcpy(&span[0, 0], self.span, 16 * self.n_masks)
        self.kind_array, self.size_array, self.span_array = kind.base, size.base, span.base
        self.kind, self.size, self.span = &kind[0], &size[0, 0], &span[0, 0]
        self.max_masks = capacity
        return 0

    cdef int grow_runs(self, Py_ssize_t capacity) except -1:
        # Untouched pages of an empty array cost nothing, so a generous guess is free.
        cdef uint32_t[::1] runs = np.empty(capacity, np.uint32)
        if self.n_runs:
            memcpy(&runs[0], self.runs, 4 * self.n_runs)
        self.runs_array, self.runs = runs.base, &runs[0]
        self.max_runs = capacity
        return 0

    cdef inline uint8_t skip(self) noexcept:
        """Skip white space; the next byte, 0 at the end."""
        cdef uint8_t c
        while self.pos < self.end:
            c = self.data[self.pos]
            if c != 32 and c != 10 and c != 13 and c != 9:
                return c
            self.pos += 1
        return 0

    cdef object value(self, int depth):
        cdef uint8_t c = self.skip()
        if c == b'{':
            return self.read_object(depth + 1)
        if c == b'[':
            return self.read_list(depth + 1)
        if c == b'"':
            return self.read_string()
        if c == b't':
            self.expect(b'true', 4)
            return True
        if c == b'f':
            self.expect(b'false', 5)
            return False
        if c == b'n':
            self.expect(b'null', 4)
            return None
        if c == b'-' or 48 <= c <= 57:
            return self.read_number()
        raise Unusual

    cdef int expect(self, const char *word, Py_ssize_t n) except -1:
        if self.end - self.pos < n or memcmp(self.data + self.pos, word, n):
            raise Unusual
        self.pos += n
        return 0

    cdef object read_number(self):
        cdef Py_ssize_t start = self.pos, digits
        cdef int64_t whole = 0
        cdef bint negative = self.data[self.pos] == b'-'
        if negative:
            self.pos += 1
        digits = self.pos
        while self.pos < self.end and 48 <= self.data[self.pos] <= 57:
            if self.pos - digits < 18:
                whole = whole * 10 + (self.data[self.pos] - 48)
            self.pos += 1
        if self.pos == digits or (self.data[digits] == 48 and self.pos - digits > 1):
            raise Unusual
        if self.pos < self.end and self.data[self.pos] in b'.eE':
            return self.read_float(start)
        if self.pos - digits > 18:
            raise Unusual
        return PyLong_FromLongLong(-whole if negative else whole)

    cdef object read_float(self, Py_ssize_t start):
        cdef Py_ssize_t digits
        cdef char *stop = NULL
        if self.data[self.pos] == b'.':
            self.pos += 1
            digits = self.pos
            while self.pos < self.end and 48 <= self.data[self.pos] <= 57:
                self.pos += 1
            if self.pos == digits:
                raise Unusual
        if self.pos < self.end and self.data[self.pos] in b'eE':
            self.pos += 1
            if self.pos < self.end and self.data[self.pos] in b'+-':
                self.pos += 1
            digits = self.pos
            while self.pos < self.end and 48 <= self.data[self.pos] <= 57:
                self.pos += 1
            if self.pos == digits:
                raise Unusual
        # A bytearray ends with a NUL of its own, so reading cannot run past it.
        number = PyOS_string_to_double(<const char *>self.data + start, &stop, NULL)
        if stop != <char *>self.data + self.pos:
            raise Unusual
        return number

    cdef object read_string(self):
        cdef Py_ssize_t start = self.pos
        cdef uint8_t c
        cdef bint escaped = False
        self.pos += 1
        while self.pos < self.end:
            c = self.data[self.pos]
            if c == b'"':
                break
            if c < 32:
                raise Unusual
            if c == b'\\':
                escaped = True
                self.pos += 1
            self.pos += 1
        if self.pos >= self.end:
            raise Unusual
        self.pos += 1
        try:
            if escaped:
                return json.loads((<const char *>self.data)[start : self.pos])
            return PyUnicode_DecodeUTF8(<const char *>self.data + start + 1, self.pos - start - 2, NULL)
        except ValueError:
            raise Unusual from None

    cdef object read_list(self, int depth):
        cdef list items = []
        cdef uint8_t c
        if depth > MAX_DEPTH:
            raise Unusual
        self.pos += 1
        if self.skip() == b']':
            self.pos += 1
            return items
        while True:
            items.append(self.value(depth))
            c = self.skip()
            self.pos += 1
            if c == b']':
                return items
            if c != b',':
                raise Unusual

    cdef object read_object(self, int depth):
        cdef dict items = {}
        cdef uint8_t c
        if depth > MAX_DEPTH:
            raise Unusual
        self.pos += 1
        if self.skip() == b'}':
            self.pos += 1
            return items
        while True:
            if self.skip() != b'"':
                raise Unusual
            key = self.read_string()
            # One object for equal keys, as the standard library does.
            key = self.keys.setdefault(key, key)
            if self.skip() != b':':
                raise Unusual
            self.pos += 1
            if depth <= 3 and self.skip() == b'[' and key == 'segmentations':
                items[key] = self.read_masks()
            else:
                items[key] = self.value(depth)
            c = self.skip()
            self.pos += 1
            if c == b'}':
                return items
            if c != b',':
                raise Unusual

    cdef object read_masks(self):
        """The list of masks of a track."""
        cdef Py_ssize_t begin = self.n_masks
        cdef uint8_t c
        self.pos += 1
        if self.skip() == b']':
            self.pos += 1
            return Span((begin, begin))
        while True:
            if self.n_masks == self.max_masks:
                self.grow_masks(2 * self.max_masks)
            c = self.skip()
            if c == b'n':
                self.expect(b'null', 4)
                self.kind[self.n_masks] = ABSENT
            elif c != b'{' or not self.read_rle():
                self.read_other()
            self.n_masks += 1
            c = self.skip()
            self.pos += 1
            if c == b']':
                return Span((begin, self.n_masks))
            if c != b',':
                raise Unusual

    cdef int read_other(self) except -1:
        mask = self.value(4)
        if is_absent(mask):
            self.kind[self.n_masks] = ABSENT
            self.other[self.n_masks] = mask
            return 0
        if isinstance(mask, dict):
            packed, _ = pack_masks_slowly([[mask]])
            if packed.kind[0] != OTHER:
                raise Unusual
        self.kind[self.n_masks] = OTHER
        self.other[self.n_masks] = mask
        return 0

    cdef bint read_rle(self) except -1:
        """Read an object of exactly "size" and "counts"; False, and back at its start, if it is not one."""
        cdef Py_ssize_t start = self.pos, n_runs = self.n_runs, begin = 0, end = 0
        cdef int64_t height = -1, width = -1
        cdef int kind = ABSENT, turn
        cdef bint escaped = False
        cdef uint8_t c
        self.pos += 1
        for turn in range(2):
            if self.skip() != b'"':
                break
            if self.end - self.pos > 6 and not memcmp(self.data + self.pos, b'"size"', 6) and height < 0:
                self.pos += 6
                if not self.colon() or self.skip() != b'[':
                    break
                self.pos += 1
                height = self.natural()
                if height < 0 or self.skip() != b',':
                    break
                self.pos += 1
                width = self.natural()
                if width < 0 or self.skip() != b']':
                    break
                self.pos += 1
            elif self.end - self.pos > 8 and not memcmp(self.data + self.pos, b'"counts"', 8) and not kind:
                self.pos += 8
                if not self.colon():
                    break
                c = self.skip()
                if c == b'"':
                    begin = self.pos + 1
                    if not self.scan_text(&escaped):
                        break
                    end = self.pos - 1
                    kind = TEXT
                elif c == b'[':
                    begin = self.n_runs
                    if not self.read_counts():
                        break
                    end = self.n_runs
                    kind = COUNTS
                else:
                    break
            else:
                break
            c = self.skip()
            self.pos += 1
            if c == b'}' and turn == 1 and height < 2147483648 and width < 2147483648:
                if escaped:
                    end = begin + unescape(self.data + begin, end - begin)
                self.kind[self.n_masks] = kind
                self.size[2 * self.n_masks], self.size[2 * self.n_masks + 1] = height, width
                self.span[2 * self.n_masks], self.span[2 * self.n_masks + 1] = begin, end
                self.any_text |= kind == TEXT
                return True
            if c != b',':
                break
        self.pos, self.n_runs = start, n_runs
        return False

    cdef inline bint colon(self) noexcept:
        if self.skip() != b':':
            return False
        self.pos += 1
        return True

    cdef inline int64_t natural(self) noexcept:
        """A plain non-negative integer below 10**11; -1 for anything else."""
        cdef int64_t number = 0
        cdef Py_ssize_t start
        cdef uint8_t c
        self.skip()
        start = self.pos
        while self.pos < self.end:
            c = self.data[self.pos] - 48
            if c > 9:
                break
            number = number * 10 + c
            self.pos += 1
        if self.pos == start or self.pos - start > 11 or (self.data[start] == 48 and self.pos - start > 1):
            return -1
        return number

    cdef bint read_counts(self) except -1:
        cdef int64_t number
        cdef uint8_t c
        self.pos += 1
        if self.skip() == b']':
            self.pos += 1
            return True
        while True:
            number = self.natural()
            if number < 0 or number > 4294967295:
                return False
            if self.n_runs == self.max_runs:
                self.grow_runs(self.max_runs + self.max_runs // 2)
            self.runs[self.n_runs] = <uint32_t>number
            self.n_runs += 1
            c = self.data[self.pos] if self.pos < self.end else 0
            if c != b',' and c != b']':
                c = self.skip()
            self.pos += 1
            if c == b']':
                return True
            if c != b',':
                return False

    cdef bint scan_text(self, bint *escaped) noexcept:
        """Pass a string of printable ASCII; of escapes only those for backslash, quote and slash."""
        cdef uint8_t c
        self.pos += 1
        while self.pos < self.end:
            c = self.data[self.pos]
            if c == b'"':
                self.pos += 1
                return True
            if c < 32 or c > 126:
                return False
            if c == b'\\':
                escaped[0] = True
                self.pos += 1
                c = self.data[self.pos]
                if c != b'\\' and c != b'"' and c != b'/':
                    return False
            self.pos += 1
        return False


cdef Py_ssize_t unescape(uint8_t *text, Py_ssize_t n) noexcept:
    """Drop the backslashes of escapes in place; the new length."""
    cdef Py_ssize_t i = 0, out = 0
    while i < n:
        if text[i] == b'\\':
            i += 1
        text[out] = text[i]
        out += 1
        i += 1
    return out

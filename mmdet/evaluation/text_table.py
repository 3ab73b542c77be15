"""Numbers and rows as text: tables on the terminal and in markdown."""


def show(value):
    """A number for a person: three digits, ``-`` for what is undefined (-1 or None)."""
    if value is None or (isinstance(value, float) and value == -1.0):
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def table(rows, title=None, style='table'):
    """Rows (the first is the head) as a terminal table or in markdown."""
    rows = [[str(cell) for cell in row] for row in rows]
    if style == 'markdown':
        rows = [[cell.replace('|', '\\|') for cell in row] for row in rows]
        lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
        lines.insert(1, '|' + '---|' * len(rows[0]))
        return '\n'.join(([f'### {title}', ''] if title else []) + lines) + '\n'
    try:
        from terminaltables import AsciiTable
    except ImportError:
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ['  '.join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
        return '\n'.join(([title] if title else []) + lines) + '\n'
    made = AsciiTable(rows, title)
    for column in range(1, len(rows[0])):
        if all(row[column].lstrip('-').replace('.', '').isdigit() or row[column] == '-' for row in rows[1:]):
            made.justify_columns[column] = 'right'
    return made.table + '\n'

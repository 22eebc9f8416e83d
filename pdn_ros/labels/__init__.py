"""Labels in and out: the formats of labeling tools, and a page that checks labels.

Each format is a file with `read` and `write`, and a line in `formats.FORMATS`.
"""

"""Folders of labelled recordings as data sets: ``deadpan extract``."""

"""Stands in for Slicer's ``slicer.i18n``: names the functions, translates nothing."""


def getContext(sourceFile: str) -> str:
    return sourceFile


def translate(context: str, text: str) -> str:
    return text


def tr(text: str) -> str:
    return text

"""Names of files from strangers, made safe for spreadsheets and terminals."""

from __future__ import annotations

import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def spreadsheet_name(name: str) -> str:
    """Give a relative path that no spreadsheet takes for a formula, and that names the same file.

    Parameters
    ----------
    name : str
        A relative path, with "/".

    Returns
    -------
    str
        The path, with "./" before it if it began as a formula does.

    Examples
    --------
    >>> spreadsheet_name("=HYPERLINK(1).png"), spreadsheet_name("a/=b.png")
    ('./=HYPERLINK(1).png', 'a/=b.png')
    """
    return f"./{name}" if name.startswith(_FORMULA) else name


def terminal_text(text: str) -> str:
    r"""Give a text whose control characters, and those that turn the direction, are spelt out.

    A file can be called so that its name, once printed, clears the screen, or reads backwards.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        Without characters of Unicode's categories Cc, Cf and Cs but line ends and tabulators.

    Examples
    --------
    >>> terminal_text("a" + chr(27) + "[2J" + chr(0x202E) + "gpj.exe")
    'a\\x1b[2J\\u202egpj.exe'
    """
    return "".join(
        char
        if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
        else char.encode("unicode_escape").decode()
        for char in text
    )


def readable_name(name: object) -> str:
    r"""Give the name of a file as text that UTF-8 can hold: bytes that are none are spelt out.

    Parameters
    ----------
    name : str or Path
        A name as Python gives it, with surrogates in place of such bytes.

    Returns
    -------
    str
        The same name, as a rule; different names stay different.

    Examples
    --------
    >>> readable_name("caf" + chr(0xDCE9) + ".jpg")
    'caf\\xe9.jpg'
    """
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

"""Numbers that the text of a notebook may quote.

A number in the prose is never typed. The cell that computes it calls :func:`claim`, the text says
``{{ name }}``, and the build puts the one into the other, so that text and output cannot disagree.
"""

from __future__ import annotations

import keyword
import math

MIME = "application/vnd.gmlib.claims+json"


def written(name: str, value: str | int | float) -> str:
    """A claim's value as the text will show it: strings as they are, floats with four significant digits.

    Args:
        name: the claim's name, for the error message.
        value: a string (formatted by the caller), an integer, or a finite float.

    Returns:
        The text that stands for the number.

    Raises:
        TypeError: ``value`` is not a string, an integer or a float.
        ValueError: ``value`` is empty, NaN or infinite.

    Example:
        >>> written("gap", 0.123456), written("images", 447), written("bound", f"{96.58:.1f}")
        ('0.1235', '447', '96.6')
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{name} must be a str, int or float, got {type(value).__name__}; try float({name})")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if not text.strip() or "nan" in text.lower() or "{" in text or "}" in text:
        raise ValueError(f"{name} must be a number as text, got {text!r}")
    return text


def claim(**numbers: str | int | float) -> None:
    r"""Write numbers for the prose to quote: after ``claim(gap=f"{gap:.2f}")`` it may say ``{{ gap }}``.

    Names hold for one notebook and are written once. The build fails when the text quotes a name that no cell
    wrote, and when a cell writes a name that the text never quotes.

    Args:
        numbers: each name (a Python identifier) with its value; format floats to the digits that are stable.

    Raises:
        TypeError: a value is not a string, an integer or a float.
        ValueError: nothing was given, or a value is empty, NaN or infinite.

    Example:
        >>> claim(images=447, bound=f"{96.58:.1f}")
        claim: images = 447, bound = 96.6
    """
    if not numbers:
        raise ValueError("claim needs at least one number, as in claim(gap=0.3)")
    for name in numbers:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"a claim's name must be a Python identifier, got {name!r}")
    texts = {name: written(name, value) for name, value in numbers.items()}
    line = "claim: " + ", ".join(f"{name} = {text}" for name, text in texts.items())
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(line)
        return
    if get_ipython() is None:
        print(line)
    else:
        display({MIME: texts, "text/plain": line}, raw=True)

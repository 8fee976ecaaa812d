"""
Text and words: what can be stored, what counts as a word, and which say nothing about what is sought.
"""

import re

WORD = re.compile(r"\w+")

_FREQUENT = """
    a an the and or but if of to in on at for with from by is are was were be been being do does did has have had
    what when where who whom which why how that this these those it its he she they them his her their i you we me
    my your our us as about into than then so not no can could would should will may might also just s t
"""
STOPWORDS = frozenset(_FREQUENT.split())  # so frequent in English that they match every record and token vector


# Whom a question asks about: "what did you suggest" the assistant, "what did I say" the user.
OF_ASSISTANT = frozenset(["you", "your", "yours"])
OF_USER = frozenset(["i", "me", "my", "mine", "we", "us", "our"])


def is_unicode(text: str) -> bool:
    """Return whether *text* can be stored: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""
A text, cut into what it asserts: who, what of them, and whether it holds, has ended or never did.

Pure, English, by rule.  What only asks, supposes, hopes, jokes or quotes somebody word for word asserts nothing and is
left out: a memory that misses a fact can still find the sentence, one that invents a fact cannot be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .predicates import RELATIONS


def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Compile a pattern that may be written over several lines."""
    return re.compile(re.sub(r"\n\s*", "", pattern), flags)


READ = 20_000  # characters of a text that are read

RELATION = "|".join(map(re.escape, RELATIONS))
ATTRIBUTE = (  # nouns for what everybody has one of
    r"favou?rite [\w-]+(?: [\w-]+)?|(?:full |first |last |middle )?name|surname|nickname|birthday|age|job|profession|"
    r"occupation|(?:home |postal )?address|(?:phone|mobile|cell)(?: phone)?(?: number)?|e-?mail(?: address)?|pronouns|"
    r"home ?town|(?:native|first) language|(?:native|mother) tongue|blood (?:type|group)|shoe size|height|"
    r"(?:star|zodiac) sign"
)
_GROUP = "parent|grandparent|family|toddler|twin|children|in-law|stepson|stepdaughter|fiancé|employer"
_ADJECTIVE = r"(?:older |younger |little |big |elder |eldest |youngest |twin |half-|late |new |old |best )?"
_NAME = r"(?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?[A-ZÀ-ÖØ-Þ][\w'’-]*(?: (?:de |da |do |van |von |of )?[A-ZÀ-ÖØ-Þ][\w'’-]+)?"
_OWN = rf"(?:my|our) {_ADJECTIVE}(?P<relation>(?:{RELATION}|{_GROUP})s?)(?! tongue)"
# Words with a capital that are no names where they begin a sentence, or at all.
_COMMON = """
    a about actually after all also although always an and another any anyway are as at because been before
    both but by can come could did do does done don't each either even every everyone everything fine
    finally first for from fun get give go good got great guess had happy has have he hello help her here
    hers hey hi his honestly how i if i'd i'll i'm i've in indeed is it it's its just last lately let like
    look lots lucky luckily made make many maybe me meanwhile mine more morning most mr mrs ms much my never
    new next nice no nobody none not nothing now of off oh ok okay on once one only or other our out over
    people perhaps please probably quite rather really remember right sadly say see she since so some
    somebody someone something sometimes soon sorry still such sure thank thanks that that's the their them
    then there there's these they they're thing things think this those though today tomorrow tonight too
    turns two under unfortunately until up us usually very was we we're well were what what's when where
    which while who why will with without work would wow yeah yes yesterday yet you you're your monday
    tuesday wednesday thursday friday saturday sunday january february march april june july august
    september october november december christmas easter
"""
_NO_NAME = frozenset(_COMMON.split())
# At the start of a clause, before its subject.
_LEAD = compiled(
    r"""
        (?:(?:and|but|so|or|well|oh|ah|ok|okay|yes|yeah|yep|no|nope|nah|hi|hey|hello|look|listen|see|
        also|plus|anyway|besides|because|cause|since|as|though|although|while|that|then|now|right now|
        actually|honestly|basically|unfortunately|sadly|luckily|fortunately|finally|frankly|truth is|
        the truth is|believe it or not|long story short|given the choice|at work|at home|keep in mind|
        for the (?:last|past) \w+ (?:years|months|weeks)|(?:in|on|last|this|since) (?:january|february|
        march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|
        thursday|friday|saturday|sunday|spring|summer|autumn|winter|week|month|year|\d{4})|bear in mind|
        thing is|the thing is|fact is|by the way|btw|fyi|for the record|for your information|
        just so you know|you know|please remember|remember|note|update|correction|fun fact|good news|
        bad news|big news|news|these days|nowadays|currently|at the moment|today|for now|as of (?:today|
        now|this week|last week)|meanwhile|apart from that|in fact|to be honest|tbh|turns out|
        it turns out|it's official|guess what|sorry|thanks|thank you|good morning|morning|good evening|
        evening|i (?:can|must|should|have to) (?:tell|say|confess|admit)(?: you)?|let me (?:tell you|
        add)|as i said|like i said|(?:i )?(?:forgot|should mention|should say|wanted to tell you|
        have to mention)|did i (?:say|mention)|(?:for|since|after|in|over|during|on|at) [^,]{2,40}(?=,)|
        \w+ (?:ago|later|week|month|year|night|morning)(?=,))(?: that)?\b[\s,:;–—-]+)+
    """,
    re.IGNORECASE,
)
_SUBJECT = compiled(
    rf"(?P<self>I|i|[Ww]e)\b|(?P<mine>(?i:my|our)) (?=(?i:{ATTRIBUTE})\b)|(?i:{_OWN})\b,? ?(?P<named>{_NAME})?,?|"
    rf"(?P<name>{_NAME})|(?P<he>(?i:he|she|they))\b|(?P<his>(?i:his|her|their)) (?=(?i:{ATTRIBUTE})\b)"
)
_POSSESSIVE = compiled(r"^['’]s? ")
_CONTRACTED = (
    (compiled(r"\b(I)['’]?m\b(?! sure)|\b(i)['’]m\b"), r"\1\2 am"),
    (compiled(r"['’]re\b"), " are"),
    (compiled(r"['’]ve\b"), " have"),
    (compiled(r"['’]ll\b"), " will"),
    (compiled(r"\bcan['’]t\b|\bcannot\b", re.IGNORECASE), "can not"),
    (compiled(r"\bwon['’]t\b", re.IGNORECASE), "will not"),
    (compiled(r"n['’]t\b", re.IGNORECASE), " not"),
    (compiled(r"\b(he|she|it|that|there|who|what|here|everything)['’]s\b", re.IGNORECASE), r"\1 is"),
    (
        compiled(
            r"['’]s (?=(?:a|an|the|not|no longer|now|in|at|from|been|moved|allergic|vegan|vegetarian|married|engaged|"
            r"single|divorced|called|named|\d+|\w+ing|just|still|really|also|very|originally|fluent|lactose)\b)"
        ),
        " is ",
    ),
)
# Nothing of a sentence with one of these is asserted.
_SUPPOSED = compiled(
    r"""
        \bif\b|\bwish\b|\bimagin|\bpretend|\bsuppos|\bhypothe|\bwould\b|['’]d (?:love|like|rather|prefer|
        hate|be)\b|\bin (?:a|my|the) (?:dream|game|novel|story|book|film|movie|show|play|past life)\b|
        \bdream(?:t|ed|s)? (?:that|about|of)\b|\bunless\b|\bas though\b|\blet['’]s say\b|\bsay i\b|
        \bwhat if\b|\bonce upon\b|\bin another life\b|\bcharacter\b|^\W*(?:please )?(?:translate|proofread|
        rewrite|rephrase|paraphrase|write)\b|\b(?:story|poem) (?:in which|where|about)\b|\brole-?play|
        \bthe (?:ad|article|song|
        lyrics?|novel|film|movie|book|character) (?:says?|said|goes)\b
    """,
    re.IGNORECASE,
)
# What stands before a question, or before what is only supposed: "I'm 34, how much …?", "I'm a plumber, but if …".
_STATED = compiled(
    r"""
        (?:, |: |, (?:and|so|but) |[–—] )(?=(?:how|what|where|when|why|who|which|can|could|do|does|did|
        is|are|should|would|will|any|have you|shall|is there)\b)
    """,
    re.IGNORECASE,
)
_BUT_IF = compiled(r",? but (?=(?:if|in a dream|i would|i wish|i might|we might)\b)", re.IGNORECASE)
# Nothing of a clause with one of these.
_HEDGED = compiled(
    r"""
        \b(?:maybe|perhaps|possibly|probably|presumably|might|may(?! \d| (?:of|last|this|next)|$)|could|
        should|shall|guess|think|thinking|thought|believe|reckon|feel like|seems?|seemed|seemingly|
        apparently|supposedly|allegedly|rumou?r|not sure|unsure|not certain|wonder|wondering|consider|
        considering|hope|hoping|hopefully|wants? to|wanted to|almost|nearly|practically|basically feel|
        tempted|dream of|fancy|kind of|sort of|kinda|sorta|assum\w+|doubt|sounds? like|looks? like|one day|
        some ?day|eventually|in theory|as a joke|ironically|heard that|is it|used to think|pretty sure|
        sometimes feel|can imagine|need to|ought to|try(?:ing)? to|tried to|offered|asked|asks|wonders|
        no idea|forget whether|can not remember|not remember|forgot whether|forgot if|whether)\b
    """,
    re.IGNORECASE,
)
_JOKE = compiled(
    r"""
        \b(?:just )?(?:kidding|joking)\b|\bj/?k\b|\blol\b|\bha(?:ha)+\b|\bpsych\b|\bnot really\b|\b(?:only|
        was) joking\b|😂|🤣|😜|/s\b
    """,
    re.IGNORECASE,
)
_TOLD = compiled(
    rf"""
        ^(?:(?P<own>I|i) (?:have |already |just )*(?:told you|said|mentioned|wrote)|(?P<who>{_NAME}|
        (?i:{_OWN.replace("relation", "kin")})(?: {_NAME})?|(?i:he|she)) (?:just |also |already |has |have |
        once |finally )*(?:said|says|told me|told us|tells me|mentions|mentioned|wrote|texted(?: me)?|
        confirmed|announced|let me know|called to say|informed me|admitted|
        revealed))(?: to me)?(?: yesterday| today)?(?:,)?(?: that)?,? (?P<what>.+)$
    """,
    re.DOTALL,
)
_BELIEVED = compiled(
    rf"^(?:{_NAME}|(?i:my \w+|he|she|they|people|everyone|everybody|someone|somebody|nobody)) "
    r"(?:\w+ )?(?:thinks?|thought|believes?|believed|claims?|claimed|assumes?|assumed|insists?|swears?|guess(?:es|ed)?|"
    r"keeps? (?:saying|telling)|jokes?|joked|wants?|wanted|hopes?|asked|asks|wonders?|suspects?|suggested|suggests)\b",
)
_SENTENCE = compiled(r"(?:[^.!?\n;]|\.(?=\w)|(?<=\bDr)\.|(?<=\bMr)\.|(?<=\bMrs)\.|(?<=\bMs)\.|(?<=\bSt)\.)+[.!?…]*")
_QUOTED = compiled(r"[\"“”«»][^\"“”«»]*[\"“”«»]|(?<!\w)['‘][^'’\n]{3,200}['’](?!\w)")
# What a clause goes on with that has no subject of its own: "… and still plays the cello".
_VERB = r"""
    (?:(?:still|also|now|just|only|always|really) )*(?:am|is|are|was|has|have|lives?|works?|plays?|speaks?|takes?|
    likes?|loves?|hates?|drives?|drinks?|eats?|moved|started|joined|owns?|keeps?|can not|do not|does not|no longer|
    used to|prefers?|enjoys?|stud(?:y|ies)|uses?|sold|quit)
"""
_BREAK = compiled(
    rf"""
        \s*(?:,?\s+(?:but|although|though|whereas|while|because|so|yet)\s+|,?\s+(?:and|then|
        and then)\s+(?=(?:i|we|he|she|they|it|my|our|the|there)\b|[A-Z][\w-]+ (?:is|has|lives|works|moved|
        loves|likes)\b|(?:{_VERB}|call me)\b|
        (?:his|her|their) favou?rite\b)|,\s+(?=(?:plays|works|lives|speaks|is|has|takes|drives|likes|loves) )|
        ,\s+(?=(?:now |then |so )?(?:i|we|he|she|they|my|our)\b(?!['’]s))|\s+[–—-]\s+|:\s+|\s*\(|\)\s*)
    """,
    re.IGNORECASE,
)
_GOES_ON = compiled(rf"^{_VERB}\b(?! (?:i|we|he|she|they|you)\b)", re.IGNORECASE)
_PLACE = compiled(r"""
    ((?:live|living|based|moved|move|born|grew up|work|working|back|am|im|i'm) (?:in|to|at|from) |
    \bfrom \w+ to |\bfrom (?=\w+ to ))(?!the\b|a\b|an\b|my\b|home\b|hope\b|fear\b|this\b|that\b|it\b|
    bed\b|tears\b|scratch\b)(\w+)
""")
_PLACE_TO = compiled(r"(from [A-Z]\w+ to )(\w+)")
_TURNED = (
    (
        compiled(
            r"""
        ^(?:(?:hi|hey|hello|good \w+)\b[ \w]{0,12}[,!–-] ?)i am (?P<o>[A-ZÀ-ÖØ-Þ][\w'’-]+)\b.*
    """,
            re.I,
        ),
        r"my name is \g<o>",
    ),
    (
        compiled(
            r"""
        ^.*\b(?:text|call|reach|ring|phone) me (?:at|on) (?P<o>\+?\d[\d ()-]{5,}).*
    """,
            re.I,
        ),
        r"my phone is \g<o>",
    ),
    (compiled(r"^(?=.*\b(?:my|me)\b).*?(?P<o>[\w.+-]+@[\w-]+\.[\w.]*\w).*", re.I), r"my email is \g<o>"),
    (compiled(r"^(?P<o>\w+/\w+) for me\b.*", re.I), r"my pronouns are \g<o>"),
    (
        compiled(
            r"""
        ^(?P<o>[\w' -]{2,40}?) (?:is|are) (?:still )?(?P<w>my|[A-Z]\w+['’]s) (?P<a>favou?rite [\w-]+(?: [\w-]+)?|
        (?:native|first) language|mother tongue)$
    """,
            re.I,
        ),
        r"\g<w> \g<a> is \g<o>",
    ),
    (
        compiled(rf"""
            ^(?i:(?:(?:everyone|everybody|people|friends|my friends|they|you can|please|just|still|
            but) )*calls? me) (?P<o>{_NAME})
        """),
        r"I go by \g<o>",
    ),
    (compiled(rf"^(?i:home for me|my home|home) (?:is|has been) (?:in )?(?P<o>{_NAME})"), r"I live in \g<o>"),
    (compiled(r"^(?P<o>vegan|vegetarian|pescatarian|coeliac|celiac) (?:here|household)\b.*", re.I), r"I am \g<o>"),
    (
        compiled(
            r"""
        ^(?P<o>(?:(?:just|recently|finally|still|currently|also|now|originally) )*(?:got (?:a|an|two|
        promoted|married|engaged|divorced)|adopted|bought a|moved (?:to|from)|joined|quit|switched|
        gave up|stopped|sold my|turned \d|living in|working (?:at|as|for)|based in|started (?:at|as|
        learning)|do not (?:eat|drink|like)|can not (?:eat|stand))\b.*)
    """,
            re.I,
        ),
        r"I \g<o>",
    ),
    (
        compiled(r"""
        ^(?P<o>(?:(?:just|severely|originally|badly) )*(?:allergic to|from [A-Z]|fluent in)\b.*)
    """),
        r"I am \g<o>",
    ),
    (compiled(r"^(?i:born(?: and raised)?) in (?P<o>.*)"), r"I was born in \g<o>"),
    (compiled(r"^(?i:the car (?:i|we) drive|(?:my|our) car) is (?P<o>a .*)"), r"I drive \g<o>"),
    (compiled(rf"^(?i:my employer|my company|my workplace) is (?P<o>{_NAME})"), r"I work at \g<o>"),
    (compiled(r"^(?i:my (?:major|subject|degree)) is (?:in )?(?P<o>.*)"), r"I study \g<o>"),
    (compiled(r"^(?i:as a) (?P<o>[A-Z]\w+),? i\b.*", re.I), r"I am a \g<o>"),
)
_ADVERB = compiled(
    r"""
        \b(?:now|currently|actually|just|recently|finally|also|really|still|always|already|officially|
        honestly|truly|absolutely|definitely|certainly|totally|completely|very much|so much|very|quite|
        pretty|simply|both|presently|nowadays|these days|genuinely|obviously|clearly|literally|again|too|
        as well|as it happens|in fact|happily|proudly|at the moment|right|of course|even|even more|
        particularly|especially|mostly|mainly|generally|usually|normally)\b,? ?
    """,
    re.IGNORECASE,
)
_ENDED = (
    compiled(
        r"^(?:do|does|did|am|is|are|have|has|will|can) not (?:be )?(?P<rest>.+?),? ?(?:any ?more|any longer)\b.*$", re.I
    ),
    compiled(r"^(?P<be>(?:am|is|are|was|were) )?no longer (?P<rest>.+)$", re.I),
    compiled(r"^used to (?P<rest>.+)$", re.I),
    compiled(
        r"""
            ^(?:have |has )?(?:stopped|quit|gave up|given up|given up on|gave up on|ended up not|
            am done with|is done with|am finished with|am over|is over|went off|have gone off|
            has gone off)(?: (?:being|on))? (?P<rest>.+)$
        """,
        re.I,
    ),
)
_DENIED = (
    compiled(r"^(?:do|does|did) not (?:ever )?(?P<rest>.+)$", re.I),
    compiled(r"^(?P<be>am|is|are|was|were|have|has|can|will) not (?:ever )?(?P<rest>.+)$", re.I),
    compiled(r"^(?:have |has )?never (?P<rest>.+)$", re.I),
)
_FIRM = compiled(
    r"^(?:can not (?:stand|bear|eat|have|tolerate|drink)|am not (?:a fan|into)|is not (?:a fan|into))\b", re.I
)


class Clause(NamedTuple):
    """What a text asserts of one subject."""

    who: str  # "I", "my sister", "my sister Mel", "Mel"
    says: str  # what follows the subject, contractions opened, without adverbs and negation
    holds: bool  # it is so
    ended: bool  # it was so, and is no longer
    told: bool  # another one said it
    start: int  # of the sentence in the text
    end: int
    whole: str  # the clause with its subject, as it is read


def clauses(text: str) -> Iterator[Clause]:
    """Yield what *text* asserts, in order."""
    read = _QUOTED.sub(lambda match: " " * len(match[0]), text[:READ])
    sentences = list(_SENTENCE.finditer(read))
    last: str | None = None  # the one other person spoken of so far; "" where there are several
    for place, match in enumerate(sentences):
        sentence = match[0]
        follows = sentences[place + 1][0] if place + 1 < len(sentences) else ""
        sentence = _STATED.split(sentence)[0] if sentence.rstrip().endswith("?") else _BUT_IF.split(sentence)[0]
        if sentence.rstrip().endswith("?") or _SUPPOSED.search(sentence) or _JOKE.search(sentence):
            continue
        if _JOKE.match(follows.strip()) or _JOKE.search(follows[:40]):
            continue
        who = ""
        for part in _BREAK.split(_opened(_spelt_out(sentence.strip(" .!…\t,")))):
            said = part.strip(" ,.!…")
            if who and _GOES_ON.match(said):
                said = f"{who} {said}"
            found = _clause(_turned(said), last, match.start(), match.end())
            if found is None:
                continue
            who = found.who
            if found.who.lower() not in ("i", "we"):
                last = found.who if last in (None, found.who) else ""
            yield found


def _spelt_out(sentence: str) -> str:
    """Give names of places their capitals, where somebody writes without any."""
    if sentence != sentence.lower():
        return sentence
    for pattern in (_PLACE, _PLACE_TO):
        sentence = pattern.sub(lambda match: match[1] + match[2].title(), sentence)
    return sentence


def _turned(part: str) -> str:
    """Put first whom a clause is about: "green is my favourite colour", "vegan here", "moved to Oslo"."""
    for pattern, into in _TURNED:
        if match := pattern.match(part):
            return match.expand(into)
    return part


def _opened(sentence: str) -> str:
    for pattern, into in _CONTRACTED:
        sentence = pattern.sub(into, sentence)
    return sentence


def _clause(part: str, last: str | None, start: int, end: int, told: str | None = None) -> Clause | None:
    """Read one clause; *last* is whom "she" means, *told* who said it."""
    lead = _LEAD.match(part)
    body = part[lead.end() :] if lead else part
    if _BELIEVED.match(body) or _HEDGED.search(body):
        named = _SUBJECT.match(body)  # "my sister Wren thinks": that she is called so is said all the same
        return (
            Clause("I", "", True, False, False, start, end, named[0]) if named and named["named"] and not told else None
        )
    if told is None and (said := _TOLD.match(body)):
        who = "I" if said["own"] else said["who"]
        who = last if who.lower() in ("he", "she") else who
        return _clause(said["what"], who, start, end, told=who) if who else None
    subject = _SUBJECT.match(body)
    if subject is None:
        return None
    who = _who(subject, last, told)
    if not who:
        return None
    rest = _POSSESSIVE.sub("", body[subject.end() :]).strip(" ,")
    says, holds, ended = _affirmed(_ADVERB.sub("", rest).strip(" ,"))
    by_other = told is not None and told != "I"
    return Clause(who, says, holds, ended, by_other, start, end, body)


def _who(subject: re.Match[str], last: str | None, told: str | None) -> str | None:
    if subject["self"] or subject["mine"]:
        return None if told not in (None, "I") else "I"  # "Ana said I was late": about the speaker, by another
    if subject["he"] or subject["his"]:
        return last or None
    if subject["name"]:
        name = re.sub(r"['’]s?$", "", subject["name"])
        return None if name.split()[0].lower() in _NO_NAME else name
    relation = subject["relation"].lower()
    return f"my {relation} {subject['named']}" if subject["named"] else f"my {relation}"


def _affirmed(rest: str) -> tuple[str, bool, bool]:
    """Return *rest* without its negation, whether it holds, and whether it has ended."""
    if _FIRM.match(rest):
        return rest, True, False
    for pattern in _ENDED:
        if match := pattern.match(rest):
            be = match.groupdict().get("be") or ("am " if rest.startswith(("am not", "is not")) else "")
            return re.sub(r"^be ", "am ", f"{be}{match['rest']}"), False, True
    for pattern in _DENIED:
        if match := pattern.match(rest):
            be = match.groupdict().get("be")
            return f"{be} {match['rest']}" if be in ("am", "is", "are", "have", "has") else match["rest"], False, False
    return rest, True, False

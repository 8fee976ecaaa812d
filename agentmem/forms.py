"""
The forms of words that state a predicate.

Pure, English.  Each is matched against what follows a subject, see `clauses`; the first that fits counts.
"""

from __future__ import annotations

import re

from .clauses import ATTRIBUTE, RELATION, compiled

# Of these a list makes a claim of each part.
OF_LISTS = frozenset(
    ["likes", "dislikes", "speaks", "plays", "avoids", "allergic to", "drinks", "eats", "learns", "uses"]
)
DRINK = compiled(
    r"\b(?:tea|coffee|decaf|espresso|latte|water|juice|beer|wine|milk|matcha|soda|cola|cocoa|kombucha|cider)\b",
    re.IGNORECASE,
)

_NAME = r"""
    [A-ZÀ-ÖØ-Þ][\w.&'’-]*(?:,? (?:of |de |da |do |di |la |le |van |von |the |und |and |
    & )?[A-ZÀ-ÖØ-Þ0-9][\w.&'’-]*){0,4}
"""
_BE = r"(?:am|is|are|have been|has been)"
_HAVE = r"(?:have |has |had )?"
_JOB = (
    "accountant|actor|actress|administrator|analyst|architect|artist|astronomer|attorney|author|baker|banker|barber|"
    "barista|bartender|beekeeper|biologist|bookkeeper|bookseller|brewer|bricklayer|builder|bus driver|butcher|carer|"
    "caretaker|carpenter|cashier|chef|chemist|cleaner|clerk|coach|composer|consultant|contractor|cook|copywriter|"
    "courier|curator|dancer|data scientist|dentist|designer|developer|diplomat|director|diver|doctor|driver|economist|"
    "editor|electrician|engineer|estate agent|farmer|film ?maker|firefighter|fisherman|flight attendant|florist|"
    "gardener|geologist|glazier|goldsmith|graphic designer|guide|hairdresser|historian|illustrator|instructor|"
    "interpreter|investigator|janitor|jeweller|joiner|journalist|judge|lab technician|lawyer|lecturer|librarian|"
    "locksmith|luthier|machinist|manager|marketer|masseuse|mechanic|midwife|miner|model|musician|nanny|notary|novelist|"
    "nurse|nutritionist|officer|optician|painter|paralegal|paramedic|pastor|pharmacist|philosopher|photographer|"
    "physician|physicist|physiotherapist|pianist|pilot|plumber|poet|policeman|police officer|policewoman|politician|"
    "porter|postman|potter|priest|producer|professor|programmer|project manager|psychologist|psychiatrist|publisher|"
    "radiographer|ranger|realtor|receptionist|recruiter|researcher|roofer|sailor|salesman|saleswoman|scientist|"
    "sculptor|secretary|shop assistant|singer|social worker|soldier|solicitor|statistician|student|surgeon|surveyor|"
    "tailor|taxi driver|teacher|technician|therapist|tiler|tour guide|trader|trainer|translator|tutor|undertaker|"
    "upholsterer|vet|veterinarian|waiter|waitress|watchmaker|weaver|welder|writer|zookeeper|\\w+ologist|"
    "\\w+smith|\\w+mason|\\w+maker|\\w+keeper|\\w+trician|\\w+ographer|\\w+wright|\\w+monger|pa?ediatrician|"
    "illustrator|piano tuner"
)
_LANGUAGE = (
    "afrikaans|albanian|arabic|armenian|bengali|bulgarian|cantonese|catalan|croatian|czech|danish|dutch|"
    "english|estonian|"
    "farsi|finnish|french|gaelic|georgian|german|greek|hebrew|hindi|hungarian|icelandic|indonesian|irish|italian|"
    "japanese|korean|latin|latvian|lithuanian|malay|mandarin|chinese|norwegian|persian|polish|portuguese|punjabi|"
    "romanian|russian|serbian|slovak|slovenian|somali|spanish|swahili|swedish|tamil|thai|turkish|ukrainian|urdu|"
    "vietnamese|welsh|yiddish|sign language|python|java|javascript|typescript|rust|haskell|sql|kotlin|swift"
)
_ILLNESS = (
    "asthma|diabetes|(?:type \\w+ )?diabetes|migraines?|epilepsy|eczema|hay ?fever|arthritis|anaemia|"
    "anemia|adhd|autism|"
    "depression|anxiety|insomnia|psoriasis|high blood pressure|low blood pressure|coeliac disease|celiac disease|"
    "crohn['’]?s(?: disease)?|ibs|tinnitus|vertigo|sciatica|lupus|endometriosis|dyslexia|"
    "a heart condition|sleep apno?ea|"
    "parkinson['’]?s(?: disease)?|glaucoma|gout|a bad (?:back|knee|hip|shoulder)|a pacemaker|cancer|hypothyroidism"
)
_DIET = (
    r"vegan|vegetarian|pescatarian|flexitarian|gluten[- ]free|dairy[- ]free|keto|halal|kosher|teetotal|a teetotall?er"
)
_PLAY = (
    "piano|guitar|violin|cello|drums|flute|clarinet|saxophone|trumpet|trombone|harp|viola|ukulele|accordion|bass|oboe|"
    "banjo|mandolin|organ|tennis|football|soccer|ice hockey|field hockey|futsal|netball|lacrosse|bassoon|"
    "double bass|keyboard|recorder|basketball|volleyball|badminton|squash|golf|rugby|"
    "hockey|chess|cricket|"
    "handball|padel|baseball|water polo|table tennis|bridge|poker|darts|pool"
)
_PET = (
    "dogs?|cats?|pupp(?:y|ies)|kittens?|rabbits?|parrots?|hamsters?|horses?|tortoises?|turtles?|goldfish|"
    "chickens|budgies?"
)
_OWNABLE = (
    "car|van|bike|bicycle|motorbike|motorcycle|boat|house|flat|apartment|cabin|cottage|camper ?van|"
    "caravan|scooter|truck|"
    "allotment|piano|guitar|violin|laptop|telescope|camera|kayak|canoe|tesla|volvo|toyota|skoda|vespa|farm|bakery|shop|"
    "e-?bike|cargo bike|kiln|loom|sewing machine|3d printer|record player"
)
# Where an object ends.
_END = r"""
        (?=[,;:()]|\s+(?:and (?:i|we|he|she|they|my|am|is|have|has|it)\b|but|because|since|when|while|where|
        for (?:a|an|about|over|two|three|four|five|six|seven|eight|nine|ten|\d|many|years|months|my|the|now|
        ages|so|almost|work)|now|right now|these days|anymore|any more|lately|again|(?:last|this|
        next) (?:\w+)|in (?:january|february|march|april|may|june|july|august|september|october|november|
        december|spring|summer|autumn|fall|winter|the (?:morning|evening|end|spring|summer|autumn|fall|
        winter)|\d{4})|on (?:mon|tues|wednes|
        thurs|fri|satur|sun)days?|(?:a|an|one|two|three|four|five|six|\d+|a few|several) (?:day|week|month|
        year)s? ago|yesterday|today|tomorrow|tonight|already|too|as well|instead|so|after|before|until|
        though|although|which|who|to be (?:near|closer)|ever since|with (?:my|our|his|her|their|a)\b|
        from (?:home|monday)|every|each|as (?:of|a|an|the)|thanks to|due to|at (?:all|the moment|night|
        weekends)|if|than|by (?:the way|now)|over (?:the|a))\b|$)
    """
_O = rf"(?P<o>[^,;:()]+?){_END}"
_ON = rf"(?P<o>{_NAME})"
_GONE = r"""
    (?:left|quit|resigned from|retired from|(?:got|was|were|been) (?:fired|let go|laid off) (?:from|by)|
    handed in my notice at|finished at)
"""


# predicate, what follows the subject.  The first that fits counts; (?P<f>) is what the object takes the place of.
FORMS = tuple(
    (predicate, compiled(rf"^(?:{pattern})", re.IGNORECASE if lower else 0))
    for predicate, pattern, lower in (
        (
            "lives in",
            rf"""
                {_HAVE}(?:moved|relocated|emigrated|come back|came back|gone back|went back|
                settled)(?: (?:back|over|out|down|up|house|home))*(?: from (?P<f>{_NAME}?))? (?:to|
                in) (?P<o>{_NAME})(?: from (?P<f2>{_NAME}))?
            """,
            False,
        ),
        ("lives in", rf"(?:swapped|traded|exchanged) (?P<f>{_NAME}?) for {_ON}", False),
        ("address", r"(?:live|lives|living) at (?P<o>\d+ [A-Z].+)$", False),
        ("lives in", rf"(?:have|has) been (?:living )?in {_ON} (?:for|since)\b", False),
        ("birthday", r"was born on (?P<o>(?:the )?\d[^,]+|[A-Z]\w+ \d.*?)$", False),
        ("height", r"(?:am|is) (?P<o>\d[.,]\d+ ?m|\d{3} ?cm|\d (?:foot|feet|ft) ?\d*)(?: tall)?\b", True),
        ("shoe size", r"(?:wear|wears|take|takes) (?:a )?(?:shoe )?size (?P<o>\d+(?:[.,]\d)?)", True),
        ("blood type", r"(?:have|has) (?:blood (?:type|group) )(?P<o>\w+(?: (?:positive|negative))?)", True),
        ("pronouns", r"(?:use|uses|go by|goes by) (?:the pronouns )?(?P<o>\w+/\w+(?:/\w+)?)", True),
        ("native language", r"(?:am|is) a native (?P<o>\w+) speaker", True),
        ("star sign", r"""
            (?:am|is) an? (?P<o>Aries|Taurus|Gemini|Cancer|Leo|Virgo|Libra|Scorpio|Sagittarius|
            Capricorn|Aquarius|Pisces)\b
        """, False),
        ("prefers", r"(?:like|likes|love|loves|enjoy|enjoys) (?P<o>[^,;:()]+?) (?:better|more) than (?P<f>.+)$", True),
        (
            "lives in",
            rf"""
                (?:{_BE} |have |has )?(?:live|lives|lived|living|based|residing|reside|resides|settled|
                at home)(?: out| over| up| down| back)? (?:in|near|at|on) {_ON}
            """,
            False,
        ),
        ("comes from", rf"""
            (?:{_BE} |come |comes )(?:originally )?from {_ON}|was born (?:and raised )?in (?P<o2>{_NAME})|
            grew up in (?P<o3>{_NAME})
        """, False),
        ("works at", rf"{_GONE} (?:(?:my|the|his|her) job (?:at|with) )?(?P<over>{_NAME})(?: for {_ON})?", False),
        (
            "works at",
            rf"""
                (?:{_BE} )?(?:work|works|worked|working|
                employed)(?: full[- ]time| part[- ]time| remotely)? (?:at|for|with|by) (?!the moment|home|
                night|weekends|a living|years|hours|\d)(?:the )?{_O}
            """,
            True,
        ),
        (
            "works at",
            rf"""
                {_HAVE}(?:joined|started (?:work |working |a (?:new )?job |a (?:new )?position )?(?:at|with|
                for)|(?:got|found|took|landed|accepted|have|has|start|begin|began) (?:a|the|my) (?:new |
                first )?(?:job|position|role|post|offer) (?:at|with|from)|(?:was|were|been|got) hired (?:by|
                at)|moved over to) (?P<o>{_NAME})
            """,
            False,
        ),
        (
            "works as",
            rf"""
                (?:(?:{_BE} )?(?:work|works|worked|working) as|{_HAVE}(?:became|become|(?:was |got |
                been )?promoted to|started as|retrained as|qualified as|trained as)|{_HAVE}got (?:a|
                the) job as) (?:a |an |the )?{_O}
            """,
            True,
        ),
        ("works as", rf"""
            (?:{_BE} )(?:a |an |the )(?P<o>(?:[\w-]+ ){{0,2}}(?:{_JOB}))\b(?! (?:of|in the)\b)(?: (?:at|for|
            with) (?P<employer>(?-i:(?:the )?{_NAME})))?
        """, True),
        ("allergic to", rf"{_BE} (?:severely |badly |deathly |mildly |highly )?(?:allergic|intolerant) to {_O}", True),
        ("allergic to", rf"(?:have|has|developed) (?:a |an )?(?:\w+ )?(?:allergy|intolerance) to {_O}", True),
        ("allergic to", rf"""
            (?:have|has|suffer from|suffers from|developed) (?:a |an )?(?:severe |bad |serious |
            mild )?(?P<o>[a-z]+(?: [a-z]+)?) (?:allergy|allergies|intolerance){_END}
        """, True),
        ("allergic to", rf"{_BE} (?P<o>lactose|gluten|fructose|histamine)[- ]intolerant", True),
        ("avoids", rf"can not (?:eat|have|tolerate|drink) {_O}", True),
        ("diet", rf"""
            (?:{_BE}|{_HAVE}(?:became|become|went|gone|turned)) (?:a |an )?(?:strict |
            lifelong )?(?P<o>{_DIET})(?![\w-])
        """, True),
        ("has", rf"""
            (?:have|has|suffer from|suffers from|(?:was|were|been|got) diagnosed with|live with|
            lives with) (?P<o>{_ILLNESS})(?![\w-])
        """, True),
        ("takes", r"""
            (?:take|takes|am taking|is taking|am on|is on|was put on|was prescribed|
            got prescribed) (?P<o>[a-z]+(?:in|ol|ine|ide|one|pril|tan|zole|mab|statin|ium|xine|pam|cillin|
            profen|ril|ate|pine))(?: .*)?$
        """, True),
        ("age", rf"(?:{_BE}|turned) (?P<o>\d{{1,3}})(?: years? old| years? of age)?{_END}", True),
        ("married to", rf"(?:{_BE} married to|{_HAVE}(?:got )?married(?: to)?|married) (?P<o>{_NAME})", False),
        ("status", rf"(?:{_BE}|{_HAVE}got) (?P<o>single|divorced|widowed|engaged|married|separated)(?![\w-])", True),
        ("pet", rf"""
            (?:have|has|own|owns|have got|has got|got|adopted|have adopted|has adopted|bought|keep|keeps|
            rescued) (?P<o>(?:a|an|two|three|four|\d) (?:[\w-]+ ){{0,3}}(?:{_PET}))(?:,? (?:called|
            named) (?P<n>[\w-]+(?: and [\w-]+)?))?{_END}
        """, True),
        ("drives", rf"drives? (?:a|an) {_O}", True),
        ("owns", rf"""
            {_HAVE}(?:own|owns|bought|got myself|treated myself to|inherited) (?:a|an|my first|our first|
            my own) (?P<o>(?:[\w-]+ ){{0,3}}(?:{_OWNABLE}))(?![\w-])
        """, True),
        ("owns", rf"""
            {_HAVE}(?:sold|gave away|got rid of|scrapped|totalled) (?:my|our|
            the) (?P<over>(?:[\w-]+ ){{0,3}}(?:{_OWNABLE}))(?![\w-])
        """, True),
        ("learns", rf"""
            (?:{_BE} )?(?:learn|learns|learning|studying|taking lessons in|started learning|
            started) (?P<o>(?:{_LANGUAGE})|(?:the )?(?:{_PLAY}))(?![\w-])
        """, True),
        ("speaks", r"""
            speaks? (?:fluent |some |good |a bit of |
            a little )?(?P<o>[A-Z]\w+(?:(?:, | and (?:a bit of )?|, and )[A-Z]\w+)*)
        """, False),
        ("speaks", rf"""
            (?:speaks?|{_BE} fluent in|{_BE} bilingual in|grew up speaking|know|knows) (?:fluent |some |
            good |a bit of |a little )?(?P<o>(?:{_LANGUAGE})(?:(?:, | and |, and )(?:{_LANGUAGE}))*)
        """, True),
        ("plays", rf"""
            (?:{_BE} )?(?:play|plays|playing|took up|have taken up|has taken up|
            picked up) (?:the )?(?P<o>{_PLAY})(?![\w-])
        """, True),
        ("studies", rf"""
            (?:{_BE} )?(?:study|studies|studying|majoring in|doing a (?:degree|master['’]?s|
            phd) in) (?P<o>[a-z ]+?)(?: at (?P<at>{_NAME}))?{_END}
        """, True),
        ("studies at", rf"""
            {_BE} a (?:\w+ )?student at {_ON}|(?:goes|go|went) to (?:university|college|uni|school) (?:in|
            at) (?P<o2>{_NAME})
        """, False),
        ("called", rf"""
            (?:go|goes) by (?:the name )?{_ON}|{_BE} (?:called|known as|named) (?P<o2>{_NAME})|
            {_BE} short for (?P<o3>{_NAME})
        """, False),
        ("switch", rf"""
            {_HAVE}(?:switched|changed|moved|went|swapped|converted|
            gone over)(?: over)? from (?P<f>.+?) to {_O}
        """, True),
        ("dislikes", rf"""
            (?:hate|hates|dislike|dislikes|loathe|loathes|detest|detests|despise|despises|can not (?:stand|
            bear)|am not (?:a (?:big |huge )?fan of|into|fond of|keen on)|is not (?:a (?:big |huge )?fan of|
            into|fond of|keen on)) {_O}
        """, True),
        ("prefers", rf"""
            prefers? {_O.replace('+?)', '+?)(?: (?:to|over|rather than|instead of) (?P<f>[^,;:()]+?))?')}
        """, True),
        ("likes", rf"""
            (?:like|likes|love|loves|enjoy|enjoys|enjoying|adore|adores|{_BE} (?:into|a (?:big |
            huge )?fan of|fond of|obsessed with|keen on|crazy about|mad about|hooked on)|fell in love with|
            got into|have got into) {_O}
        """, True),
        ("drinks", rf"""
            (?:drink|drinks|drinking|{_HAVE}switched to drinking) (?:a lot of |lots of |plenty of |only |
            mostly )?{_O}
        """, True),
        ("eats", rf"""
            (?:eat|eats|eating) (?:a lot of |lots of |plenty of |only |mostly )?(?P<o>meat|fish|pork|beef|
            dairy|gluten|sugar|eggs|seafood|shellfish|bread|chocolate|red meat|cheese){_END}
        """, True),
        ("plays", r"""
            (?:play|plays|playing) the (?!game|market|odds|role|part|victim|song|fool|long|lottery|
            waiting)(?P<o>[a-z]+(?: [a-z]+)?)(?: in .*)?$
        """, True),
        ("learns", rf"""
            (?:{_BE} )?(?:teaching (?:myself|himself|herself)|taking|started learning|
            learning) (?:the )?(?P<o>{_LANGUAGE}|{_PLAY})(?: lessons)?{_END}
        """, True),
        ("avoids", rf"(?:avoid|avoids) {_O}", True),
        ("eats", rf"""
            (?:eat|eats|eating) (?:only )?(?!out\b|lunch|dinner|breakfast|at\b|in\b|it\b|like|a lot$|
            too\b|healthy|well\b){_O}
        """, True),
        ("takes", r"""
            taking (?P<o>[a-z]+(?:in|ol|ine|ide|one|pril|tan|zole|statin|ium|pam|cillin|profen|ate|
            pine))\b
        """, True),
        ("uses", rf"(?:use|uses|am using|is using|using) (?P<o>{_NAME}(?:(?: and |, ){_NAME})*)", False),
        ("pet", rf"""
            (?:adopted|rescued|got|have adopted|has adopted) (?P<o>an? [a-z]+(?: [a-z]+)?) (?:called|
            named) (?P<n>{_NAME})
        """, False),
        ("studies at", rf"(?:{_BE} enrolled at|(?:go|goes) to) (?P<o>{_NAME}(?: [Uu]niversity| [Cc]ollege)?)", False),
        ("smokes", rf"(?P<o>smokes?|smoking|vaping|vapes?){_END}", True),
        ("habit", r"""
            (?P<o>(?:go|goes|run|runs|swim|swims|meditate|meditates|do|does|play|plays|take|takes|walk|
            walks|cycle|cycles|bake|bakes|volunteer|volunteers|train|trains|call|calls|visit|visits|have|
            has|attend|attends|teach|teaches|read|reads|cook|cooks)\b[^,;:()]*? (?:every|each|once a|
            twice a|three times a|on) (?:[\w-]+ ){0,2}(?:day|week|month|year|morning|evening|night|
            afternoon|weekend|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?))
        """, True),
        ("plans", rf"(?:{_BE} planning to|plans? to|have decided to|has decided to) (?P<o>[a-z]+ [^,;:()]*)", True),
        ("plans", rf"""
            (?:{_BE} (?:going|planning) to|plans? to|will) (?P<o>(?:move|start|travel|visit|marry|study|
            retire|run|buy|quit|fly|go|take|sell|begin|learn|open|spend|adopt|get married)\b[^,;:()]*)
        """, True),
    )
)  # fmt: skip
ATTRIBUTES = compiled(
    rf"""
        ^(?P<a>{ATTRIBUTE}) (?:is|are|was|will be|has changed to|changed to|has been|
        is called)(?: now| called)? (?P<o>.+)$
    """,
    re.IGNORECASE,
)
PERSON = compiled(
    rf"""
        \b(?i:my|our) (?i:older |younger |little |big |elder |eldest |youngest |twin |half-|new |best |
        old )?(?P<r>(?i:{RELATION})),? (?:(?i:is called|is named|called|named) |(?:['’]s name (?:is|
        was) ))?(?P<n>(?:(?:Dr|Mr|Mrs|
        Ms)\.? )?[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)?)\b(?!['’]s (?:place|house|friend|
        birthday|name))
    """
)
HAS_PERSON = compiled(
    rf"""
        ^(?:have|has|have got|has got) (?:a|an|one|two|three|four|\d) (?:older |younger |little |big |
        elder |twin |half-)?(?P<r>(?!dog|cat|pupp|kitten|rabbit|parrot|hamster|horse|tort|turt|
        goldf){RELATION})s?(?:,? (?:called|named) |
        , )?(?P<n>[A-ZÀ-ÖØ-Þ][\w'’-]+(?:(?:,| and|, and) [A-ZÀ-ÖØ-Þ][\w'’-]+)*)?
    """,
    re.IGNORECASE,
)
IS_PERSON = compiled(
    rf"""
        ^(?P<n>(?:(?:Dr|Mr|Mrs|Ms)\.? )?[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)?)(?:,| (?:is|was)) (?i:my|
        our) (?i:older |
        younger |little |big |twin |new |best |old )?(?P<r>(?i:{RELATION}))\b(?! \w*['’]s)
    """
)
INTRODUCED = compiled(
    rf"^(?:(?i:i am) (?P<o>[A-ZÀ-ÖØ-Þ][a-zß-ÿ]+), \d\d\b|(?i:this is) (?P<o2>{_NAME})$)",
)
NO_OBJECT = compiled(
    r"""
        ^(?:it|that|this|you|him|her|them|me|us|what|how|when|where|who|to (?:hear|see|know|think|say|be|
        have|get|hang|chat)|your|seeing|hearing|talking|being|the (?:way|idea|thought|sound|fact|look|
        feeling)|everything|nothing|something|anything|someone|one|so|there|here|those|these|all|both|each|
        every|such|spending|getting|having)\b
    """,
    re.IGNORECASE,
)  # fmt: skip
NOT_MEANT = compiled(
    r"(?:mornings|mondays|work|homework|drama|exercise|stupid\w*|commitment|small talk|people|bullshit|nonsense|"
    r"meetings|housework|cooking|effort|sports?)$",
    re.IGNORECASE,
)
TRAILING = compiled(
    r"""
        (?:^(?:the|a|an|my|some|on|drinking|eating|playing|a bit of|a lot of) )|[ .,!]+$|\s+(?:now|too|a lot|
        very much|so much|
        the most|best|either|at all|now that|full[- ]time|part[- ]time|tbh|btw|lol|at home|though|mostly|
        as a (?:job|hobby)|for (?:fun|breakfast|lunch|dinner))$
    """,
    re.IGNORECASE,
)

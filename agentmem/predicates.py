"""
The predicates: what people say of themselves and of each other.
"""

# Of one subject only one object can hold: a later one takes the place of an earlier.
_ONE = """
    lives in|works at|works as|studies|studies at|comes from|age|married to|status|diet|name|birthday|address|phone|
    email|pronouns|native language|blood type|shoe size|height|star sign|drives|mother|father|mom|mum|dad|wife|husband|
    partner|girlfriend|boyfriend|boss|manager|landlord|landlady|dentist|doctor|therapist|prefers
"""
SINGLE = frozenset(each.strip() for each in _ONE.split("|"))
OPPOSITE = {"likes": "dislikes", "dislikes": "likes"}  # what one says, the other denies

# Nouns for what somebody is to somebody.
_NOUNS = """
    mother|mom|mum|father|dad|sister|brother|sibling|wife|husband|partner|girlfriend|boyfriend|fiancée|fiance|daughter|
    son|child|kid|baby|aunt|uncle|cousin|niece|nephew|grandmother|grandma|gran|nan|grandfather|grandpa|granddad|
    mother-in-law|father-in-law|sister-in-law|brother-in-law|stepmother|stepfather|stepsister|stepbrother|boss|manager|
    colleague|coworker|co-worker|assistant|friend|best friend|flatmate|roommate|housemate|neighbour|neighbor|landlord|
    landlady|doctor|dentist|therapist|teacher|tutor|coach|trainer|lawyer|accountant|ex|ex-wife|ex-husband|dog|cat|puppy|
    kitten|rabbit|parrot|hamster|horse|tortoise|turtle|goldfish
"""
# The longest first: "mother-in-law" is not "mother".
RELATIONS = tuple(sorted((each.strip() for each in _NOUNS.split("|")), key=lambda noun: (-len(noun), noun)))

SAID, TOLD, MENTIONED = 0.9, 0.6, 0.8  # how sure a claim is: said of oneself, by another, in passing

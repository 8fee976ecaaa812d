"""
The predicates: what people say of themselves and of each other.
"""

# Of one subject only one object can hold: a later one takes the place of an earlier.
_ONE = """
    lives in|works at|works as|studies|studies at|comes from|age|status|diet|name|birthday|address|phone|email|pronouns|
    native language|blood type|shoe size|height|star sign|drives|mother|father|wife|husband|partner|girlfriend|
    boyfriend|boss|landlord|dentist|doctor|therapist|prefers
"""
SINGLE = frozenset(each.strip() for each in _ONE.split("|"))


def single(predicate: str) -> bool:
    """Return whether only one object of *predicate* can hold of a subject."""
    return predicate in SINGLE or predicate.startswith("favourite ")


STATES = ("holds", "ended", "denied")
SURE = 0.9  # confidence of what is said once, however plainly
HINT = 0.63  # below this confidence a claim casts doubt on what is known, and is not known itself
OPPOSITE = {"likes": "dislikes", "dislikes": "likes"}  # what one says, the other denies
COUPLES = frozenset(["partner", "girlfriend", "boyfriend", "wife", "husband"])  # one person, whatever he is called
TASTES = frozenset(["likes", "dislikes", "eats", "drinks", "plays", "uses", "prefers", "habit"])
# What is to be minded in whatever somebody does.
GUIDING = frozenset(["prefers", "likes", "dislikes", "uses", "avoids", "allergic to", "diet", "speaks", "has", "takes"])
# What somebody does for himself: who likes painting need not be asked about every painting.
OWN = GUIDING | {"plays", "learns", "drinks", "eats", "habit", "owns", "drives", "pet", "name", "called"}

# What somebody is to somebody, and other words for it.
_NOUNS = """
    mother mom mum mommy mummy mam|father dad daddy|sister sis|brother bro|wife|husband hubby|
    partner fiancé fiancée fiance fiancee|girlfriend|boyfriend|son|daughter|child kid baby toddler|
    grandmother grandma gran granny nan nana|grandfather grandpa granddad grandad|aunt auntie aunty|uncle|cousin|niece|
    nephew|friend mate pal buddy bestie|flatmate roommate housemate|neighbour neighbor|boss manager supervisor|
    colleague coworker co-worker workmate teammate|teacher tutor coach trainer professor|doctor gp|dentist|
    therapist counsellor counselor psychologist|landlord landlady|ex ex-wife ex-husband ex-girlfriend ex-boyfriend|
    mother-in-law|father-in-law|sister-in-law|brother-in-law|stepmother stepmum stepmom|stepfather stepdad|
    stepsister|stepbrother|stepson|stepdaughter|godmother|godfather
"""
RELATION = {noun: words.split()[0] for words in _NOUNS.split("|") for noun in words.split()}  # every word → the first
RELATIONS = frozenset(RELATION.values())
FORMER = frozenset(["old", "former", "ex", "previous", "last", "late"])
# One person may be several of these to somebody; who is of the family is nothing else.
MET = frozenset(
    ["friend", "colleague", "boss", "neighbour", "flatmate", "partner", "girlfriend", "boyfriend", "teacher"]
)

# What one asks for by a predicate, in words that questions have; of those without, the predicate itself says it.
ASKED = {
    "lives in": "where do I live, my home, town, city, place of residence",
    "works at": "where do I work, my employer, company, workplace, who do I work for",
    "works as": "what is my job, profession, occupation, what do I do for a living",
    "studies": "what do I study, my subject, degree, major",
    "studies at": "where do I study, my school, university, college",
    "comes from": "where am I from, my origin, where I was born and grew up",
    "age": "how old am I, my age",
    "status": "am I married, single, divorced, my marital status",
    "diet": "how do I eat, my diet, vegan, vegetarian, food restrictions, cook a dinner for me",
    "allergic to": "what am I allergic to, my allergies, food that is dangerous for me",
    "avoids": "what do I not eat or drink, food to leave out",
    "has": "what illness do I have, my diagnosis, disease",
    "takes": "my medication, medicine, pills that I take",
    "drinks": "what do I drink, my usual drink, order me a drink",
    "eats": "what do I eat, my breakfast, usual food",
    "drives": "what do I drive, my car, vehicle",
    "pet": "my pets, dog, cat, animal at home, what is it called",
    "owns": "what do I own, my possessions",
    "uses": "which tools, devices and software do I use",
    "plays": "which instrument, sport or game do I play, my hobby, music",
    "speaks": "which languages do I speak",
    "learns": "what am I learning, a language, a skill",
    "likes": "what do I like, love, enjoy, my interests and tastes",
    "dislikes": "what do I dislike, hate, cannot stand",
    "prefers": "what do I prefer, my preference",
    "habit": "my habits, routine, what I do every day or week",
    "plans": "my plans, what I am going to do",
    "name": "what is my name",
    "called": "my nickname, what people call me",
}

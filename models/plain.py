"""
Plain sentences: how everybody says it, with leads and tails.  Writers who are asked for variety leave these out.

`*` stands for a value; `{}` for a person who is not the speaker.
"""

import random
from collections.abc import Iterator

from marked import Sentence, joined, parse

HOLDS = {
    "lives in": [
        "I live in *",
        "I'm living in *",
        "we live in *",
        "I've lived in * since 2019",
        "I'm based in *",
        "my home is in *",
        "I moved to * last year",
        "I've moved to *",
        "we've just moved to *",
        "I'm now in *",
        "I still live in *",
        "I have been in * for ten years",
    ],
    "works at": [
        "I work at *",
        "I work for *",
        "I'm working at *",
        "I'm employed at *",
        "I've worked at * since 2018",
        "I joined * last month",
        "I got a job at *",
        "I started at *",
        "my employer is *",
        "I'm with *",
        "my job is at *",
    ],
    "works as": [
        "I'm a *",
        "I am a *",
        "I work as a *",
        "I'm working as a *",
        "my job is *",
        "I'm a * by trade",
        "I'm a freelance *",
        "I became a *",
        "I've been a * for years",
    ],
    "studies": ["I study *", "I'm studying *", "I'm doing a degree in *", "my major is *", "I'm reading *"],
    "studies at": ["I study at *", "I'm a student at *", "I go to *", "I'm enrolled at *"],
    "comes from": [
        "I come from *",
        "I'm from *",
        "I'm originally from *",
        "I was born in *",
        "I grew up in *",
        "born and raised in *",
    ],
    "age": ["I'm *", "I am * years old", "I just turned *", "I'm * now", "I'm aged *"],
    "status": ["I'm *", "I am *", "we're *"],
    "diet": [
        "I'm *",
        "I am *",
        "I've gone *",
        "I went * last year",
        "we're * at home",
        "I've been * for years",
        "I'm a *",
    ],
    "allergic to": [
        "I'm allergic to *",
        "I have a * allergy",
        "I've got an allergy to *",
        "I'm * intolerant",
        "I react badly to *",
        "I'm severely allergic to *",
    ],
    "avoids": [
        "I don't eat *",
        "I can't eat *",
        "I avoid *",
        "I don't touch *",
        "we don't eat *",
        "I never eat *",
        "no * for me",
        "I stay away from *",
    ],
    "has": ["I have *", "I've got *", "I suffer from *", "I was diagnosed with *", "I live with *"],
    "takes": ["I take *", "I'm on *", "I'm taking *", "I was put on *", "I take * every morning"],
    "drinks": ["I drink *", "I only drink *", "I drink * every day", "I mostly drink *", "my drink is *"],
    "eats": ["I eat *", "I eat * most days", "we eat a lot of *", "I have * for breakfast"],
    "drives": ["I drive a *", "I drive an old *", "we drive a *", "my car is a *", "I've got a *", "I bought a *"],
    "owns": ["I own a *", "we own a *", "I've got my own *", "I bought a *"],
    "uses": ["I use *", "I'm using *", "I work with *", "I do everything in *", "we use *"],
    "plays": ["I play *", "I play the *", "I'm playing the *", "I took up the *", "we play * on Sundays"],
    "speaks": ["I speak *", "I'm fluent in *", "we speak * at home", "I speak a bit of *", "I can speak *"],
    "learns": [
        "I'm learning *",
        "I'm learning the *",
        "I started learning *",
        "I take * lessons",
        "I'm teaching myself *",
    ],
    "likes": [
        "I like *",
        "I love *",
        "I absolutely love *",
        "I really like *",
        "I enjoy *",
        "I adore *",
        "I'm into *",
        "I'm a fan of *",
        "I'm a huge fan of *",
        "we love *",
    ],
    "dislikes": [
        "I don't like *",
        "I dislike *",
        "I hate *",
        "I can't stand *",
        "I detest *",
        "I'm not a fan of *",
        "I don't really like *",
        "I'm not keen on *",
        "we hate *",
    ],
    "prefers": ["I prefer *", "I'd always take *", "I prefer * any day"],
    "favourite colour": ["my favourite colour is *", "* is my favourite colour", "my favorite color is *"],
    "favourite food": ["my favourite food is *", "* is my favourite dish", "my favorite meal is *"],
    "favourite film": ["my favourite film is *", "* is my favourite movie"],
    "favourite book": ["my favourite book is *"],
    "favourite band": ["my favourite band is *", "* is my favourite band"],
    "favourite season": ["my favourite season is *"],
    "favourite sport": ["my favourite sport is *"],
    "favourite drink": ["my favourite drink is *"],
    "favourite place": ["my favourite place is *"],
    "favourite animal": ["my favourite animal is the *"],
    "name": ["I'm *", "my name is *", "this is *", "hi, I'm *", "* here", "I am called *"],
    "called": ["everyone calls me *", "call me *", "I go by *", "my nickname is *"],
    "birthday": ["my birthday is *", "I was born on *", "my birthday is on *"],
    "pronouns": ["I use * pronouns", "my pronouns are *", "* for me please"],
    "height": ["I'm * tall", "I am *", "my height is *"],
    "shoe size": ["I wear size *", "my shoe size is *", "shoe size *"],
    "blood type": ["my blood type is *", "I'm blood type *"],
    "native language": ["my native language is *", "I'm a native * speaker", "my mother tongue is *"],
    "star sign": ["I'm a *", "my star sign is *"],
    "email": ["my email is *", "you can reach me at *", "send it to *, that's mine"],
    "phone": ["my number is *", "you can call me on *", "text me at *"],
    "address": ["my address is *", "we live at *", "I live at *"],
    "sister": [
        "my sister is called *",
        "my sister's name is *",
        "* is my sister",
        "my sister *",
        "I have a sister called *",
    ],
    "brother": ["my brother is called *", "my brother's name is *", "* is my brother", "my brother *"],
    "wife": ["my wife is called *", "my wife *", "my wife's name is *"],
    "husband": ["my husband is called *", "my husband *"],
    "partner": [
        "my partner is called *",
        "I'm married to *",
        "I married * in 2016",
        "my partner *",
        "I'm seeing *",
        "I'm engaged to *",
    ],
    "boss": ["my boss is *", "my boss is called *", "my manager is *", "my new boss is *", "* is my boss", "my boss *"],
    "friend": ["my friend *", "my best friend is *", "my friend is called *"],
    "neighbour": ["my neighbour *", "our neighbour is called *"],
    "mother": ["my mother is called *", "my mum *"],
    "father": ["my father is called *", "my dad *"],
    "son": ["our son *", "my son is called *"],
    "daughter": ["our daughter *", "my daughter is called *"],
    "aunt": ["my aunt *"],
    "uncle": ["my uncle *"],
    "cousin": ["my cousin *"],
    "niece": ["my niece *"],
    "nephew": ["my nephew *"],
    "doctor": ["my doctor is *", "my doctor *"],
    "dentist": ["my dentist is *", "my dentist *"],
    "colleague": ["my colleague *"],
    "flatmate": ["my flatmate *", "my flatmate is called *"],
    "teacher": ["my teacher *"],
    "landlord": ["my landlord is *", "my landlord *"],
    "grandmother": ["my grandmother *"],
    "grandfather": ["my grandfather *"],
}
OVER = {
    "lives in": [
        "I used to live in *",
        "I lived in * for two years",
        "I no longer live in *",
        "we left *",
        "I don't live in * any more",
        "we moved away from *",
    ],
    "works at": [
        "I used to work at *",
        "I left *",
        "I quit my job at *",
        "I no longer work at *",
        "I worked at * until March",
        "* let me go",
    ],
    "works as": ["I used to be a *", "I'm no longer a *", "I was a * for years", "I stopped working as a *"],
    "diet": ["I'm no longer *", "I used to be *", "I'm not * any more", "I've stopped being *"],
    "drinks": ["I stopped drinking *", "I no longer drink *", "I gave up *", "I've quit *", "I don't drink * any more"],
    "eats": ["I stopped eating *", "I no longer eat *"],
    "likes": ["I no longer like *", "I used to like *", "I don't like * any more", "I went off *"],
    "dislikes": ["I used to hate *", "I don't mind * any more"],
    "plays": ["I used to play the *", "I stopped playing the *", "I gave up the *", "I no longer play *"],
    "drives": ["I sold my *", "I no longer drive the *", "I used to drive a *"],
    "owns": ["I sold my *", "I no longer own a *"],
    "partner": ["I broke up with *", "* and I split up", "I'm no longer with *", "* and I aren't together any more"],
    "boss": ["* is no longer my boss", "my old boss was *"],
    "uses": ["I stopped using *", "I no longer use *", "I used to use *"],
    "takes": ["I'm off *", "I stopped taking *"],
    "speaks": ["I used to speak *"],
    "studies": ["I used to study *", "I dropped out of *"],
}
NOT = {
    "diet": ["I'm not *", "I am not *"],
    "owns": ["I don't own a *", "I don't have a *"],
    "plays": ["I don't play the *", "I've never played the *"],
    "speaks": ["I don't speak *"],
    "lives in": ["I don't live in *", "I've never lived in *"],
    "works at": ["I don't work at *"],
    "works as": ["I'm not a *"],
    "status": ["I'm not *"],
    "drives": ["I don't drive a *"],
    "drinks": ["I don't drink *"],
    "allergic to": ["I'm not allergic to *"],
    "has": ["I don't have *"],
}
OF_OTHERS = {
    "lives in": ["{} lives in *", "{} moved to *", "{} is based in *", "{} is from here but lives in *"],
    "works at": ["{} works at *", "{} works for *", "{} got a job at *", "{} started at *"],
    "works as": ["{} is a *", "{} works as a *", "{} became a *"],
    "diet": ["{} is *", "{} is a *", "{} went *"],
    "allergic to": ["{} is allergic to *", "{} has a * allergy", "{} can't have * because of an allergy"],
    "avoids": ["{} doesn't eat *", "{} can't eat *", "{} avoids *"],
    "likes": ["{} likes *", "{} loves *", "{} adores *", "{} is into *", "{} enjoys *"],
    "dislikes": ["{} hates *", "{} dislikes *", "{} can't stand *", "{} doesn't like *", "{} detests *"],
    "plays": ["{} plays *", "{} plays the *"],
    "speaks": ["{} speaks *", "{} is fluent in *"],
    "drives": ["{} drives a *", "{} has a *"],
    "has": ["{} has *", "{} suffers from *"],
    "takes": ["{} takes *", "{} is on *"],
    "status": ["{} is *", "{} got *"],
    "age": ["{} is *", "{} turned *", "{} is * years old"],
    "uses": ["{} uses *"],
    "studies": ["{} studies *", "{} is studying *"],
    "studies at": ["{} goes to *", "{} studies at *"],
    "comes from": ["{} comes from *", "{} is from *", "{} grew up in *"],
    "drinks": ["{} drinks *"],
    "prefers": ["{} prefers *"],
    "learns": ["{} is learning *"],
    "owns": ["{} owns a *"],
    "called": ["{} goes by *", "everyone calls {} *", "{} is called * by everyone"],
    "birthday": ["{}'s birthday is *"],
    "favourite colour": ["{}'s favourite colour is *"],
}
OTHERS_OVER = {
    "lives in": ["{} left *", "{} used to live in *", "{} no longer lives in *"],
    "works at": ["{} left *", "{} no longer works at *", "{} used to work at *"],
    "diet": ["{} is no longer *"],
    "plays": ["{} quit playing the *", "{} stopped playing *"],
    "drinks": ["{} stopped drinking *"],
    "works as": ["{} used to be a *"],
}
TRAPS = [
    "I might move to <lives in>",
    "maybe I'll work at <works at> one day",
    "I'd love to live in <lives in>",
    "I wish I spoke <speaks>",
    "I could never be <diet>",
    "{} thinks I live in <lives in>",
    "{} believes I'm still <diet>",
    "{} says I should be a <works as>",
    "{} wonders whether I'm allergic to <allergic to>",
    "people keep telling me I'm a <works as>",
    "everyone assumes I like <likes>",
    "do I work at <works at>",
    "did I say I live in <lives in>",
    "should I learn <learns>",
    "unless I become <diet>, these recipes are useless",
    "if I drove a <drives>, I'd be faster",
    "suppose I moved to <lives in> and worked as a <works as>",
    "imagine I were a <works as>",
    "what if I hated <dislikes>",
    "I dreamt that I lived in <lives in>",
    "translate: I live in <lives in>",
    "write a story about a <works as> in <lives in>",
    "I considered working at <works at>",
    "I applied at <works at>",
    "I had an interview at <works at>",
    "I visited <lives in> last week",
    "we flew to <lives in> on Friday",
    "I tried <drinks> once",
    "I had <eats> last night",
    "I rented a <drives> on holiday",
    "someone offered me <drinks>",
    "I may give up <drinks>",
    "I'm thinking of going <diet>",
    "I'm not sure whether I like <likes>",
    "I think {} works at <works at>",
    "apparently {} lives in <lives in>",
    "{} might be allergic to <allergic to>",
    "maybe {} is <diet>",
    "does {} like <likes>",
    "is {} still at <works at>",
    "I heard that {} moved to <lives in>",
    "{} wants to be a <works as>",
    "book me a table in <lives in>",
    "how far is <lives in> from here",
    "is <allergic to> in this dish",
    "who founded <works at>",
    "explain <studies> to me",
    "a <works as> in a film said it",
    "I'd rather drink <drinks> than this",
    "I pretended to be a <works as>",
    "in the game I'm a <works as>",
    "as a joke I said I was <diet>",
    "I read that people in <lives in> love <likes>",
]
LEADS = [
    "",
    "",
    "",
    "",
    "just so you know, ",
    "by the way, ",
    "hi, ",
    "for context: ",
    "FYI ",
    "well, ",
    "actually, ",
    "as I said, ",
    "and ",
    "these days ",
    "honestly ",
    "please remember that ",
    "so ",
]
TAILS = [
    "",
    "",
    "",
    "",
    ".",
    ".",
    ".",
    ".",
    "!",
    ", so please keep that in mind",
    ", by the way",
    ", as you know",
    ", which helps",
    ". Any ideas?",
    ". What do you suggest?",
    " :)",
    ", though that may change",
    ", so leave it off the list",
    ". Thanks!",
    ", in case it matters",
    ", and that's that",
    ", honestly",
]
LINKS = [" and ", ", and ", " but ", ", but ", "; ", ". ", ", so "]
KIN = [
    "sister",
    "brother",
    "wife",
    "husband",
    "mother",
    "father",
    "son",
    "daughter",
    "boss",
    "friend",
    "neighbour",
    "cousin",
    "colleague",
    "flatmate",
    "aunt",
    "uncle",
    "niece",
    "nephew",
    "grandmother",
    "grandfather",
]
SAID = {
    "mother": ["mother", "mum", "mom"],
    "father": ["father", "dad"],
    "boss": ["boss", "manager"],
    "grandmother": ["grandmother", "gran"],
    "friend": ["friend", "best friend"],
}
EACH = 14  # sentences of every plain form


def plain(values: dict[str, list[str]], seed: int = 0) -> Iterator[Sentence]:
    """Yield EACH sentences of every form, with *values* by predicate."""
    made = _Plain(values, seed)
    for forms, state in ((HOLDS, ":"), (OVER, "~"), (NOT, "!"), (OF_OTHERS, ":"), (OTHERS_OVER, "~")):
        for predicate, texts in forms.items():
            for text in texts:
                for _ in range(EACH):
                    yield made.sentence(text, predicate, state)
    for text in TRAPS:
        for _ in range(EACH):
            yield made.finished(made.unmarked(text))


class _Plain:
    def __init__(self, values: dict[str, list[str]], seed: int) -> None:
        self.values, self.draw = values, random.Random(seed)

    def sentence(self, text: str, predicate: str, state: str) -> Sentence:
        clause = self.clause(text, predicate, state)
        if self.draw.random() < 0.3:
            other = self.draw.choice(list(HOLDS))
            more = self.clause(self.draw.choice(HOLDS[other]), other, ":")
            if self.draw.random() < 0.25:
                more = self.unmarked(self.draw.choice(TRAPS))
            pair = [clause, more] if self.draw.random() < 0.5 else [more, clause]
            clause = joined(*pair, self.draw.choice(LINKS))
        return self.finished(clause)

    def clause(self, text: str, predicate: str, state: str) -> Sentence:
        value = f"[{predicate}{state} {self.draw.choice(self.values[predicate])}]"
        return parse(text.replace("*", value).replace("{}", self.somebody() if "{}" in text else ""))

    def unmarked(self, text: str) -> Sentence:
        for predicate in self.values:
            text = text.replace(f"<{predicate}>", self.draw.choice(self.values[predicate]))
        who = [self.draw.choice(self.values["name"]), f"my {self.draw.choice(KIN)}"]
        return Sentence(text.replace("{}", self.draw.choice(who)), [], [])

    def somebody(self) -> str:
        name, kin = self.draw.choice(self.values["name"]), self.draw.choice(KIN)
        noun = self.draw.choice(SAID.get(kin, [kin]))
        return self.draw.choice([f"{{{name}}}", f"{{my {noun}}}", f"{{my {noun} [{kin}: {name}]}}", f"{{our {noun}}}"])

    def finished(self, clause: Sentence) -> Sentence:
        lead, tail = (Sentence(self.draw.choice(each), [], []) for each in (LEADS, TAILS))
        made = joined(joined(lead, clause, ""), tail, "")
        return made._replace(text=made.text[:1].upper() + made.text[1:]) if self.draw.random() < 0.85 else made

"""
Sentences by which the encoder tells what a text is about, and words that point there.  Data alone.

They stand for many: what is near to one of them in meaning is of their kind.
"""

from __future__ import annotations

TOPICS: dict[str, tuple[str, ...]] = {
    "health": (
        "I was diagnosed with diabetes last year.",
        "My doctor prescribed new medication for my blood pressure.",
        "I have had a chronic illness since I was a child.",
        "The blood test results came back and the tumour is benign.",
        "She had surgery and is recovering in hospital.",
        "I take insulin every morning.",
        "He has asthma and carries an inhaler.",
        "I am allergic to penicillin.",
        "I'm pregnant and the baby is due in June.",
        "My back pain is getting worse, so I see a physiotherapist.",
        "She has been sick with a fever and a cough.",
        "My cholesterol is too high and I take statins.",
        "The scan showed something in my spine.",
        "She wears a hearing aid.",
        "He is in a wheelchair since the accident.",
        "I have bipolar disorder and take lithium.",
    ),
    "sexuality": (
        "I am gay and came out to my parents.",
        "She is bisexual and has a girlfriend.",
        "We talked about our sex life and what we want in bed.",
        "He is transgender and started his transition.",
        "I watch porn more often than I would like.",
        "They have an open relationship and sleep with other people.",
        "I am attracted to other men.",
        "He cheated on her with somebody from work.",
        "I have a fetish that I am ashamed of.",
        "We sleep in separate beds and have no intimacy.",
    ),
    "religion": (
        "I am a practising Catholic and go to Mass on Sundays.",
        "She converted to Islam and fasts during Ramadan.",
        "We keep kosher and celebrate Passover.",
        "I lost my faith and am an atheist now.",
        "He prays in the mosque every Friday.",
        "My Buddhist teacher and the temple mean a lot to me.",
        "I read the Bible and believe in God.",
        "Our church group meets on Wednesdays.",
        "We light the candles for Shabbat and say the blessing.",
        "My family belongs to a strict religious community.",
    ),
    "politics": (
        "I voted for the Green party in the last election.",
        "He is a member of the Labour party and campaigns for them.",
        "I think the president's immigration policy is wrong.",
        "She joined the protest against the government.",
        "My uncle is a conservative and hates the left.",
        "I am active in the trade union and went on strike.",
        "We argued about abortion laws and gun control.",
        "She campaigned for the candidate.",
        "I want my country to be independent.",
    ),
    "finances": (
        "My salary is 52,000 a year before tax.",
        "I owe the bank eight thousand on my credit card.",
        "We took out a mortgage to buy the house.",
        "I am in debt and cannot pay the rent this month.",
        "My savings account has twelve thousand in it.",
        "She inherited money and invested it in shares.",
        "He went bankrupt and lost his pension.",
        "I asked my boss for a raise because I earn too little.",
        "The bailiff came because of unpaid bills.",
        "I cannot afford it, I live on benefits.",
    ),
    "distress": (
        "I feel so lonely since my wife died.",
        "I have been depressed for months and cannot get out of bed.",
        "Sometimes I think about killing myself.",
        "I am scared of my husband, he hits me.",
        "I had a panic attack and could not breathe.",
        "My divorce is breaking me and I cry every night.",
        "I feel worthless and nobody cares about me.",
        "I am drinking again and ashamed of it.",
        "I am overwhelmed, exhausted and at the end of my strength.",
        "I lost my job and I am desperate, I don't know how to go on.",
        "I am being bullied and feel helpless.",
        "I relapsed and started gambling again.",
        "My mother died last week and I am grieving.",
        "I cut myself when the anxiety gets too much.",
        "There is no point in living any more.",
        "I hurt myself again last night.",
        "I am a burden to everyone around me.",
        "He threatens me and I am afraid to go home.",
        "I was fired and do not know how to tell my family.",
        "Everybody laughs at me and nobody wants to be my friend.",
        "I am falling apart and nothing helps.",
        "I cannot sleep because of my debts and I am afraid of every letter.",
        "My child is seriously ill and I cannot stop crying.",
    ),
}

# One of these words, and a text need not be as near.
TOPIC_WORDS: dict[str, str] = {
    "health": r"diagnos\w*|doctors?|medic\w+|pills?|tablets?|hospital\w*|surger\w+|symptom\w*|cancer\w*|tumou?rs?"
    r"|diabet\w+"
    r"|asthma\w*|allerg\w+|illness\w*|disease\w*|disabilit\w+|pregnan\w+|miscarriage|hiv|adhd|autis\w+|epilep\w+"
    r"|migraines?"
    r"|blood pressure|therap\w+|insulin|chemo\w*|vaccin\w+|infection\w*|injur\w+|arthritis|dementia|clinic\w*"
    r"|antibiotic\w*",
    "sexuality": r"sex\w*|gay|lesbian|bisexual|homosexual\w*|queer|transgender|trans (?:man|woman)|nonbinary"
    r"|non-binary|porn\w*"
    r"|orgasm\w*|erect\w+|libido|condoms?|came out|coming out|fetish\w*|polyamor\w+|asexual|affair",
    "religion": r"church\w*|mosque\w*|synagogue\w*|temple|god|jesus|christ\w*|catholic\w*|protestant\w*|muslim\w*"
    r"|islam\w*|jewish"
    r"|jews?|hindu\w*|buddhis\w+|atheis\w+|agnostic\w*|bible|quran|koran|torah|pray\w*|faith|baptis\w+|ramadan"
    r"|kosher|halal"
    r"|priest|imam|rabbi|pastor|worship\w*|religio\w+|sikh\w*|mormon\w*",
    "politics": r"vot(?:e|es|ed|ing|er)|elections?|party member|democrats?|republicans?|labour party|conservatives?"
    r"|socialis\w+"
    r"|communis\w+|liberals?|left-wing|right-wing|politic\w*|president|prime minister|parliament|protest\w*"
    r"|demonstrat\w+"
    r"|government|union|activis\w+|immigration|abortion|brexit|campaign\w*|senator|congress\w*",
    "finances": r"salar\w+|income|wages?|debts?|loans?|mortgage\w*|savings|bank\w*|invest\w+|pension\w*|bankrupt\w*"
    r"|credit card"
    r"|overdraft|tax(?:es)?|inherit\w+|rent|owe[sd]?|afford|earn(?:s|ed)?|shares|stocks|crypto|bitcoin|alimony|budget",
    "distress": r"depress\w+|suicid\w+|kill (?:my|him|her)self|lonely|loneliness|hopeless\w*|worthless|helpless\w*"
    r"|desperate|despair"
    r"|anxi\w+|panic\w*|griev\w+|grief|abus\w+|hits me|beat(?:s|en)? me|self-harm\w*|cut(?:ting)? myself|cr(?:y|ies"
    r"|ying|ied)"
    r"|overwhelmed|burn(?:ed|t)? ?out|trauma\w*|addict\w+|relaps\w+|died|passed away|funeral|bullie[sd]|bullying"
    r"|ashamed"
    r"|afraid|scared|terrified|miserable|can'?t go on|end it all|broke down|divorce\w*|nightmares?|evict\w+"
    r"|homeless\w*",
}

# Everyday questions about things that have nothing to do with each other: what is near to many of them is near to all.
PROBES: tuple[str, ...] = (
    "Where does she live?",
    "What should I cook tonight?",
    "When is my dentist appointment?",
    "Which car did he buy?",
    "How do I fix the printer?",
    "What is the name of the dog?",
    "Who won the match yesterday?",
    "What was the budget of the project?",
    "Which book did you recommend?",
    "What medicine does my father take?",
    "When does the train leave?",
    "What did the landlord say about the heating?",
    "Which programming language do we use?",
    "What do the kids want for Christmas?",
    "How was the concert?",
    "Where did we go on holiday?",
    "What is my sister's phone number?",
    "What is the weather like in Oslo?",
    "Which plants need water?",
    "How much did the sofa cost?",
    "What did the teacher say about homework?",
    "Which film did we watch on Sunday?",
    "What colour is the kitchen?",
    "How many steps did I walk?",
)

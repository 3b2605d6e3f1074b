"""Language: a guess from the commonest words and the script, and only where it is sure."""

import re

_LATIN = {
    "en": "the of and to in that is was for with has on said be by as from it are his",
    "de": "der die und das den von zu mit ist im nicht für auf des sich dem ein eine auch hat",
    "fr": "le la les des et du une est dans que pour qui sur par au pas plus sont avec ce",
    "es": "el la los las de que y en un una del por con para se su al es lo más",
    "it": "il la di che e del per un una della è in le nel con si dei non alla gli",
    "pt": "o os que de do da em uma um para com não no na por dos mais as ao foi",
    "nl": "de het een van en in dat is op te voor met zijn niet aan er om die ook door",
    "sv": "och att det som en på är av för med den till inte om ett har de jag från vid",
}
_COMMON = {code: frozenset(words.split()) for code, words in _LATIN.items()}
_SCRIPTS = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[ыэъё]")),
    ("uk", re.compile("[іїєґ]")),
    ("el", re.compile("[α-ω]")),
    ("fa", re.compile("[پچژگ]")),
    ("ar", re.compile("[ةىإأ]")),
    ("he", re.compile("[א-ת]")),
)
_SAMPLE = 6000
_ENOUGH_WORDS = 40
_CLEARLY = 1.35


def language_of(text: str) -> str:
    """The BCP 47 code of the language of *text*; empty when unsure."""
    sample = text[:_SAMPLE].casefold()
    for code, letters in _SCRIPTS:
        if len(letters.findall(sample)) > 0.02 * len(sample) > 1:
            return code
    words = re.findall(r"[^\W\d_]+", sample)
    hits = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    best, second = sorted(hits, key=lambda code: hits[code], reverse=True)[:2]
    sure = hits[best] >= 0.12 * len(words) and hits[best] > _CLEARLY * hits[second]
    return best if len(words) >= _ENOUGH_WORDS and sure else ""

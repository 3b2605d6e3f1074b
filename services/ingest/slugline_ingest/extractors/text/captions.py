"""Captions: lines that stood under a picture, known by their credit or by how they begin."""

import re

from slugline.entry import Media

_AGENCIES = (
    r"AFP|AP|PA|EPA|EFE|dpa|DPA|APA|ANSA|AAP|ANP|AFPTV|Reuters|REUTERS|Getty(?:\s?Images)?|GETTY"
    r"|Alamy|Shutterstock|Rex|REX|SWNS|NurPhoto|Zuma|ZUMA|Sipa|SIPA|Imago|IMAGO|Xinhua|TASS|Tass"
    r"|Sputnik|Anadolu(?: Agency)?|Bloomberg|Keystone|Kyodo|Yonhap|Belga|Ritzau|NTB|TT|Lehtikuva"
    r"|Maxar|Planet Labs|Press Association|Associated Press|picture[ -]alliance|ddp|EyeEm|iStock"
    r"|Action Images|Icon Sport|LaPresse|Europa Press|Lusa|Agência Brasil|PTI|ANI|Supplied"
    r"|Handout|CCTV|Sky News|BBC|ITV|Instagram|Facebook|Twitter|X|YouTube|Telegram"
)
_SOURCE = rf"(?:[^()\[\]]{{0,60}}[/|,–-]\s?)?(?:via\s)?(?:{_AGENCIES})(?:[/\s,&][^()\[\]]{{0,60}})?"
_LABEL = (
    r"(?i:image|photo(?:graph(?:er)?)?|picture|pic|credit|source|video|foto|bild(?:rechte)?|quelle"
    r"|crédit|imagen|fotografía|fuente|immagine|imagem|crédito|beeld|фото|写真|图片?)"
)
_IN_BRACKETS = re.compile(
    rf"(?P<caption>.*\S)\s*[(\[](?P<credit>{_SOURCE}|{_LABEL}\s?[:/]\s?[^()\[\]]{{2,80}})[)\]]\.?"
)
_BEHIND_LABEL = re.compile(
    r"(?P<caption>.*?\S)\s*[|–—-]?\s*(?:Photograph|Photo|Picture|Image|Credit|Foto|Fotos|Bild|Crédit(?: photo)?"
    r"|Fotografía|Фото)(?:\scredit)?(?:\s?:\s?|\s(?:by|de|von|di)\s)(?P<credit>[^.]{2,80})\.?",
)
_COPYRIGHT = re.compile(r"(?P<caption>.*?)\s*(?:©|\(c\)|Ⓒ)\s?(?P<credit>[^©]{2,90})")
_OF_AGENCY = re.compile(
    rf"(?P<caption>.*[^\s/])\s*(?:—|–|\||/| - )\s?(?P<credit>[^—–|]{{0,40}}(?:{_AGENCIES})(?:/[\w ]{{2,30}})?)"
)
_SENTENCE_AND_SOURCE = re.compile(
    rf"(?P<caption>.*[.!?][”\"’]?)\s(?P<credit>[^.!?]{{2,60}}[/,]\s?(?:{_AGENCIES}))"
)
_LABELLED = re.compile(
    r"(?:image|photo|picture|video|foto|bild)\s?(?:caption|source|credit|copyright)s?\s?[,:]\s*(?P<text>.+)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:in pictures|pictured|(?:image|photo|picture|caption|bildunterschrift|légende|im bild|en images"
    r"|en imágenes|in foto|nella foto|na foto|на фото|写真|图)\s?)\s?[:,]",
    re.IGNORECASE,
)
_GALLERY = re.compile(
    r"(?:in pictures|(?:our |the )?(?:pictures|photos|images|gallery)|en images|diaporama|en imágenes|in bildern"
    r"|bilder|fotos?|in foto|le foto|em imagens|in beeld|фото)\s?[:|–—-]\s?\S",
    re.IGNORECASE,
)
_BARE_CREDIT = re.compile(
    rf"{_LABEL}(?: credit)?\s?[:/,]\s?(?:{_SOURCE}|[^\W\d_]\S*(?:\s[^\W\d_]\S*){{0,3}})"
    rf"|(?:via\s)?(?:{_AGENCIES})(?:[/ ](?:{_AGENCIES}))*"
    rf"|[(\[](?:{_LABEL}\s?[:/]\s?[^()]{{2,80}}|{_SOURCE})[)\]]",
    re.IGNORECASE,
)
_CREDIT_LABEL = re.compile(rf"^\s*{_LABEL}\s?[:/]\s*|\s+$")
#: Without one of these there is no need to look closer, which is slow.
_SIGN = re.compile("[)\\]©Ⓒ/|—–]")
_HINT = re.compile(
    "photo|image|picture|foto|caption|cr[eé]dit|bild|imag|video|légende|immagin|quelle|fuente|beeld"
    "|фото|写真|图|pic:|source"
)
_LONGEST = 320
_LONGEST_CREDIT = 90


def caption_of(text: str) -> Media | None:
    """The picture whose caption *text* is; None when it is none."""
    if len(text) > _LONGEST or not _may_be_caption(text):
        return None
    labelled = _LABELLED.fullmatch(text)
    if labelled:
        is_credit = text[:20].casefold().find("caption") < 0
        inner = labelled["text"]
        return Media(credit=inner) if is_credit else Media(caption=inner)
    for pattern in (_IN_BRACKETS, _BEHIND_LABEL, _COPYRIGHT, _SENTENCE_AND_SOURCE, _OF_AGENCY):
        found = pattern.fullmatch(text)
        # A full stop in front of the brackets ends a sentence that names its source.
        sentence = found and found["caption"].endswith((".", "?", "!", ".”", '."', ":"))
        if found and (pattern in (_COPYRIGHT, _SENTENCE_AND_SOURCE) or not sentence):
            caption = _CREDIT_LABEL.sub("", found["caption"])
            return Media(caption=caption, credit=_CREDIT_LABEL.sub("", found["credit"]))
    return Media(caption=text) if _OPENING.match(text) else None


def _may_be_caption(text: str) -> bool:
    tail = text[-60:]
    return (
        _SIGN.search(tail) is not None or " - " in tail or _HINT.search(text.casefold()) is not None
    )


def is_caption(text: str) -> bool:
    """Whether *text* stood under a picture."""
    return caption_of(text) is not None or is_credit(text)


def is_gallery_title(text: str) -> bool:
    """Whether *text* may head pictures: `In pictures: The yellow motorway`."""
    found = caption_of(text) if _GALLERY.match(text) else None
    return _GALLERY.match(text) is not None and not (found and found.credit)


def is_credit(text: str) -> bool:
    """Whether *text* only says whose picture it is."""
    return len(text) <= _LONGEST_CREDIT and _BARE_CREDIT.fullmatch(text) is not None

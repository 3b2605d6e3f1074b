"""Vocabulary: the words by which live pages, in many languages, call their own parts."""

import re

from slugline_ingest.extractors.text.remembered import remembered

_LABEL_END = re.compile("[:|>»]")
_CURLY = str.maketrans("‘’′", "'''")


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


def _lines(*patterns: str) -> re.Pattern[str]:
    """*patterns* of whole lines as `plain` gives them: in lower case, which is quicker."""
    return re.compile("|".join(patterns))


#: A title or standfirst with one of these is a live page's.
SURELY_LIVE = _words(
    r"\blive[ -]?(?:blogs?|tickers?|updates?|text|report(?:ing|s)?|coverage|stream|feed|rapport\w*)\b",
    r"\bas it happen(?:ed|s)\b|\bminute[- ]by[- ]minute\b|\brolling (?:coverage|updates)\b",
    r"\blatest(?: news| updates?)?\s*[:–—-]|\blive\s*[:|–—-]|[:|–—-]\s*live\b|^live\b|\bfollow live\b|\blive$|\blive from\b|\bLIVE\b",
    r"\b(?:news|live|eil)-?(?:ticker|blog)\b|\bticker\b|\bminutenprotokoll\b",
    r"\ben direct\b|^direct\b|\bdirect\s*[:.–—-]|[:–—-]\s*direct\b|\bminute par minute\b|\ble direct\b",
    r"\ben (?:vivo|directo)\b|\bminuto a minuto\b|\búltima hora\b|\bdirecto\s*[:|–—-]",
    r"\b(?:in )?diretta\b|\bminuto per minuto\b|\bao vivo\b|\bem dire[c]?to\b|\bdirektrapport\w*\b",
    r"\bonline?[ -]?трансляц|онлайн|трансляц|в прямом эфире|хроника|на живо|na żywo|živě|canlı",
    r"مباشر|لحظة بلحظة|速報|ライブ|生中継|实时|實時|直播|即時|滚动|실시간|속보|생중계",
)

#: With one of these it may be.
MAYBE_LIVE = _words(
    r"\b(?:latest|updates?|breaking|rolling|live|developing)\b|\bnews\s*[:–—-]",
    r"\b(?:aktuell\w*|neueste\w*|überblick|derniers?|dernières|actualité|suivez|lo último|sigue)\b",
    r"\b(?:ultime|ultim'ora|aggiornamenti|últimas|atualizações|laatste|последние|senaste|siste)\b",
    r"\b(?:follow|below|as they happen)\b|最新|آخر",
)

#: What heads a list of teasers above the first entry.
KEY_POINTS = _lines(
    r"(?:the )?key (?:points|events|moments|developments|updates|takeaways|facts)",
    r"what we(?:'re| are) (?:covering|following|watching)(?: (?:here|today))?|(?:here's|here is) the latest"
    r"|what we know(?: so far)?|what you need to know|what's happening|the latest|top lines?"
    r"|at a glance|(?:the )?(?:main|top) (?:points|stories|headlines|developments)|summary|highlights"
    r"|live (?:reporting|feed|updates)|story so far|the story so far|the essentials?|in brief|recap",
    r"das wichtigste(?: in kürze| im überblick| auf einen blick)?|auf einen blick|im überblick"
    r"|die wichtigsten .{0,50}|was wir wissen|kurz (?:und knapp|zusammengefasst)|zusammenfassung",
    r"l'\s?essentiel|à retenir|ce qu'il faut (?:savoir|retenir)|les points clés|en bref|les faits",
    r"lo (?:esencial|más importante)|(?:las )?claves(?: del día)?|puntos clave|lo que sabemos"
    r"|en resumen|resumen",
    r"(?:i )?punti chiave|in sintesi|cosa sappiamo|in breve|(?:os )?pontos[- ]chave|destaques|resumo"
    r"|o que sabemos|het belangrijkste|in het kort|hoofdpunten|wat we weten",
    r"главное(?: к этому часу)?|что известно|коротко|najważniejsze|ポイント|要点|要點|重点|أبرز .{0,30}",
)

#: What stands in front of the headline of another story: alone on its line, or before a colon.
CARD_INTRO = _lines(
    r"(?:you can )?(?:read|see|find|get|watch|click)\b.{0,30}\b(?:more|story|article|report|piece|analysis"
    r"|explainer|details?|here|below|next|also)(?:\b.{0,30}?)(?:\b(?:here|below))?",
    r"more (?:here|on this|details here|on this story|from .{1,40})|(?:full )?(?:story|report) here"
    r"|related|recommended|see also|also read|don't miss|in case you missed it|more|here's the full story"
    r"|our (?:full )?(?:story|report)(?: is)? here|.{0,40} (?:has|have) (?:the )?(?:full story|more)",
    r"(?:lesen|sehen) sie (?:auch|mehr|hier).{0,30}|mehr (?:dazu|hier|zum thema).{0,20}|zum artikel"
    r"|(?:hier )?(?:weiterlesen|mehr lesen).{0,20}|auch interessant|passend dazu",
    r"(?:à )?lire (?:aussi|également|notre article|la suite|plus).{0,20}|pour en savoir plus|notre article"
    r"|voir aussi|à voir aussi|retrouvez .{0,30} ici|plus d'informations",
    r"(?:lee|leer|lea) (?:también|más|la noticia completa|aquí).{0,20}|más información|te puede interesar"
    r"|puedes leer .{0,30}|(?:leggi|leggere) (?:anche|di più|qui|tutto).{0,20}|approfondisci",
    r"(?:leia|veja|saiba) (?:também|mais).{0,20}|lees (?:ook|meer|verder|hier).{0,20}|meer (?:lezen|hierover)"
    r"|читайте (?:также|подробнее|далее|нас).{0,20}|подробнее|关連記事|関連記事|相关阅读|延伸閱讀|اقرأ أيضا|اقرأ المزيد",
)

#: Labels of an entry that stand on lines of their own.
KEY_EVENT = _lines(r"key (?:event|moment|update|point)s?|wichtig|important|importante|à retenir")
PINNED = _lines(r"pinned(?: post| update)?|angepinnt|épinglé|fijado|vastgezet")

#: What ends an entry that will be continued.
MORE_FOLLOWS = _lines(
    r"more (?:to )?(?:follows?|come)(?: shortly| soon)?|more (?:on this )?(?:soon|shortly)|mehr in kürze"
    r"|(?:weitere informationen|mehr) folg(?:t|en)|plus d'informations à (?:suivre|venir)"
    r"|seguirá ampliación|en desarrollo|in aggiornamento|подробности позже|más información en breve"
)


def plain(text: str) -> str:
    """*text* as `_lines` want it: straight apostrophes, lower case, no marks around it."""
    straight = text if text.isascii() else text.translate(_CURLY)
    return straight.strip(" .:…>»→›|•-–—▶➡*").lower()


def is_key_points(text: str) -> bool:
    """Whether *text* heads a list of teasers."""
    return len(text) <= 60 and KEY_POINTS.fullmatch(plain(text)) is not None


@remembered
def is_card_intro(text: str) -> bool:
    """Whether *text* does nothing but announce the headline of another story."""
    return len(text) <= 70 and CARD_INTRO.fullmatch(plain(text)) is not None


@remembered
def announced_headline(text: str) -> str:
    """The headline in a line such as `Read more: Bridge closed`; empty when it is no such line."""
    found = _LABEL_END.search(text[:45])
    label, headline = (text[: found.start()], text[found.end() :]) if found else (text, "")
    if not found or len(label) > 40 or len(headline.strip()) < 12:
        return ""
    return headline.strip() if CARD_INTRO.fullmatch(plain(label)) else ""

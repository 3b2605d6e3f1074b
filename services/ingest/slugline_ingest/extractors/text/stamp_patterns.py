"""Patterns of the tokens that a printed time is made of, in the order they are tried."""

import re

from slugline_ingest.extractors.text.calendar_names import MONTHS, WEEKDAYS, ZONE_NAMES


def _any(names: tuple[str, ...] | dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


def _flags(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_MONTH = rf"(?:{_any(MONTHS)})"

#: Not a clock time when it goes on as a range, a share, a version or a longer number.
_NOT_MORE = r"(?![\d%°€$£/]|[.,:]\d|\s*[-–—]\s*\d{1,2}[:.h]\d|\s*(?:%|percent|per\ cent|Prozent))"

_CLOCK = _flags(
    rf"""
    (?<![\d.,:/])(?P<early>午前|午後|上午|下午|오전|오후)?\s?
    (?P<hour>[01]?\d|2[0-4])
    (?: (?P<sign>[:.hH：時时시])\s?(?:(?P<minute>[0-5]\d)[分분]?(?:[:.](?P<second>[0-5]\d))?)?
      | (?=\s?(?:[ap]\.?m\b|Uhr\b)) )
    (?:\s?(?P<half>[ap]\.?\s?m\b\.?))?
    (?:\s?(?P<unit>Uhr|uur|hrs|hours|hs?|часов|ч)(?![^\W\d_]))?
    {_NOT_MORE}
    """
)

_ISO = _flags(
    r"""(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)
    (?::(?P<second>[0-5]\d)(?:[.,]\d{1,9})?)?\s?(?P<zone>Z(?![a-z])|[+-]\d\d:?\d\d)?(?!\d)"""
)

_EPOCH = re.compile(r"(?<!\d)1\d{9}(?:\d{3})?(?!\d)")

_WEEKDAY = rf"(?:{_any(WEEKDAYS)})"
_DATE = _flags(
    rf"""
      (?P<day1>\d{{1,2}})(?:st|nd|rd|th|\.|er|º|ª)?\s+(?:de\s+|of\s+)?(?P<name1>{_MONTH})\b\.?
        (?:,?\s+(?:de\s+|del\s+)?(?P<year1>\d{{4}})(?!\d))?
    | (?P<name2>{_MONTH})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:.])
        (?:,?\s+(?P<year2>\d{{4}})(?!\d))?
    | (?P<year3>20\d\d)[-/.](?P<month3>\d{{1,2}})[-/.](?P<day3>\d{{1,2}})(?!\d)
    | (?P<day4>\d{{1,2}})(?P<dash>[./-])(?P<month4>\d{{1,2}})(?P=dash)(?P<year4>20\d\d|\d\d)(?![\d:.])
    | (?P<day5>\d{{1,2}})\.\s?(?P<month5>\d{{1,2}})\.(?=,?\s*(?:um\s+|-\s+)?\d{{1,2}}[:.]\d\d|$)
    | (?:(?P<year6>20\d\d)\s?[年년]\s?)?(?P<month6>\d{{1,2}})\s?[月월]\s?(?P<day6>\d{{1,2}})\s?[日일]
        (?:\s?[（(][^）)]{{1,3}}[）)])?
    """
)

_RELATIVE = _flags(
    r"""
    (?:about\s+|over\s+)?(?:\d{1,3}|an?|one)\+?\s?
      (?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|hr|h|days?|d|weeks?)
      (?:,?\s?\d+\s?(?:minutes?|mins?|m))?\s+ago(?![a-z])
    | (?:just|right)\s+now\b | moments?\s+ago\b
    | vor\s+(?:\d{1,3}|einer|einem)\s?(?:Sekunden?|Minuten?|Min\.?|Stunden?|Std\.?|Tag(?:en)?)\b
    | il\s+y\s+a\s+\d{1,3}\s?(?:secondes?|minutes?|min|heures?|h|jours?|j)\b
    | hace\s+\d{1,3}\s?(?:segundos?|minutos?|min|horas?|h|días?)\b
    | há\s+\d{1,3}\s?(?:segundos?|minutos?|min|horas?|h|dias?)\b
    | \d{1,3}\s?(?:secondi|minut[io]|min|or[ae]|giorn[io])\s+fa\b
    | \d{1,3}\s?(?:seconden|minuten|minuut|min|uur|dagen|dag)\s+geleden\b
    | \d{1,3}\s?(?:min\w*|godz\w*|dni)\.?\s+temu\b | för\s+\d{1,3}\s?(?:minuter|min|timm\w+|dagar)\s+sedan\b
    | \d{1,3}\s?(?:минут\w*|мин\.?|час\w*|дн\w*|день)\s+назад\b
    | (?:قبل|منذ)\s+\d{0,3}\s?(?:دقيقة|دقائق|ساعة|ساعات)
    | \d{1,3}\s?(?:秒|分|時間|日)前 | \d{1,3}\s?(?:分钟|分鐘|小时|小時|天)前 | \d{1,3}\s?(?:분|시간|일)\s?전
    """
)

_BACK = _flags(
    r"""
    (?P<today>today|heute|aujourd['’]hui|hoy|oggi|hoje|vandaag|сегодня|اليوم|今天|今日|오늘)\b
    | (?P<yesterday>yesterday|gestern|hier|ayer|ieri|ontem|gisteren|вчера|أمس|昨天|昨日|어제)\b
    """
)

_VERB = _flags(
    r"""
    (?: (?P<updated>(?:last\s+)?updated?|mis[e]?\s+à\s+jour|aktualisiert|geändert|stand|actualizado
          |actualizada|aggiornato|atualizado|bijgewerkt|laatste\s+update|обновлено|uppdaterad)
      | (?:first\s+|originally\s+)?(?:posted|published)|publi(?:é|ée|cado|cada)|veröffentlicht
      | pubblicato|gepubliceerd|geplaatst|опубликовано|publicerad )\b
    """
)

_PREPOSITION = _flags(
    r"""
    (?:at|on|am|um|le|à|las|los|a|alle|ore|ora|às|om|kl\.?|klo|godz\.?|в|el|del?|the|den|il|em|op
      |van|as\s+of)\b(?=\W) | le\s | à\s
    """
)

_UNIT = _flags(r"(?:local\s+time|time|uhr|h)\b(?=\W|$)")

_LONG_ZONE = rf"(?:{_any(tuple(z for z in ZONE_NAMES if len(z) > 2))})"
_SHORT_ZONE = rf"(?:{_any(tuple(z for z in ZONE_NAMES if len(z) <= 2))})"
_ZONE = re.compile(
    rf"(?:{_LONG_ZONE}|{_SHORT_ZONE}(?=\W*$|[,.;:|)\-]))(?:[+-]\d{{1,2}}(?::?\d\d)?)?(?![A-Za-z])"
    r"|[+-]\d\d:?\d\d(?!\d)|(?:Greenwich Mean|British Summer|Eastern|local) [Tt]ime\b"
)

_SIGN = re.compile(r"[\s,;|·•:()\[\]+*/_>►▶🔴🟥⚡🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛⏰⏱-]+|[–—.]+")

#: A word that a stamp may begin with.
STARTING_WORD = _flags(
    rf"(?<![^\W\d_])(?:{_WEEKDAY}|{_MONTH}|today|yesterday|heute|gestern|hier|ayer|ieri|ontem)\b"
    r"|(?:published|posted|updated|publi|veröff|aktual)"
)

_RELATIVE_WORDS = "about over a an one just right moment moments vor il hace há för قبل منذ"
_BACK_WORDS = (
    "today heute aujourd hoy oggi hoje vandaag сегодня اليوم 今天 今日 오늘"
    " yesterday gestern hier ayer ieri ontem gisteren вчера أمس 昨天 昨日 어제"
)
_VERBS = (
    "last update updated mis mise aktualisiert geändert stand actualizado actualizada aggiornato"
    " atualizado bijgewerkt laatste обновлено uppdaterad first originally posted published publié"
    " publiée publicado publicada veröffentlicht pubblicato gepubliceerd geplaatst опубликовано"
    " publicerad"
)
_PREPOSITIONS = (
    "at on am um le à las los a alle ore ora às om kl klo godz в el de del the den il em op van as"
)
_OTHER_WORDS = "local time uhr h 午前 午後 上午 下午 오전 오후"
#: The words that the patterns above may begin with, in lower case: no stamp begins with another.
FIRST_WORDS = frozenset(
    " ".join(
        (*MONTHS, *WEEKDAYS, _RELATIVE_WORDS, _BACK_WORDS, _VERBS, _PREPOSITIONS, _OTHER_WORDS)
    )
    .replace("-", " ")
    .split()
)

TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("iso", _ISO),
    ("epoch", _EPOCH),
    ("relative", _RELATIVE),
    ("date", _DATE),
    ("clock", _CLOCK),
    ("zone", _ZONE),
    ("back", _BACK),
    ("verb", _VERB),
    ("weekday", _flags(rf"{_WEEKDAY}\b\.?")),
    ("unit", _UNIT),
    ("preposition", _PREPOSITION),
    ("sign", _SIGN),
)

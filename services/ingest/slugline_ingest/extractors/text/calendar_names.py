"""Calendar names: months, days of the week and zones as live pages print them."""

import re
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

#: Month by month: English, German, French, Spanish, Italian, Portuguese, Dutch, Russian, Polish,
#: Swedish, Arabic, and the usual short forms.
_MONTHS = (
    "january jan januar jänner janvier janv enero ene gennaio janeiro januari января январь"
    " янв stycznia يناير",
    "february feb februar februari février févr fév febrero febbraio fevereiro fev februar"
    " февраля февраль фев lutego فبراير شباط",
    "march mar märz mrz mars marzo março maart mrt марта март marca مارس آذار",
    "april apr avril avr abril abr aprile aprile апреля апрель апр kwietnia أبريل ابريل نيسان",
    "may mai mayo maggio maio mei maj мая май maja مايو أيار",
    "june jun juni juin junio giugno giu junho июня июнь czerwca يونيو حزيران",
    "july jul juli juillet juil julio luglio lug julho июля июль lipca يوليو تموز",
    "august aug août agosto augustus augusti августа август авг sierpnia أغسطس آب",
    "september sept sep septembre septiembre settembre setembro сентября сентябрь сен"
    " września سبتمبر أيلول",
    "october oct oktober okt octobre octubre ottobre outubro октября октябрь окт"
    " października أكتوبر",
    "november nov novembre noviembre novembro ноября ноябрь listopada نوفمبر",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro декабря декабрь дек"
    " grudnia ديسمبر",
)
MONTHS = {name: n for n, names in enumerate(_MONTHS, start=1) for name in names.split()}

_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday",
    "mon tues tue wed thurs thur thu fri sat sun",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miércoles jueves viernes sábado domingo",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira",
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "poniedziałek wtorek środa czwartek piątek sobota niedziela",
    "måndag tisdag onsdag torsdag fredag lördag söndag mandag tirsdag lørdag søndag",
    "понедельник вторник среда четверг пятница суббота воскресенье",
)
WEEKDAYS = tuple(name for names in _WEEKDAYS for name in names.split())

#: How long the units of `10 minutes ago` are, by how their names begin; days before seconds, for
#: `días`, and minutes before the `m` of months, which no live page counts in.
SPANS = (
    (re.compile(r"min|мин|分|분|دق|m$|dakika", re.I), timedelta(minutes=1)),
    (
        re.compile(
            r"h(?:ou|r|eu|or|$)|st(?:d|un)|or[ae]|uur|timm?[ea]|godz|час|時|小|시|سا|saat", re.I
        ),
        timedelta(hours=1),
    ),
    (re.compile(r"d(?:a|í|i|ni|n|$)|tag|j|giorn|день|дн|日|天|일|يوم|أي", re.I), timedelta(days=1)),
    (re.compile(r"w(?:eek|$)", re.I), timedelta(weeks=1)),
    (re.compile(r"s|сек|秒|초|ثا", re.I), timedelta(seconds=1)),
)

_NAMED_ZONES = {
    "BRITISH SUMMER TIME": "Europe/London",
    "BST": "Europe/London",
    "UK": "Europe/London",
    "CET": "Europe/Berlin",
    "CEST": "Europe/Berlin",
    "MEZ": "Europe/Berlin",
    "MESZ": "Europe/Berlin",
    "EET": "Europe/Athens",
    "EEST": "Europe/Athens",
    "MSK": "Europe/Moscow",
    "EASTERN TIME": "America/New_York",
    "ET": "America/New_York",
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "CT": "America/Chicago",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MT": "America/Denver",
    "MST": "America/Denver",
    "MDT": "America/Denver",
    "PT": "America/Los_Angeles",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "HKT": "Asia/Hong_Kong",
    "SGT": "Asia/Singapore",
    "AEST": "Australia/Brisbane",
    "AEDT": "Australia/Sydney",
    "AWST": "Australia/Perth",
    "NZST": "Pacific/Auckland",
    "NZDT": "Pacific/Auckland",
    "SAST": "Africa/Johannesburg",
}
_UNIVERSAL = ("GREENWICH MEAN TIME", "GMT", "UTC", "TU", "Z")

#: Which zone IST is, nobody can tell: it is India's, Ireland's and Israel's. It is read as the blog's.
ZONE_NAMES = (*_UNIVERSAL, *_NAMED_ZONES, "IST")


def zone_of(printed: str, otherwise: tzinfo) -> tzinfo:
    """The zone that *printed* (`GMT`, `ET`, `+02:00`, `GMT+1`) names; *otherwise* when none."""
    name = printed.upper()
    for universal in _UNIVERSAL:
        name = name.removeprefix(universal) if name != universal else name
    if name in _UNIVERSAL:
        return UTC
    if name in _NAMED_ZONES:
        return ZoneInfo(_NAMED_ZONES[name])
    return _offset(name) if name[:1] in ("+", "-") else otherwise


def _offset(printed: str) -> tzinfo:
    digits = printed[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    sign = -1 if printed[0] == "-" else 1
    return timezone(sign * timedelta(hours=min(hours, 14), minutes=minutes))

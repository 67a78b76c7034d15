"""Packaged words, for things that a rules file need not name."""

from __future__ import annotations

from typing import Final

DEFAULT: Final = "en"
"""The language for readers whose language has no word here."""

BUCKET_KINDS: Final[dict[str, dict[str, str]]] = {
    "topup": {
        "en": "extra data",
        "zh-CN": "额外流量",
        "zh-TW": "額外上網量",
        "pl": "dodatkowy",
        "ru": "Дополнительный",
        "ar": "البيانات الإضافية",
        "de": "Zusatzvolumen",
        "fr": "données supplémentaires",
        "es": "datos adicionales",
        "it": "dati aggiuntivi",
        "hi": "अतिरिक्त डेटा",
    },
    "member": {
        "en": "your share",
        "zh-CN": "共享份额",
        "zh-TW": "共享額度",
        "pl": "Twoja część danych",
        "ru": "ваша доля",
        "ar": "حصتك",
        "de": "Ihr Anteil",
        "fr": "votre part",
        "es": "su parte",
        "it": "la tua quota",
        "hi": "आपका हिस्सा",
    },
    "closed_cycle": {
        "en": "last billing cycle",
        "zh-CN": "上个账期",
        "zh-TW": "上個計費週期",
        "pl": "poprzedni okres rozliczeniowy",
        "ru": "прошлый расчётный период",
        "ar": "دورة الفوترة السابقة",
        "de": "letzter Abrechnungszeitraum",
        "fr": "dernière période de facturation",
        "es": "último ciclo de facturación",
        "it": "ultimo ciclo di fatturazione",
        "hi": "पिछला बिलिंग चक्र",
    },
}
"""Names of buckets of kinds without an entry in the rules file, by kind and locale."""

SHARE_OF_OTHER: Final[dict[str, str]] = {
    "en": "share of {member}",
    "zh-CN": "{member}的共享份额",
    "zh-TW": "{member}的共享額度",
    "pl": "część danych numeru {member}",
    "ru": "доля номера {member}",
    "ar": "حصة الرقم {member}",
    "de": "Anteil von {member}",
    "fr": "part du {member}",
    "es": "parte del {member}",
    "it": "quota del {member}",
    "hi": "{member} का हिस्सा",
}
"""The share of a pool member, for another reader than that member, by locale."""

ROLLED_OVER: Final[dict[str, str]] = {
    "en": "carried-over {name}",
    "zh-CN": "结转的{name}",
    "zh-TW": "結轉的{name}",
    "pl": "{name} (przeniesione)",
    "ru": "{name} (перенос)",
    "ar": "{name} (مرحّلة)",
    "de": "{name} (Übertrag)",
    "fr": "{name} (report)",
    "es": "{name} (acumulado)",
    "it": "{name} (riporto)",
    "hi": "{name} (पिछला शेष)",
}
"""The name of a roll-over by locale: the name of its allowance, and a word for "from an earlier
cycle"."""

ENDLESS: Final[dict[str, str]] = {
    "en": "unlimited",
    "zh": "不限量",
    "ar": "غير محدود",
    "bg": "неограничено",
    "cs": "neomezeně",
    "da": "ubegrænset",
    "de": "unbegrenzt",
    "el": "απεριόριστα",
    "es": "ilimitado",
    "fa": "نامحدود",
    "fi": "rajaton",
    "fr": "illimité",
    "he": "ללא הגבלה",
    "hi": "असीमित",
    "hr": "neograničeno",
    "hu": "korlátlan",
    "id": "tanpa batas",
    "it": "illimitato",
    "ja": "無制限",
    "ko": "무제한",
    "nb": "ubegrenset",
    "nl": "onbeperkt",
    "pl": "bez limitu",
    "pt": "ilimitado",
    "ro": "nelimitat",
    "ru": "безлимитно",
    "sk": "neobmedzene",
    "sv": "obegränsat",
    "th": "ไม่จำกัด",
    "tr": "sınırsız",
    "uk": "безліміт",
    "vi": "không giới hạn",
}
"""Bytes without limit, by language."""

UNTIL: Final[dict[str, str]] = {
    "en": "until {}",
    "zh": "{}到期",
    "ar": "حتى {}",
    "de": "bis {}",
    "es": "hasta el {}",
    "fr": "jusqu'au {}",
    "hi": "{} तक",
    "it": "fino al {}",
    "pl": "do {}",
    "ru": "до {}",
}
"""An end in a list, by language; in other languages it is the date alone."""

UNITS: Final[dict[str, tuple[str, str, str, str]]] = {
    "ar": ("كيلوبايت", "ميجا", "جيجا", "تيرا"),
}
"""Names of units from a thousand bytes on, where the market writes other names than CLDR."""

LESS_THAN: Final[dict[str, str]] = {"ar": "أقل من {}"}
""""Less than" a figure, where a reader could take the sign for another one; elsewhere ``<1 MB``."""

NARROW_SIGNS: Final[dict[str, str]] = {
    **dict.fromkeys(("ARS", "AUD", "BBD", "BMD", "BND", "BSD", "BZD", "CAD", "CLP", "COP"), "$"),
    **dict.fromkeys(("CUP", "DOP", "FJD", "GYD", "HKD", "JMD", "KYD", "LRD", "MXN", "NAD"), "$"),
    **dict.fromkeys(("NZD", "SBD", "SGD", "SRD", "TTD", "TWD", "USD", "UYU", "XCD"), "$"),
    **dict.fromkeys(("CNY", "JPY"), "¥"),
    **dict.fromkeys(("DKK", "ISK", "NOK", "SEK"), "kr"),
    **dict.fromkeys(("KPW", "KRW"), "₩"),
    **dict.fromkeys(("FKP", "GBP", "GIP", "SHP", "SSP", "SYP"), "£"),
    **dict.fromkeys(("LKR", "MUR", "NPR", "PKR"), "Rs"),
    "AZN": "₼",
    "BAM": "KM",
    "BDT": "৳",
    "BOB": "Bs",
    "BRL": "R$",
    "BWP": "P",
    "CRC": "₡",
    "CZK": "Kč",
    "EGP": "E£",
    "EUR": "€",
    "GEL": "₾",
    "GHS": "GH₵",
    "GTQ": "Q",
    "HNL": "L",
    "HUF": "Ft",
    "IDR": "Rp",
    "ILS": "₪",
    "INR": "₹",
    "KHR": "៛",
    "KZT": "₸",
    "LAK": "₭",
    "LBP": "L£",
    "MNT": "₮",
    "MYR": "RM",
    "NGN": "₦",
    "NIO": "C$",
    "PHP": "₱",
    "PLN": "zł",
    "PYG": "₲",
    "RON": "lei",
    "RUB": "₽",
    "THB": "฿",
    "TRY": "₺",
    "UAH": "₴",
    "VND": "₫",
    "ZAR": "R",
}
"""CLDR's narrow signs of currencies, which Babel lacks; for the currency of the reader's own
bill."""

GSM_LANGUAGES: Final = ("en",)
"""Languages whose texts use only the GSM-7 alphabet: one other character more than halves the
space."""

GSM_SIGNS: Final[dict[str, str]] = {"INR": "Rs"}
"""Replacement for a sign outside that alphabet; else the currency's code."""

"""Words that come with streamproc, for what the rules file need not name."""

from __future__ import annotations

from typing import Final

DEFAULT: Final = "en"
"""The language of readers whose own has no word here."""

BUCKET_KINDS: Final[dict[str, dict[str, str]]] = {
    "topup": {
        "en": "extra data",
        "zh-CN": "加赠流量",
        "zh-TW": "加贈上網量",
        "pl": "dodatkowe dane",
        "ru": "дополнительный трафик",
        "ar": "بيانات إضافية",
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
"""What buckets of kinds without an entry in the rules file are called, by kind and locale."""

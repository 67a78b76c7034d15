"""Lives under the rule packs of Europe and North America: what a regulator could ask to be shown.

Times are the subscriber's. What is expected is written by hand, from what the rules demand.
"""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.packs import pack_path
from streamproc.core.state.effects import Reminder
from tests.support.talking import Talking, replies, texts
from tests.support.timeline import lives


def test_eu_roaming_limit_stop_consent_and_opting_out_of_it_and_back() -> None:
    lives(
        "eu-roaming",
        """
2026-01-15 09:00  activate mobile-10gb Europe/Berlin de anchor 15
2026-01-20 10:00  use 2 GB in eu
2026-01-22 08:00  arrive us
                  roaming-price: Willkommen in den USA. Ohne Reisepaket oder Zusatzvolumen kosten
                    Daten hier 0,20 € je MB (ohne MwSt.). Um Kosten zu vermeiden, schalten Sie
                    Datenroaming in den Einstellungen aus.
2026-01-22 09:00  use 199 MB in us
                  roaming-begins: Daten außerhalb der EU ohne Reisepaket kosten jetzt 0,20 € je MB,
                    ohne MwSt. (22.1., 09:00).
2026-01-22 10:00  use 1 MB in us
                  limit-near: Datenroaming: Sie haben 40,00 € Ihres Limits von 50,00 € (ohne MwSt.)
                    verbraucht. Am Limit endet das Datenroaming, außer Sie stimmen weiteren Kosten
                    zu.
2026-01-22 23:00  use 49 MB in us
2026-01-22 23:30  use 1 MB in us
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
                  policy roaming-stop barred
2026-01-22 23:31  use 4 MB in us
2026-01-23 08:00  consent roaming
                  (cost_cap_lifted)
                  (resolved limit-reached 100)
                  (coalescing roaming-again 100)
                  (merged roaming-again 100)
                  roaming-begins: Daten außerhalb der EU ohne Reisepaket kosten jetzt 0,20 € je MB,
                    ohne MwSt. (23.1., 08:00).
                  policy roaming-stop restored
2026-01-23 09:00  use 100 MB in us
2026-01-24 08:00  restore roaming
                  (cost_cap_restored)
                  (merged limit-near 80)
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
                  policy roaming-stop barred
2026-01-24 09:00  pack travel-500mb
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
2026-01-24 10:00  use 300 MB in us
2026-02-15 12:00  use 300 MB in us
     02-15 00:00  (resolved limit-reached 100)
     02-15 00:00  (quiet_hours roaming-again 100)
     02-15 00:00  policy roaming-stop restored
     02-15 08:00  roaming-again: Ihr Datenroaming funktioniert wieder (15.2., 08:00).
                  (merged limit-near 80)
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
                  policy roaming-stop barred
2026-02-16 09:00  consent roaming until revoked
                  (cost_cap_lifted)
                  (resolved limit-reached 100)
                  (coalescing roaming-again 100)
                  (merged roaming-again 100)
                  roaming-begins: Daten außerhalb der EU ohne Reisepaket kosten jetzt 0,20 € je MB,
                    ohne MwSt. (16.2., 09:00).
                  policy roaming-stop restored
2026-02-16 10:00  use 1 GB in us
2026-03-15 10:00  use 400 MB in us
                  roaming-begins: Daten außerhalb der EU ohne Reisepaket kosten jetzt 0,20 € je MB,
                    ohne MwSt. (15.3., 10:00).
2026-03-20 10:00  restore roaming
                  (cost_cap_restored)
                  (merged limit-near 80)
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
                  policy roaming-stop barred
2026-04-15 10:00  opt-out roaming-limit
     04-15 00:00  (resolved limit-reached 100)
     04-15 00:00  (quiet_hours roaming-again 100)
     04-15 00:00  policy roaming-stop restored
     04-15 08:00  roaming-again: Ihr Datenroaming funktioniert wieder (15.4., 08:00).
2026-04-16 10:00  use 210 MB in us
                  (opted_out limit-near 80)
                  roaming-begins: Daten außerhalb der EU ohne Reisepaket kosten jetzt 0,20 € je MB,
                    ohne MwSt. (16.4., 10:00).
2026-04-16 11:00  use 40 MB in us
                  limit-reached: Ihr Datenroaming ist gestoppt: Das Limit von 50,00 € (ohne MwSt.)
                    ist erreicht. Um für 0,20 € je MB weiterzusurfen, stimmen Sie kostenlos im
                    Kundenkonto oder beim Kundenservice zu.
                  policy roaming-stop barred
2026-04-20 10:00  arrive home
""",
    )


def test_eu_roaming_back_under_the_limit_below_eighty_percent() -> None:
    lives(
        "eu-roaming",
        """
2026-05-01 00:00  activate mobile-10gb Europe/Paris fr
2026-05-01 01:00  consent roaming until revoked
                  (cost_cap_lifted)
2026-05-02 10:00  use 190 MB in ch
                  roaming-begins: Hors UE et sans forfait voyage, les données coûtent maintenant
                    0,20 € par Mo, hors TVA (02/05, 10:00).
2026-05-02 11:00  restore roaming
                  (cost_cap_restored)
2026-05-02 12:00  use 10 MB in ch
                  limit-near: Itinérance : vous avez utilisé 40,00 € de votre limite de 50,00 €
                    (hors TVA). Une fois la limite atteinte, les données sont coupées sauf accord de
                    votre part.
2026-06-02 12:00  use 200 MB in ch
                  limit-near: Itinérance : vous avez utilisé 40,00 € de votre limite de 50,00 €
                    (hors TVA). Une fois la limite atteinte, les données sont coupées sauf accord de
                    votre part.
                  roaming-begins: Hors UE et sans forfait voyage, les données coûtent maintenant
                    0,20 € par Mo, hors TVA (02/06, 12:00).
""",
    )


def test_us_approaching_exceeding_and_opting_out() -> None:
    lives(
        "us",
        """
2026-01-01 09:00  activate flex-5gb America/New_York en
2026-01-10 10:00  use 3749 MB
2026-01-10 11:00  use 1 MB
                  approaching: You've used 75% of the 5 GB of your plan (Jan 10, 11:00 AM). Once no
                    data is left, more costs $15.00 per GB. Free alert. Reply STOP USAGE to end.
2026-01-15 10:00  use 750 MB
                  approaching: You've used 90% of the 5 GB of your plan (Jan 15, 10:00 AM). Once no
                    data is left, more costs $15.00 per GB. Free alert. Reply STOP USAGE to end.
2026-01-20 10:00  use 500 MB
                  exceeding: You've used all the data of your plan (Jan 20, 10:00 AM). Once no data
                    is left, more costs $15.00 per GB. Free alert. Reply STOP USAGE to end.
2026-01-20 11:00  use 1 MB
                  data-costs: You have no domestic data left (Jan 20, 11:00 AM). More of it costs
                    $15.00 per GB. Free alert. Reply STOP USAGE to end.
2026-02-10 10:00  use 6 GB
                  (superseded approaching 75)
                  (merged exceeding 0)
                  (merged approaching 90)
                  data-costs: You have no domestic data left (Feb 10, 10:00 AM). More of it costs
                    $15.00 per GB. Free alert. Reply STOP USAGE to end.
2026-02-11 09:00  sms STOP usage
                  stopped: You get no more usage alerts. To get them again, reply START usage
                    alerts.
2026-03-10 10:00  use 6 GB
                  (superseded approaching 75)
                  (opted_out data-costs)
                  (opted_out exceeding 0)
                  (opted_out approaching 90)
2026-03-20 08:00  arrive mexico
                  abroad: Welcome to Mexico. Without a travel pack or extra data, you pay $2.00 per
                    MB; to avoid it turn off data roaming. Reply STOP ABROAD to end alerts.
2026-03-20 09:00  use 10 MB in mexico
                  data-costs-abroad: Data abroad without a travel pack now costs $2.00 per MB (Mar
                    20, 9:00 AM). Free alert. Reply STOP ABROAD to end.
2026-03-25 09:00  sms START usage
                  started: You get usage alerts again.
2026-04-10 10:00  use 4 GB
                  approaching: You've used 80% of the 5 GB of your plan (Apr 10, 10:00 AM). Once no
                    data is left, more costs $15.00 per GB. Free alert. Reply STOP USAGE to end.
""",
    )


US = load_rulebook(pack_path("us").read_text(encoding="utf-8"), "us")
REVOCATION = (
    *("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "opt-out"),
    *("alto", "parar", "cancelar", "salir", "terminar", "detener", "baja", "fin", "revocar"),
)


@pytest.mark.parametrize("word", REVOCATION)
@pytest.mark.parametrize("form", ["{}", "{}.", "“{}”", "  {}!! "])
def test_us_each_word_of_revocation_opts_out_of_everything(word: str, form: str) -> None:
    for text in (word, word.upper(), word.title()):
        line = Talking(US)
        line.begin("flex-5gb")
        assert replies(line.text(form.format(text), 1)) == ["stopped_all"]
        assert line.account.opted_out == list(US.categories)


@pytest.mark.parametrize(
    "word", ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]
)
def test_us_a_word_of_revocation_may_say_all(word: str) -> None:
    line = Talking(US)
    line.begin("flex-5gb")
    assert replies(line.text(f"{word} all", 1)) == ["stopped_all"]


@pytest.mark.parametrize("word", REVOCATION)
def test_us_a_word_of_revocation_may_name_a_category(word: str) -> None:
    line = Talking(US)
    line.begin("flex-5gb")
    assert replies(line.text(f"{word} usage.", 1)) == ["stopped"]
    assert line.account.opted_out == ["usage"]


@pytest.mark.parametrize("locale", ["en", "es-US"])
def test_us_help_and_the_end_of_messages_name_the_program_and_a_contact(locale: str) -> None:
    written = pack_path("us").read_text(encoding="utf-8")
    line = Talking(load_rulebook(f"brand: Acme\ncare: acme.example/help\n{written}", "us"))
    line.begin("flex-5gb", locale=locale)
    (of_help,) = texts(line.text("HELP", 1))
    assert of_help.startswith("Acme: ")
    assert of_help.endswith("acme.example/help")
    for word in ("STOP usage", "STOP"):
        (of_stop,) = texts(line.text(word, 1))
        assert of_stop.startswith("Acme: ")
    plain = Talking(US)
    plain.begin("flex-5gb", locale=locale)
    for word in ("HELP", "STOP"):
        (text,) = texts(plain.text(word, 1))
        assert "none" not in text
        assert not text.startswith(":")


@pytest.mark.parametrize(
    ("pack", "plan", "locale", "word", "category"),
    [
        ("eu-roaming", "mobile-10gb", "de", "Stopp Roaming!", "roaming-price"),
        ("eu-roaming", "mobile-10gb", "fr", "ARRÊT itinérance", "roaming-price"),
        ("eu-roaming", "mobile-10gb", "pl", "KONIEC limit", "roaming-limit"),
        ("canada", "shared-10gb", "fr-CA", "Arrêter « itinérance »", "roaming-price"),
        ("canada", "shared-10gb", "en-CA", "Unsubscribe roaming.", "roaming-price"),
    ],
)
def test_notices_can_be_declined_by_a_text_in_the_readers_language(
    pack: str, plan: str, locale: str, word: str, category: str
) -> None:
    line = Talking(load_rulebook(pack_path(pack).read_text(encoding="utf-8"), pack))
    line.begin(plan, locale=locale)
    assert replies(line.text(word, 1))[0].startswith("stopped")
    assert line.account.opted_out == [category]
    for text in ("STOP", "HELP", "START"):
        (reply,) = [one for one in line.text(text, 1.1) if isinstance(one, Reminder)]
        assert reply.locale in (locale, locale.replace("en-CA", "en"))


def test_canada_a_family_stops_at_50_dollars_until_its_account_holder_consents() -> None:
    lives(
        "canada",
        """
2026-03-01 00:00  activate shared-10gb America/Toronto en-CA
2026-03-01 09:00  join parent owner
2026-03-01 09:00  join child member
2026-03-10 16:00  use 10 GB by child
                  plan-used-up to parent: You've used all the data of your plan in Canada (Mar 10,
                    4:00 p.m.). Once no data is left, more costs $0.05 per MB.
                  plan-used-up to child: You've used all the data of your plan in Canada (Mar 10,
                    4:00 p.m.). Once no data is left, more costs $0.05 per MB.
2026-03-10 18:00  use 999 MB by child
                  overage-begins to parent: You have no data left in Canada (Mar 10, 6:00 p.m.).
                    More data costs $0.05 per MB.
                  overage-begins to child: You have no data left in Canada (Mar 10, 6:00 p.m.). More
                    data costs $0.05 per MB.
2026-03-10 19:00  use 1 MB by child
                  overage-limit to parent: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  overage-limit to child: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  policy overage-stop barred
2026-03-10 19:01  use 3 MB by child
2026-03-11 08:00  consent
                  (cost_cap_lifted)
                  (resolved overage-limit 100)
                  (coalescing data-again 100)
                  (merged data-again 100)
                  overage-begins to parent: You have no data left in Canada (Mar 11, 8:00 a.m.).
                    More data costs $0.05 per MB.
                  overage-begins to child: You have no data left in Canada (Mar 11, 8:00 a.m.). More
                    data costs $0.05 per MB.
                  policy overage-stop restored
2026-03-11 09:00  use 100 MB by child
2026-03-20 10:00  restore
                  (cost_cap_restored)
                  overage-limit to parent: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  overage-limit to child: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  policy overage-stop barred
2026-04-05 09:00  use 12 GB by child
     04-01 00:00  (resolved overage-limit 100)
     04-01 00:00  (quiet_hours data-again 100)
     04-01 00:00  policy overage-stop restored
     04-01 08:00  data-again to parent: Data in Canada works again (Apr 1, 8:00 a.m.).
     04-01 08:00  data-again to child: Data in Canada works again (Apr 1, 8:00 a.m.).
                  (merged plan-used-up 0)
                  overage-limit to parent: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  overage-limit to child: Data in Canada is suspended: overage charges have reached
                    $50.00 in this billing cycle. To continue at $0.05 per MB, the account holder
                    must agree to pay more.
                  policy overage-stop barred
""",
    )


def test_canada_roaming_stops_at_100_dollars_and_does_not_touch_data_at_home() -> None:
    lives(
        "canada",
        """
2026-07-01 00:00  activate shared-10gb America/Toronto fr-CA
2026-07-04 08:00  arrive us
                  roaming-price: Bienvenue (États-Unis). Itinérance sans forfait voyage ni données
                    supplémentaires : 0,50 $ par Mo, suspendue à 100,00 $ par cycle, sauf accord du
                    titulaire du compte. Pour ne plus recevoir ces avis : STOP ITINERANCE
2026-07-04 09:00  use 199 MB in us
                  roaming-begins: Les données à l'étranger sans forfait voyage coûtent maintenant
                    0,50 $ par Mo (4 juill., 09 h 00).
2026-07-04 10:00  use 1 MB in us
                  roaming-limit: Itinérance de données suspendue : les frais ont atteint 100,00 $
                    pour ce cycle. Pour continuer à 0,50 $ par Mo, le titulaire du compte doit
                    accepter de payer plus.
                  policy roaming-stop barred
2026-07-05 10:00  opt-out data-charges
2026-07-06 10:00  use 10 GB
                  (opted_out plan-used-up 0)
2026-07-06 11:00  use 1 GB
                  overage-limit: Données au Canada suspendues : les frais de dépassement ont atteint
                    50,00 $ pour ce cycle. Pour continuer à 0,05 $ par Mo, le titulaire du compte
                    doit accepter de payer plus.
                  policy overage-stop barred
2026-07-07 10:00  consent roaming until revoked
                  (cost_cap_lifted)
                  (resolved roaming-limit 100)
                  (opted_out roaming-again 100)
                  (opted_out roaming-begins)
                  policy roaming-stop restored
2026-08-07 10:00  use 500 MB in us
     08-01 00:00  (resolved overage-limit 100)
     08-01 00:00  (opted_out data-again 100)
     08-01 00:00  policy overage-stop restored
                  (opted_out roaming-begins)
2026-08-08 10:00  restore roaming
                  (cost_cap_restored)
                  roaming-limit: Itinérance de données suspendue : les frais ont atteint 100,00 $
                    pour ce cycle. Pour continuer à 0,50 $ par Mo, le titulaire du compte doit
                    accepter de payer plus.
                  policy roaming-stop barred
""",
    )


def test_us_a_price_abroad_is_true_of_a_reader_who_is_at_home() -> None:
    """A top-up covers everything. When it is used up at home, data abroad costs again, too."""
    lives(
        "us",
        """
2026-01-05 09:00  activate flex-5gb America/New_York en
2026-01-06 09:00  use 1 MB in mexico
                  data-costs-abroad: Data abroad without a travel pack now costs $2.00 per MB (Jan
                    6, 9:00 AM). Free alert. Reply STOP ABROAD to end.
2026-01-07 09:00  top-up 1 GB
2026-01-08 09:00  use 6 GB
                  (superseded approaching 75)
                  (merged approaching 90)
                  exceeding: You've used all the data of your plan (Jan 8, 9:00 AM). Once no data is
                    left, more costs $15.00 per GB. Free alert. Reply STOP USAGE to end.
                  data-costs-abroad: Data abroad without a travel pack now costs $2.00 per MB (Jan
                    8, 9:00 AM). Free alert. Reply STOP ABROAD to end.
""",
    )


USING = ("You're using", "You are using", "Sie nutzen", "Vous utilisez", "Usa datos", "Korzystasz")


@pytest.mark.parametrize("pack", ["us", "canada", "eu-roaming"])
def test_no_price_claims_that_its_reader_uses_data_now(pack: str) -> None:
    rules = packaged_rulebook(f"packs/{pack}.yaml").watch_rules
    texts_of = [
        text for rule in rules if rule.kind == "overage_started" for text in rule.texts.values()
    ]
    assert len(texts_of) >= 2
    assert not [text for text in texts_of for claim in USING if claim in text]

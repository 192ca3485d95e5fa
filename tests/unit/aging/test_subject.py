"""What subjects say: the same by whatever way they come, and nothing where anybody could have written them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.aging.core.subject import SUBJECT_CHARACTERS_READ, said

PREFIXES = (
    "Re: ", "RE:", "re : ", "Re[2]: ", "Re(3): ", "Re^4: ", "AW: ", "Antw: ", "Antwort: ", "SV: ", "VS: ",
    "YNT: ", "Odp: ", "ATB: ", "RES: ", "RIF: ", "R: ", "Réf : ", "Vá: ", "Отв: ", "ΑΠ: ", "ΣΧΕΤ: ", "השב: ", "رد: ", "回复：", "回覆: ",
    "答复: ", "返信: ", "회신: ", "Fw: ", "FWD: ", "WG: ", "TR : ", "Tr\u00a0: ", "ENC: ", "I: ", "Doorst: ", "VB: ", "VL: ", "İLT: ", "PD: ",
    "Továbbítás: ", "Пересл: ", "ΠΡΘ: ", "העבר: ", "إعادة توجيه: ", "转发: ", "轉寄：", "転送: ", "전달: ", "[EXTERNAL] ", "[EXT]: ",
    "EXTERNAL: ", "***SPAM*** ", "{Spam?} ", "[External Email] ", "[Extern] ", "[#42] ", "[desk:4711] ", "[Ticket#2010080210123456] ",
    "[rt.example #31] ", "[SUP-42] ", "(SUP-42) ", "[4711] ", "##4711## ", "[ ref:00D0.500:ref ] ", "[Case: 17] ", "Ticket #17 - ",
    "Re: [#42] AW: ", "FW: WG: TR: [EXTERNAL] ", "- ", "   ",
)  # fmt: skip

ALIKE = (
    (
        "VPN down",
        "vpn DOWN!!!",
        "“VPN”  down…",
        "ＶＰＮ ｄｏｗｎ",
        "VPN\u00a0down",
        "V\u00adPN down",
        "VPN_down",
        "VPN: down",
        "vpn-down",
    ),
    ("VPN down", "URGENT: VPN is down", "Please, the VPN is down!", "Hello, my VPN is down, thank you"),
    (
        "Drucker druckt nicht",
        "DRINGEND!! Der Drucker druckt nicht",
        "Hallo, bitte: mein Drucker druckt nicht. Danke",
    ),
    ("Imprimante en panne", "L'imprimante en panne", "Bonjour, notre imprimante en panne svp"),
    ("Принтер не работает", "Срочно! Принтер не работает, пожалуйста"),
    ("Straße gesperrt", "STRASSE GESPERRT", "strasse  gesperrt."),
    ("Imprimante cassée", "IMPRIMANTE CASSE\u0301E"),
    ("退款没有到账", "退款没有到账！", "「退款没有到账」"),
    ("ﾌﾟﾘﾝﾀｰ故障", "プリンター故障"),
    ("Не работает принтер", "НЕ РАБОТАЕТ ПРИНТЕР?"),
    ("لا تعمل الطابعة", "لا تعمل الطابعة؟"),
)
ONE_KIND = (
    (
        "Order 12345 has not arrived",
        "Order 99 has not arrived",
        "order #7-2 has not arrived",
        "Order ٣ has not arrived",
    ),
    ("Disk 91% full on srv12", "Disk 100 % full on srv7"),
    ("Backup of 2026-03-03 02:15 failed", "Backup of 03.03.2026, 2:15 failed", "Backup of 1/2/26 failed"),
    ("Password reset for kim@shop.example", "Password reset for a.b+c@mail.example.org"),
    ("Broken link https://shop.example/a/b?c=1", "Broken link www.shop.example"),
    ("Job 550e8400-e29b-41d4-a716-446655440000 died", "Job 9f86d081884c7d65 died", "Job 17 died"),
    ("Host 10.1.2.3 unreachable", "Host 192.168.100.200 unreachable"),
)
SAYS_NOTHING = (
    "", " ", "...", "Re:", "Re: AW:", "[#42]", "Re: [Ticket#4711]", "12345", "2026-03-03", "PC", "?", "☃️", "(no subject)", "No Subject",
    "Help!", "HELP PLEASE", "Urgent request", "Question", "Re: Your request", "New ticket", "Ticket #17", "issue #21742", "Test 2", "Hi",
    "Kein Betreff", "ohne Betreff", "Hilfe!!", "Frage", "Dringend: Problem", "Störung", "Anfrage", "(Sans objet)", "Demande d'aide",
    "Sin asunto", "Consulta", "¡Ayuda!", "Sem assunto", "Dúvida", "(nessun oggetto)", "Richiesta di assistenza", "Geen onderwerp", "Vraag",
    "Hjälp", "Brak tematu", "Zgłoszenie", "Konu yok", "Без темы", "Срочно", "ΧΩΡΊΣ ΘΈΜΑ", "ללא נושא", "بدون موضوع", "无主题", "無題", "제목 없음",
)  # fmt: skip


def words(subject: str) -> str:
    return said(subject)[0]


def pattern(subject: str) -> str:
    return said(subject)[1]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_comes_to_a_subject_on_its_way_says_nothing(prefix: str) -> None:
    assert ("vpn down", "vpn down") == said(f"{prefix}VPN down")


@pytest.mark.parametrize("spellings", ALIKE, ids=lambda spellings: spellings[0])
def test_one_subject_is_the_same_in_any_spelling(spellings: tuple[str, ...]) -> None:
    assert [words(spellings[0])] * len(spellings) == [words(one) for one in spellings]
    assert words(spellings[0])


@pytest.mark.parametrize("subjects", ONE_KIND, ids=lambda subjects: subjects[0])
def test_cases_of_one_kind_have_one_pattern_and_words_of_their_own(subjects: tuple[str, ...]) -> None:
    assert {pattern(subjects[0])} == {pattern(one) for one in subjects}
    assert len(subjects) == len({words(one) for one in subjects})


@pytest.mark.parametrize("subject", SAYS_NOTHING)
def test_a_subject_that_anybody_could_have_written_says_nothing(subject: str) -> None:
    assert ("", "") == said(subject)


@pytest.mark.parametrize(
    ("expected", "subject"),
    [
        ("vpn", "VPN"),
        ("退款", "退款"),
        ("wg zimmer gesucht", "WG-Zimmer gesucht"),
        ("re install client", "Re-install the client"),
        ("q3 2026 figures", "[Q3 2026] figures"),
        ("checkout payment fails", "[Checkout] Payment fails"),
        ("no vpn", "No VPN"),
        ("vpn not down", "The VPN is not down"),
        ("new printer needed", "New printer needed"),
        ("नया पासवर्ड चाहिए", "नया पासवर्ड चाहिए"),
        ("รีเซ็ตรหัสผ่าน", "รีเซ็ตรหัสผ่าน"),
    ],
)
def test_what_a_subject_says_is_kept(expected: str, subject: str) -> None:
    assert expected == words(subject)


def test_words_differ_where_numbers_do_and_patterns_do_not() -> None:
    assert "invoice 4711 wrong" == words("Invoice 4711 is wrong")
    assert "invoice 0 wrong" == pattern("Invoice 4711 is wrong")
    assert "printer on floor 0fa" == pattern("Printer on floor 2FA")


def test_of_a_long_subject_the_beginning_says_it() -> None:
    long = "so " * SUBJECT_CHARACTERS_READ
    assert words(f"Re: {long}and then") == words(f"{long}but not")
    assert SUBJECT_CHARACTERS_READ >= len(words(long)) > SUBJECT_CHARACTERS_READ - 3


ODD = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
TYPED = st.text(st.sampled_from("aAbfF019- _.:#[]()@/*ßİıée\u0301\u200d٣Ⅳ½ﷺ退Σς"), max_size=40)
SUBJECTS = ODD | TYPED | st.lists(st.sampled_from([*PREFIXES, "VPN", "down", "4711", "abcdef0"])).map("".join)


@given(subject=SUBJECTS)
def test_words_and_patterns_are_fixed_points(subject: str) -> None:
    in_words, in_pattern = said(subject)
    assert in_words == words(in_words)
    assert (in_pattern, in_pattern) == said(in_pattern)


@example(subject="-@0İ", prefix="Re: ")
@given(subject=SUBJECTS, prefix=st.sampled_from([one for one in PREFIXES if one.endswith((": ", "："))]))
def test_a_prefix_changes_nothing(subject: str, prefix: str) -> None:
    assert said(subject) == said(prefix + subject)

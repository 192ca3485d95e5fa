"""What a subject says, whoever typed it on whatever way: so that two tickets about one thing can be told alike.

A mail program puts `Re:` before it, in the language of its user; a gateway `[EXTERNAL]`, a help desk its own tag;
one types capitals and three exclamation marks, another a number of an order. The *words* of a subject are what is left
without what the way adds, its *pattern* without what differs from case to case of one kind: it has NUMBER for each number,
date, id and address. Both are fixed points: of themselves they are themselves.

Subjects that anybody could have written about anything (`Help!`, `Urgent request`) say nothing, and give "".
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

SUBJECT_CHARACTERS_READ: Final = 250
"""Of a subject without its prefixes; behind them nobody says something else."""
LETTERS_MIN: Final = 3
"""A subject of fewer letters says nothing; one of a script whose signs are syllables or words counts twice."""
NUMBER: Final = "0"
"""Stands for any other number in a pattern, and so for itself."""

_SYLLABLES_FROM: Final = "\u2e80"
_EDGE: Final = " \t\r\n-\u2013\u2014*!.,;|~>"
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)

# What mail programs write before the subject of an answer or of a mail passed on, in lower case. Each wants its colon,
# or `wg` would be lost from a subject about a flat-share.
_PREFIXES: Final = (
    "re|r|aw|antw|antwort|sv|vs|ynt|yan|odp|atb|res|resp|rif|ref|réf|rép|vá|bls|ang|vast|rv|отв|на|απ|σχετ|השב|תשובה|תגובה|"
    "رد|回复|回覆|答复|答覆|返信|회신|답장|"
    "fw|fwd|wg|wtr|tr|enc|i|inoltra|doorst|vb|vl|ilt|i\u0307lt|iletilen|pd|továbbítás|reenv|trs|fs|пер|пересл|πρθ|העבר|"
    "إعادة توجيه|转发|轉寄|轉發|転送|전달"
)
_PREFIX: Final = re.compile(rf"(?:{_PREFIXES}) ?(?:\^?\d{{1,3}}|\[\d{{1,3}}\]|\(\d{{1,3}}\))? ?:\s*")
_WARNING: Final = re.compile(
    r"[\[({*]*\s*(?:external(?: (?:email|mail|sender))?|externe?|ext|suspected spam|spam\??|caution|secure|bulk)"
    r"\s*(?:[\])}*]+:?|:)\s*"
)
_BRACKETED: Final = re.compile(r"\[([^\[\]]{1,120})\]|\(([a-z][a-z0-9_]{0,20}-\d{1,12})\)")
_TAG: Final = re.compile(r"(?:[a-z][a-z0-9_]{0,20}-)?\d{1,20}|ref:.*:ref|[^#:]{0,64}[#:]\s?[\w./#:-]{0,120}")
"""What a help desk writes between square brackets, so that the answer finds its ticket: it holds a digit."""
_CASE: Final = re.compile(
    r"\b(?:ticket|case|incident|request|vorgang)\s?(?:id|no\.?|nr\.?|number)?\s?[#:]\s?[a-z]{0,10}-?\d{1,20}\b"
    r"|##\s?[a-z]{0,10}\d{1,20}\s?##"
)
_MARKED: Final = re.compile(r"[#:\[({*]")
"""Without any of these there is nothing to take away."""
_ADDRESS: Final = re.compile(r"\b(?:https?://|www\.)\S+|[^\s<>()\"',;:@]{1,64}@[^\s<>()\"',;:@]+")
_ID: Final = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,12}){0,4}\b")
_DIGIT: Final = re.compile(r"\d")
_DIGITS: Final = re.compile(r"\d+")
_NUMBERS: Final = re.compile(rf"\b{NUMBER}(?: {NUMBER})+\b")


def _marks() -> str:
    """Return the vowel signs and accents that stand behind letters, as ranges; for Python they are in no word."""
    codes = [
        code for code in (*range(0x300, 0x3100), *range(0xA000, 0xAC00)) if category(chr(code))[0] == "M"
    ]
    known = set(codes)
    ends = [code for code in codes if code + 1 not in known]
    begins = [code for code in codes if code - 1 not in known]
    return "".join(f"{chr(begin)}-{chr(end)}" for begin, end in zip(begins, ends, strict=True))


_NO_ASCII_WORD: Final = re.compile(r"[^a-z0-9]+")
_NO_WORD: Final = re.compile(rf"(?:_|[^\w{_marks()}])+")


def said(subject: str) -> tuple[str, str]:
    """Return the words and the pattern of `subject`; each is "" if it says nothing."""
    text = _bare(_folded(subject))
    words = _plain(text)
    return _if_telling(words), _if_telling(_pattern(text, words))


def _pattern(text: str, words: str) -> str:
    if "@" in text or "://" in text or "www." in text:
        text = _ADDRESS.sub(NUMBER, text)
        words = _plain(text)
    if _DIGIT.search(words) is None:
        return words
    if "-" in text:
        words = _plain(_ID.sub(NUMBER, text))
    words = _DIGITS.sub(NUMBER, _ID.sub(NUMBER, words))
    if not words.isascii():
        words = _ID.sub(NUMBER, words)  # with a digit of another script, which now is one of ours
    return _NUMBERS.sub(NUMBER, words)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Folding may give signs that can be composed anew, and composing some that can be folded.
    text = normalize("NFD", _UNSEEN.sub("", text)).casefold()
    return normalize("NFKC", normalize("NFKC", text).casefold())


# Words that add nothing to what a subject says: articles, possessives, politeness and pressure. No negation, no wish, and
# nothing that is an abbreviation in another language (`os`, `as`, `est`).
_FILLING: Final = frozenset(
    _folded(
        "a an the is are was my our your please pls plz kindly urgent urgently asap important hi hello hey dear thanks thank you "
        "der die das den dem ein eine einen mein meine unser unsere ist sind bitte dringend eilt wichtig hallo danke "
        "le la les l un une mon ma mes notre nos svp bonjour merci el los las una mis nuestro nuestra es está por favor hola "
        "urgente gracias um uma meu minha é olá obrigado obrigada il lo gli i mio mia nostro nostra è sono per favore ciao "
        "buongiorno grazie de het een mijn onze aub spoed en ett min vår är er hej hei haster takk tak tack proszę pilne "
        "пожалуйста срочно здравствуйте мой моя lütfen acil merhaba"
    ).split()
)

# Words of which alone a subject says nothing. Among others they count like any.
_GENERIC: Final = frozenset(
    _folded(
        # English
        "a an the i we you my our your me it is in on of to for with and or new no subject none untitled hi hello hey dear "
        "team all please pls thanks thank help needed need support service question questions query inquiry enquiry request "
        "requests issue issues problem problems error trouble ticket tickets case incident urgent asap important attention "
        "info information message mail email contact feedback test testing update follow up followup customer user this "
        "quick general other misc na n re fw fwd reply answer "
        # German
        "kein keine ohne betreff hallo guten tag morgen anfrage anfragen frage fragen hilfe bitte problem probleme fehler "
        "störung dringend wichtig eilt nachricht kontakt kontaktformular kontaktanfrage eine ein neue neuer neues "
        # French
        "sans objet sujet bonjour demande question aide problème problèmes erreur besoin svp merci urgence information "
        "renseignement une un nouvelle nouveau d de du des "
        # Spanish, Portuguese
        "sin asunto hola consulta pregunta ayuda problema problemas error solicitud urgente soporte necesito una nueva "
        "sem assunto olá ola bom dia pergunta dúvida ajuda suporte pedido solicitação erro preciso uma nova por favor "
        # Italian
        "nessun oggetto senza ciao buongiorno richiesta domanda aiuto assistenza supporto errore informazioni nuova "
        # Dutch, Swedish, Danish, Norwegian, Finnish
        "geen onderwerp vraag hulp probleem fout verzoek dringend spoed ingen inget ämne emne hej hei hjälp hjælp hjelp fråga "
        "spørgsmål spørsmål problemer fel fejl feil viktigt vigtigt viktig ei aihetta apua kysymys ongelma kiireellinen "
        # Polish, Czech, Turkish, Russian, Ukrainian, Greek
        "brak tematu dzień dobry pytanie pomoc prośba zgłoszenie pilne błąd bez předmětu dotaz pomoc problém žádost konu yok "
        "merhaba soru yardım sorun talep acil destek без темы здравствуйте вопрос помощь помогите проблема ошибка запрос срочно "  # noqa: RUF001 - Turkish
        "питання допомога терміново χωρίς θέμα ερώτηση βοήθεια πρόβλημα επείγον "
        # Hebrew, Arabic, Chinese, Japanese, Korean
        "ללא נושא שאלה עזרה בעיה דחוף בדיקה بدون موضوع سؤال مساعدة مشكلة عاجل اختبار 无主题 無主題 主题 问题 問題 帮助 幫助 求助 咨询 諮詢 "
        "测试 測試 紧急 緊急 件名なし 無題 質問 お問い合わせ 問い合わせ お問合せ ヘルプ テスト 至急 제목 없음 질문 문의 도움 문제 테스트 긴급"
    ).split()
)


def _bare(text: str) -> str:
    """Return `text`, folded, without tags anywhere and without prefixes and warnings in front."""
    if _MARKED.search(text) is None:
        return text.lstrip(_EDGE)[:SUBJECT_CHARACTERS_READ]
    text = _CASE.sub(" ", _BRACKETED.sub(_if_no_tag, text))
    while True:
        text = text.lstrip(_EDGE)
        found = _PREFIX.match(text) or _WARNING.match(text)
        if found is None:
            return text[:SUBJECT_CHARACTERS_READ]
        text = text[found.end() :]


def _if_no_tag(found: re.Match[str]) -> str:
    inside = found[1]
    is_tag = inside is None or (
        _DIGIT.search(inside) is not None and _TAG.fullmatch(inside.strip()) is not None
    )
    return " " if is_tag else found[0]


def _plain(text: str) -> str:
    words = (_NO_ASCII_WORD if text.isascii() else _NO_WORD).sub(" ", text).split()
    return " ".join([word for word in words if word not in _FILLING])


def _if_telling(text: str) -> str:
    letters = 0
    for word in text.split(" "):
        if word not in _GENERIC and not word.isdigit():
            letters += len(word) if word.isascii() else sum(1 + (sign >= _SYLLABLES_FROM) for sign in word)
            if letters >= LETTERS_MIN:
                return text
    return ""

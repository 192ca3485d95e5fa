"""Mails made up for the tests."""

from __future__ import annotations


def letter(
    *,
    id: str = "",
    sender: str = "ann@customer.example",
    to: str = "support@example.org",
    subject: str = "Printer",
    answers: str = "",
    references: str = "",
    more: str = "",
    text: str = "It burns.",
) -> bytes:
    """Return a mail; `answers` and `references` are Message-IDs without brackets, `more` are whole lines."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", "Date: Mon, 7 Jan 2030 10:00:00 +0000"]
    lines += [f"Message-ID: <{id}>"] if id else []
    lines += [f"In-Reply-To: <{answers}>"] if answers else []
    lines += ["References: " + "\r\n\t".join(f"<{one}>" for one in references.split())] if references else []
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n" + text + "\r\n").encode()

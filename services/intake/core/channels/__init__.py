"""What a chat, a call, a form, a messenger or a social network shows beside the ticket (docs/channels.md)."""

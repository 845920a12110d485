"""The stage `read`: tables of every usual form become records."""

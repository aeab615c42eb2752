"""What becomes of a finished run: figures, tables, a report, a suggestion, an export."""

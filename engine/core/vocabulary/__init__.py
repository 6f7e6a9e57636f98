"""The words of the house as frozen structs. One word, one meaning: see `docs/reference/glossary.md`."""

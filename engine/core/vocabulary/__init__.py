"""The words of the house as frozen structs. One word, one meaning: the glossary is `docs/reference/glossary.md`."""

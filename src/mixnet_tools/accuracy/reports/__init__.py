"""The figures of an evaluation: computed from the answers, and written as a table, JSON, JUnit XML, Markdown, HTML."""

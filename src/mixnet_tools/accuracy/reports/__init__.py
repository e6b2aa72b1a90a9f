"""The result of an evaluation as a value, a table, JUnit XML, Markdown and an HTML page."""

"""What is shown of a run: tables, figures, the page, the comment on a pull request."""

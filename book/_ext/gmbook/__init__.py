"""The machinery of the book: runs, numbers, figures, pages, the plain edition. See CONTRIBUTING.md."""

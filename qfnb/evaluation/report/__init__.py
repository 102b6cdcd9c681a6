"""The evaluation report: its data and tables, and its forms as HTML, Excel and JSON."""

"""What a run has found: its folder, tables, stored predictions, scores, and all of it as evidence."""

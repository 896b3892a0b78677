"""What a run has found: its folder, tables, stored predictions and scores."""

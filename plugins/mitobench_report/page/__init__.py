"""The ``html`` reporter: a leaderboard with charts, pictures and provenance as one page that needs no network."""

"""From tables of results to leaderboards: estimates, intervals, ranks, tests, badges, comparisons."""

"""What trainers share, and the training that experiments and sweeps ask for."""

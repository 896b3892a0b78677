"""Pictures for the verbs ``figures`` and ``show``: boards of image panels, and charts of scores. Only here is matplotlib imported."""

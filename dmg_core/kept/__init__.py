"""Models as they are kept for a start without torch: what is needed to step them, and static parameters of catchments.

One file beside the configurations of a run holds them (:mod:`dmg_core.kept.file`), with what they belong to
(:mod:`dmg_core.kept.belonging`); :mod:`dmg_core.kept.forms` writes models down.
"""

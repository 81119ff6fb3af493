"""Semi-supervised training on somebody's own videos, from a lifter that is there already.

As in the paper (section 5.3) every step joins a labelled and an unlabelled batch. Unlabelled are
the 2D tracks of the videos. Labelled are, where no motion capture is given, the poses that the
starting lifter sees in these videos, turned into exact pairs: see `pairs`.
"""

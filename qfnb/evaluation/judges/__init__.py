"""Models as judges: absolute scores, pairwise verdicts, agreement."""

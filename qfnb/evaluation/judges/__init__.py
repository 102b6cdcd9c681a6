"""Models as judges: points for single answers, preferences between two, and how far judges
agree.
"""

"""From what a lifter answers to people in a room: bones, place, ground, trust."""

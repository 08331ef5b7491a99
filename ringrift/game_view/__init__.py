"""A recorded game to look at: its positions, their drawings, the page around them, and JSON.

All of it is pure: terminals and files are the business of `ringrift.commands`.
"""

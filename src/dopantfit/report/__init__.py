"""The page that people read, out of the records that the other steps left: figures, tables, a verdict; no new physics.

`records` reads them, `findings` puts them into words, the figures draw them, `page` writes the one HTML file.
"""

"""
The views that ship with the data, one file each: `answers.sql` holds the query of the view `answers`.

A query is written in DuckDB's dialect and rendered for the destination. It names the tables of `tables.schema`, and
other views, by their plain names, and writes each column with the alias of its table. A file opens with what its
readers have to know:

    -- grain: what a row is
    -- key: the columns that tell its rows apart
    -- units: a line for each column that is computed here: what it holds, in which unit (`none`: no such column)
    -- caveats: what a reader may trip over
    -- needs: the tables of which one has to exist before the view is made; any other may be missing and counts as empty

The views' pages in docs/tables.md are made of these lines.
"""

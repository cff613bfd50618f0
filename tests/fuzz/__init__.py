"""Damaged and odd inputs by the thousand, each in a process of its own.

    python -m tests.fuzz PNG:3:17          one input again: KIND:SERIES:NUMBER
    python -m tests.fuzz PNG:icc           a seed that is not damaged: KIND:NAME
    make fuzz N=200 SERIES=1               200 of each kind, resumed where they were stopped

`pictures`, `videos`, `texts` and `models` make small files by code: the seeds. `mutations` damages
them; `blocks` tells it where their blocks are. `ways` gives the file to the program through its
real commands, in a process that `processes` forks and watches, and judges what came of it.

The rule: a right output, or one line and an exit code that is not 0. Never a signal, a traceback,
a file that is half written, or a process or temporary file left behind. `processes` states the
bounds of time and memory.
"""

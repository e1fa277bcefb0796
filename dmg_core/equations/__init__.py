"""The equation compiler: machine code, reverse and Jacobian of any process model, from its step as an ordinary PyTorch function.

:mod:`tape` traces, :mod:`rules` say what each operation is forward and in reverse, :mod:`source` writes code;
:mod:`stepping`, :mod:`series` and :mod:`jacobian` run it.
"""

"""One folder per backend: how it compiles, opens, checks and describes its engines.

A backend is a class after the protocol in `backend.py`, in its folder's `__init__.py`, and a line
in `table.py`. Nothing outside this folder and `ltp_deploy.targets` asks which backend it is.
"""

"""WHAT TRAVELS: the records of Qianfan's HTTP API and the table of its endpoints. No I/O happens
here.
"""

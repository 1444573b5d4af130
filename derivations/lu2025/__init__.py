"""Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751.

Asymptotic theory of in-context learning by linear attention: one file per section.
"""

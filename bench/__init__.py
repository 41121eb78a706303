"""The measurements behind every figure in the project's README; how to run them: bench/README.md.

The application imports nothing from here. Services are measured as processes of their own, over
HTTP; only generate.py, costs.py, soak.py and peers/fulfilment.py import parts of Daybook.
"""

"""Synthetic raw streams of any size with known truth: `generate_log(folder, spec)`.

Made block by block, so memory does not grow with the log; the same spec gives the same bytes.
"""

from flows.generate.spec import GenerateSpec, Truth
from flows.generate.write import generate_log

__all__ = ["GenerateSpec", "Truth", "generate_log"]

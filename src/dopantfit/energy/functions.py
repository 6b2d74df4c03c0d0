"""The two transcendental functions of the pair sums, written so that LLVM can vectorise loops over them.

A call into the mathematics library in the innermost loop keeps the compiler from using vector registers,
so ``exp`` and ``erfcx`` stand here as polynomials. Both are good to 2e-13 relative (tests compare them with scipy).
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

#: Flags that let LLVM reorder sums (needed to vectorise them) but keep NaN and infinity intact.
FASTMATH = {"reassoc", "nsz", "contract", "arcp"}
#: Of functions that stand in the loops of kernels.
INLINE: dict[str, Any] = {"inline": "always", "fastmath": FASTMATH, "error_model": "numpy"}

_DOUBLE = ir.DoubleType()
_INT64 = ir.IntType(64)
# Adding 1.5 * 2**52 to a small integer-valued double leaves that integer in the low bits of the sum.
_INTEGER_SHIFTER = 6755399441055744.0


@intrinsic
def _floor(typing_context: Any, x: Any) -> Any:
    """Floor of a double as a double (``math.floor`` gives an integer, which costs a conversion)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.floor", [_DOUBLE]), arguments)

    return types.float64(types.float64), generate


@intrinsic
def _power_of_two(typing_context: Any, n: Any) -> Any:
    """2**n for an integer-valued double n, built by writing the exponent bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shifted = builder.fadd(arguments[0], ir.Constant(_DOUBLE, _INTEGER_SHIFTER))
        bits = builder.shl(builder.bitcast(shifted, _INT64), ir.Constant(_INT64, 52))
        return builder.bitcast(builder.add(bits, ir.Constant(_INT64, 1023 << 52)), _DOUBLE)

    return types.float64(types.float64), generate


@njit(**INLINE)
def exponential(x: float) -> float:
    """exp(x) for x < 700, 2**n times the Taylor series to order 11 on [-ln2/2, ln2/2]; 1e-304 below -700."""
    x = x if x > -700.0 else -700.0
    n = _floor(x * 1.4426950408889634 + 0.5)
    # ln 2 in two parts (Cody and Waite), so that n ln 2 is subtracted without rounding.
    r = x - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10
    p = 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _power_of_two(n)


@njit(**INLINE)
def scaled_erfc(x: float) -> float:
    """exp(x²) erfc(x) for 0 <= x <= 6.

    Degree 14 in u = 1.5 (x-3)/(x+3) + 0.5, which maps [0, 6] on [-1, 1]. The coefficients are those of the
    Chebyshev fit with weight 1/f on 400 Chebyshev nodes
    (``numpy.polynomial.chebyshev.chebfit(u, f, 14, w=1/f)`` with f from ``scipy.special.erfcx``, then ``cheb2poly``).
    """
    u = 1.5 * ((x - 3.0) / (x + 3.0)) + 0.5
    p = 1.4195036578191434e-09
    p = p * u - 1.1461664716917376e-08
    p = p * u - 3.651570670307329e-08
    p = p * u + 2.2346336223440124e-07
    p = p * u + 8.139935502795202e-07
    p = p * u - 4.52975758147106e-06
    p = p * u - 1.5155222734272927e-05
    p = p * u + 0.0001271631438348275
    p = p * u + 7.012579136963312e-05
    p = p * u - 0.003956151440344185
    p = p * u + 0.023308261156315752
    p = p * u - 0.08162684514948555
    p = p * u + 0.20143885682376353
    p = p * u - 0.36815156489793194
    p = p * u + 0.32158541645427424
    return p

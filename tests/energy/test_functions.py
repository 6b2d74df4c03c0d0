import numpy as np
from numba import njit
from scipy.special import erfcx

from dopantfit.energy.functions import exponential, scaled_erfc


@njit
def _exponentials(x):
    return np.array([exponential(value) for value in x])


@njit
def _scaled_erfcs(x):
    return np.array([scaled_erfc(value) for value in x])


def test_exponential_is_exp_over_its_whole_range():
    x = np.concatenate([np.linspace(-700, 700, 20001), np.linspace(-1, 1, 2001)])
    # 1e-13: the polynomial is good to 1e-14, and x itself carries 700 ulp of rounding into exp(x).
    np.testing.assert_allclose(_exponentials(x), np.exp(x), rtol=2e-13)


def test_scaled_erfc_is_scipys_erfcx():
    x = np.linspace(0, 6, 20001)
    np.testing.assert_allclose(_scaled_erfcs(x), erfcx(x), rtol=2e-13)

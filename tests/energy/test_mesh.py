"""The particle mesh of the smooth part of the Ewald sum."""

import numpy as np
import pytest

from dopantfit.energy.mesh import ORDER, spline_weights


def test_spline_weights_sum_to_one_and_their_slopes_to_zero():
    for fraction in (0.0, 0.3, 0.99):
        weights, slopes = np.empty(ORDER), np.empty(ORDER)
        spline_weights(fraction, weights, slopes)
        assert weights.sum() == pytest.approx(1.0, abs=1e-14) and slopes.sum() == pytest.approx(0.0, abs=1e-14)
        # The mean of a B-spline of order n is n/2: positions are kept.
        assert (weights * (fraction + np.arange(ORDER))).sum() == pytest.approx(ORDER / 2, abs=1e-13)

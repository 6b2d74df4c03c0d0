"""Quantiles are those of printed tables, and distributions meet in their limits."""

from math import inf

import pytest

from dopantfit.statistics import ONE_SIDED_95, TWO_SIDED_95, chi_squared_quantile, chi_squared_tail, student_quantile
from dopantfit.statistics.quantiles import f_quantile


@pytest.mark.parametrize(("freedom", "table"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (10, 2.2281), (inf, 1.9600)])
def test_student_quantiles_are_those_of_the_table(freedom, table):
    assert student_quantile(freedom) == pytest.approx(table, abs=5e-5)


@pytest.mark.parametrize(
    ("probability", "freedom", "table"), [(0.95, 2, 5.9915), (0.05, 10, 3.9403), (0.975, 1, 5.0239), (0.99, 30, 50.892)]
)
def test_chi_squared_quantiles_are_those_of_the_table(probability, freedom, table):
    found = chi_squared_quantile(probability, freedom)
    assert found == pytest.approx(table, rel=2e-5)
    assert chi_squared_tail(found, freedom) == pytest.approx(1.0 - probability, rel=1e-9)


def test_the_square_of_a_normal_variable_is_chi_squared_of_one_degree():
    assert TWO_SIDED_95**2 == pytest.approx(chi_squared_quantile(0.95, 1), rel=1e-12)
    assert ONE_SIDED_95**2 == pytest.approx(chi_squared_quantile(0.90, 1), rel=1e-12)


def test_f_of_infinitely_many_degrees_below_is_chi_squared_over_its_degrees():
    assert f_quantile(0.975, 7, 1e9) == pytest.approx(chi_squared_quantile(0.975, 7) / 7, rel=1e-6)

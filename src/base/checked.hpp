// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes that come from a file.
#pragma once

#include <concepts>
#include <initializer_list>

#include "base/result.hpp"

namespace enlarge {

// a * b, or Errc::limit when the product does not fit T.
template <std::integral T>
Result<T> checked_mul(T a, T b) {
    T product;
    if (__builtin_mul_overflow(a, b, &product)) return Error{Errc::limit, "a size overflows"};
    return product;
}

// a + b, or Errc::limit when the sum does not fit T.
template <std::integral T>
Result<T> checked_add(T a, T b) {
    T sum;
    if (__builtin_add_overflow(a, b, &sum)) return Error{Errc::limit, "a size overflows"};
    return sum;
}

// The product of all factors; 1 for none.
template <std::integral T>
Result<T> checked_product(std::initializer_list<T> factors) {
    T product = 1;
    for (const T factor : factors) {
        TRY(product, checked_mul(product, factor));
    }
    return product;
}

}  // namespace enlarge

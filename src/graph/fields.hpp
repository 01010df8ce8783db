// SPDX-License-Identifier: Apache-2.0
// The fields of a plain struct, found by the compiler: what is derived from an operation (its hash, its equality, its
// key) sees a field that is added later without being told.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

namespace enlarge {
namespace fields_detail {

struct Anything {
    template <class T>
    operator T() const;  // never defined: only asked about
};

template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
    return requires { T{(static_cast<void>(I), Anything{})...}; };
}

}  // namespace fields_detail

inline constexpr std::size_t kMostFields = 16;

// How many fields an aggregate without bases and arrays has.
template <class T, std::size_t N = kMostFields + 1>
constexpr std::size_t field_count() {
    if constexpr (N == 0 || fields_detail::takes<T>(std::make_index_sequence<N>()))
        return N;
    else
        return field_count<T, N - 1>();
}

// References to all of them, in order.
template <class T>
auto fields(const T& value) {
    constexpr std::size_t n = field_count<T>();
    static_assert(n <= kMostFields, "one more case is needed below");
    if constexpr (n == 0) {
        return std::tuple<>();
    }
#define ENLARGE_FIELDS(count, ...)         \
    else if constexpr (n == (count)) {     \
        const auto& [__VA_ARGS__] = value; \
        return std::tie(__VA_ARGS__);      \
    }
    ENLARGE_FIELDS(1, a)
    ENLARGE_FIELDS(2, a, b)
    ENLARGE_FIELDS(3, a, b, c)
    ENLARGE_FIELDS(4, a, b, c, d)
    ENLARGE_FIELDS(5, a, b, c, d, e)
    ENLARGE_FIELDS(6, a, b, c, d, e, f)
    ENLARGE_FIELDS(7, a, b, c, d, e, f, g)
    ENLARGE_FIELDS(8, a, b, c, d, e, f, g, h)
    ENLARGE_FIELDS(9, a, b, c, d, e, f, g, h, i)
    ENLARGE_FIELDS(10, a, b, c, d, e, f, g, h, i, j)
    ENLARGE_FIELDS(11, a, b, c, d, e, f, g, h, i, j, k)
    ENLARGE_FIELDS(12, a, b, c, d, e, f, g, h, i, j, k, l)
    ENLARGE_FIELDS(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
    ENLARGE_FIELDS(14, a, b, c, d, e, f, g, h, i, j, k, l, m, o)
    ENLARGE_FIELDS(15, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p)
    ENLARGE_FIELDS(16, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q)
#undef ENLARGE_FIELDS
}

// Calls visit(field) for each.
template <class T, class Visit>
void for_each_field(const T& value, Visit visit) {
    std::apply([&](const auto&... field) { (visit(field), ...); }, fields(value));
}

}  // namespace enlarge

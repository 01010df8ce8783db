// SPDX-License-Identifier: Apache-2.0
// Indexing by signed numbers, which sizes and places of pictures are.
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>

namespace enlarge {

// container[index], which must be there: a negative index is a bug of the caller's, as one beyond the end is.
template <class Container, std::signed_integral Index>
constexpr decltype(auto) at(Container&& container, Index index) {
    return std::forward<Container>(container)[static_cast<std::size_t>(index)];
}

}  // namespace enlarge

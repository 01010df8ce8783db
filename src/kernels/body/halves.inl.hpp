// SPDX-License-Identifier: Apache-2.0

void to_half(const float* x, std::size_t n, Half* out) {
    in_blocks<kWidth>(x, n, out, [](const float* from, Half* to) ENLARGE_INLINE { store(to, load(from)); });
}

void from_half(const Half* x, std::size_t n, float* out) {
    in_blocks<kWidth>(x, n, out, [](const Half* from, float* to) ENLARGE_INLINE { store(to, load(from)); });
}

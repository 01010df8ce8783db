// SPDX-License-Identifier: Apache-2.0

// out[i] from x[i], kBlock at a time by convert(x, out); what is left goes through a padded block.
template <int kBlock, class From, class To, class Convert>
ENLARGE_FORCE_INLINE void in_blocks(const From* x, std::size_t n, To* out, const Convert& convert) {
    std::size_t i = 0;
    for (; i + kBlock <= n; i += kBlock) convert(x + i, out + i);
    if (i == n) return;
    From rest[kBlock] = {};
    To made[kBlock];
    for (std::size_t k = 0; i + k < n; ++k) rest[k] = x[i + k];
    convert(rest, made);
    for (std::size_t k = 0; i + k < n; ++k) out[i + k] = made[k];
}

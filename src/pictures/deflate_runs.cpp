// SPDX-License-Identifier: Apache-2.0
// Deflate blocks of single bytes and runs.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "pictures/deflate.hpp"

namespace enlarge::pictures::deflate {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kBlock = 65504;     // below 65536, the most that a stored block holds
constexpr std::size_t kShortestRun = 16;  // shorter ones cost less as single bytes
constexpr std::size_t kLongestMatch = 258;
constexpr std::size_t kSymbols = 286;  // bytes, the end of the block, lengths of matches
constexpr std::size_t kEnd = 256;
constexpr unsigned kLongestCode = 14;  // deflate allows 15; four of 14 fit beside 7 bits that wait
constexpr std::size_t kLengthSymbols = 19;
constexpr unsigned kLongestLengthCode = 7;

// How a match of 3 to 258 bytes is written.
struct MatchLength {
    std::uint16_t symbol = 0;
    std::uint8_t extra_bits = 0;
    std::uint8_t extra = 0;
};
constexpr std::array<MatchLength, kLongestMatch + 1> match_lengths() {
    std::array<MatchLength, kLongestMatch + 1> table{};
    unsigned length = 3;
    for (unsigned symbol = 257; symbol < 285; ++symbol) {
        const unsigned bits = symbol < 265 ? 0 : (symbol - 261) / 4;
        for (unsigned extra = 0; extra < 1U << bits && length < kLongestMatch; ++extra)
            table[length++] = {static_cast<std::uint16_t>(symbol), static_cast<std::uint8_t>(bits),
                               static_cast<std::uint8_t>(extra)};
    }
    table[kLongestMatch] = {285, 0, 0};
    return table;
}
constexpr auto kMatchLengths = match_lengths();

// Puts bits behind one another, the lowest first, at a place that must have room.
class BitWriter {
public:
    explicit BitWriter(std::byte* to) : to_(to) {}
    // At most 56 bits between two calls of flush().
    void put(std::uint64_t bits, unsigned count) {
        waiting_ |= bits << count_;
        count_ += count;
    }
    void flush() {
        std::memcpy(to_, &waiting_, 8);
        to_ += count_ / 8;
        waiting_ >>= count_ & ~7U;
        count_ &= 7;
    }
    void align() {
        count_ = (count_ + 7) & ~7U;
        flush();
    }
    void bytes(std::span<const std::byte> bytes) {
        std::memcpy(to_, bytes.data(), bytes.size());
        to_ += bytes.size();
    }
    [[nodiscard]] std::byte* end() const { return to_; }

private:
    std::byte* to_;
    std::uint64_t waiting_ = 0;
    unsigned count_ = 0;
};

template <std::size_t n>
struct Code {
    std::array<std::uint8_t, n> lengths{};  // 0: does not occur
    std::array<std::uint32_t, n> words{};  // the bits in the order in which they are written, and the length above them

    void put(BitWriter& out, std::size_t symbol) const { out.put(words[symbol] & 0xffff, words[symbol] >> 16); }
};

// Lengths of Huffman's code for these counts: depths in the tree, which is made of two queues, leaves and inner nodes,
// both sorted. `leaves` are the symbols that occur, at least two.
template <std::size_t n>
unsigned set_lengths(const std::array<std::uint32_t, n>& counts, std::span<const std::uint16_t> leaves, Code<n>& code) {
    std::array<std::uint32_t, 2 * n> weight, parent;
    const std::size_t leaf_count = leaves.size();
    for (std::size_t i = 0; i < leaf_count; ++i) weight[i] = counts[leaves[i]];
    std::size_t leaf = 0, inner = leaf_count;
    const std::size_t nodes = 2 * leaf_count - 1;
    for (std::size_t made = leaf_count; made < nodes; ++made) {
        weight[made] = 0;
        for (int child = 0; child < 2; ++child) {
            const bool take_leaf = leaf < leaf_count && (inner == made || weight[leaf] <= weight[inner]);
            const std::size_t taken = take_leaf ? leaf++ : inner++;
            weight[made] += weight[taken];
            parent[taken] = static_cast<std::uint32_t>(made);
        }
    }
    std::array<std::uint8_t, 2 * n> depth;
    depth[nodes - 1] = 0;
    unsigned deepest = 0;
    for (std::size_t i = nodes - 1; i-- > 0;) {
        depth[i] = static_cast<std::uint8_t>(depth[parent[i]] + 1);
        deepest = std::max<unsigned>(deepest, depth[i]);
        if (i < leaf_count) code.lengths[leaves[i]] = depth[i];
    }
    return deepest;
}

// Numbers codes of the same length in the order of symbols, and turns their bits round as deflate wants them.
template <std::size_t n>
void set_bits(Code<n>& code) {
    std::array<unsigned, 17> next{};
    for (const std::uint8_t length : code.lengths)
        if (length) ++next[length + 1U];
    for (std::size_t length = 1; length < next.size(); ++length) next[length] = (next[length] + next[length - 1]) * 2;
    for (std::size_t symbol = 0; symbol < n; ++symbol) {
        const unsigned length = code.lengths[symbol];
        if (!length) continue;
        unsigned value = next[length]++, turned = 0;
        for (unsigned i = 0; i < length; ++i, value >>= 1) turned = turned << 1 | (value & 1);
        code.words[symbol] = turned | length << 16;
    }
}

// A code for symbols that occur so often, none longer than `longest`. Where the best code has longer ones, rare symbols
// are counted as less rare until it has not.
template <std::size_t n>
Code<n> code_for(std::array<std::uint32_t, n> counts, unsigned longest) {
    Code<n> code;
    std::array<std::uint16_t, n> leaves;
    std::size_t used = 0;
    for (std::size_t symbol = 0; symbol < n; ++symbol)
        if (counts[symbol]) leaves[used++] = static_cast<std::uint16_t>(symbol);
    for (std::size_t symbol = 0; used < 2; ++symbol)  // a code of one symbol is not complete
        if (!counts[symbol]) counts[symbol] = 1, leaves[used++] = static_cast<std::uint16_t>(symbol);
    const auto begin = leaves.begin(), end = begin + static_cast<std::ptrdiff_t>(used);
    for (;;) {
        std::sort(begin, end, [&](std::uint16_t a, std::uint16_t b) {
            return counts[a] != counts[b] ? counts[a] < counts[b] : a < b;
        });
        if (set_lengths(counts, std::span(leaves).first(used), code) <= longest) break;
        for (std::uint32_t& count : counts)
            if (count) count = count / 2 + 1;
    }
    set_bits(code);
    return code;
}

// Equal bytes in a block: all but the first of them.
struct Run {
    std::size_t at, length;
};

std::uint64_t word(const std::byte* at) {
    std::uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

// Calls match(length) and single(count) for the parts of which a run is written.
template <class Match, class Single>
void parts(std::size_t length, const Match& match, const Single& single) {
    while (length >= 3) {
        const std::size_t part = std::min(length, kLongestMatch);
        match(part);
        length -= part;
    }
    if (length) single(length);
}

class Block {
public:
    explicit Block(std::span<const std::byte> bytes) : bytes_(bytes) {
        find_runs();
        count();
    }
    void write(BitWriter& out) const;

private:
    void find_runs();
    void count();
    void write_stored(BitWriter& out) const;
    void write_codes(BitWriter& out, const Code<kSymbols>& code) const;
    void write_singles(BitWriter& to, const Code<kSymbols>& code, std::size_t begin, std::size_t end) const;

    std::span<const std::byte> bytes_;
    std::vector<Run> runs_;
    std::array<std::uint32_t, kSymbols> counts_{};
    std::size_t extra_bits_ = 0;  // of matches: what they take beside their symbols
};

// Every run of kShortestRun or more holds eight equal bytes at a multiple of eight.
void Block::find_runs() {
    const std::byte* const bytes = bytes_.data();
    const std::size_t size = bytes_.size();
    const auto uniform = [&](std::size_t i) { return word(bytes + i) == std::rotl(word(bytes + i), 8); };
    std::size_t free = 0;  // what is not part of a run yet
    for (std::size_t i = 0; i + 8 <= size;) {
        if (i + 32 <= size && !(uniform(i) | uniform(i + 8) | uniform(i + 16) | uniform(i + 24))) {
            i += 32;
            continue;
        }
        if (!uniform(i)) {
            i += 8;
            continue;
        }
        const std::uint64_t here = word(bytes + i);
        std::size_t begin = i, end = i + 8;
        while (begin > free && bytes[begin - 1] == bytes[i]) --begin;
        while (end + 8 <= size && word(bytes + end) == here) end += 8;
        while (end < size && bytes[end] == bytes[i]) ++end;
        if (end - begin >= kShortestRun) {
            runs_.push_back({begin + 1, end - begin - 1});
            free = end;
        }
        i = (end + 7) & ~std::size_t{7};
    }
}

void Block::count() {
    std::array<std::array<std::uint32_t, 256>, 4> four{};  // so that equal neighbours do not wait for one another
    const auto singles = [&](std::size_t begin, std::size_t end) {
        for (; begin + 8 <= end; begin += 8) {
            std::uint64_t bytes = word(bytes_.data() + begin);
            for (std::size_t k = 0; k < 8; ++k, bytes >>= 8) ++four[k % 4][bytes & 0xff];
        }
        for (; begin < end; ++begin) ++four[0][static_cast<std::size_t>(bytes_[begin])];
    };
    std::size_t from = 0;
    for (const Run& run : runs_) {
        singles(from, run.at);
        from = run.at + run.length;
        parts(
            run.length,
            [&](std::size_t length) {
                ++counts_[kMatchLengths[length].symbol];
                extra_bits_ += kMatchLengths[length].extra_bits + 1U;
            },
            [&](std::size_t count) {
                four[0][static_cast<std::size_t>(bytes_[run.at])] += static_cast<std::uint32_t>(count);
            });
    }
    singles(from, bytes_.size());
    for (std::size_t i = 0; i < 256; ++i) counts_[i] = four[0][i] + four[1][i] + four[2][i] + four[3][i];
    counts_[kEnd] = 1;
}

// The lengths of both codes as the header of a block holds them.
class Header {
public:
    explicit Header(const Code<kSymbols>& code) {
        symbols_ = kSymbols;
        while (symbols_ > 257 && code.lengths[symbols_ - 1] == 0) --symbols_;
        std::vector<std::uint8_t> lengths(code.lengths.begin(),
                                          code.lengths.begin() + static_cast<std::ptrdiff_t>(symbols_));
        lengths.push_back(1);  // the one distance
        pack(lengths);
        std::array<std::uint32_t, kLengthSymbols> counts{};
        for (const Part& part : parts_) ++counts[part.symbol];
        code_ = code_for(counts, kLongestLengthCode);
        while (orders_ > 4 && code_.lengths[kOrder[orders_ - 1]] == 0) --orders_;
    }
    [[nodiscard]] std::size_t bits() const {
        std::size_t sum = 17 + 3 * orders_;
        for (const Part& part : parts_) sum += code_.lengths[part.symbol] + extra(part.symbol);
        return sum;
    }
    void write(BitWriter& out) const {
        out.put(0b100, 3);  // not the last; codes of its own
        out.put(symbols_ - 257, 5);
        out.put(0, 5);
        out.put(orders_ - 4, 4);
        out.flush();
        for (std::size_t i = 0; i < orders_; ++i) out.put(code_.lengths[kOrder[i]], 3), out.flush();
        for (const Part& part : parts_) {
            code_.put(out, part.symbol);
            out.put(part.more, extra(part.symbol));
            out.flush();
        }
    }

private:
    static constexpr std::array<std::uint8_t, kLengthSymbols> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                                        11, 4,  12, 3, 13, 2, 14, 1, 15};
    struct Part {
        std::uint8_t symbol, more;
    };
    static unsigned extra(std::uint8_t symbol) { return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7; }

    void pack(const std::vector<std::uint8_t>& lengths) {
        for (std::size_t i = 0; i < lengths.size();) {
            std::size_t same = 1;
            while (i + same < lengths.size() && lengths[i + same] == lengths[i]) ++same;
            std::size_t left = same;
            const auto take = [&](std::uint8_t symbol, std::size_t least, std::size_t most) {
                while (left >= least) {
                    const std::size_t part = std::min(left, most);
                    parts_.push_back({symbol, static_cast<std::uint8_t>(part - least)});
                    left -= part;
                }
            };
            if (lengths[i] == 0) {
                take(18, 11, 138);
                take(17, 3, 10);
            } else {
                parts_.push_back({lengths[i], 0});
                --left;
                take(16, 3, 6);
            }
            for (; left; --left) parts_.push_back({lengths[i], 0});
            i += same;
        }
    }

    std::vector<Part> parts_;
    Code<kLengthSymbols> code_;
    std::size_t symbols_, orders_ = kLengthSymbols;
};

void Block::write_stored(BitWriter& out) const {
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    out.put(0, 3);
    out.align();
    out.put(size, 16);
    out.put(~size & 0xffff, 16);
    out.flush();
    out.bytes(bytes_);
}

void Block::write_singles(BitWriter& to, const Code<kSymbols>& code, std::size_t begin, std::size_t end) const {
    BitWriter out = to;  // in registers: what it writes could be anything, itself included
    const std::byte* at = bytes_.data() + begin;
    const std::byte* const last = bytes_.data() + end;
    const auto put = [&](std::byte byte) { code.put(out, static_cast<std::size_t>(byte)); };
    for (; last - at >= 4; at += 4) {
        put(at[0]), put(at[1]), put(at[2]), put(at[3]);
        out.flush();
    }
    for (; at < last; ++at) put(*at), out.flush();
    to = out;
}

void Block::write_codes(BitWriter& out, const Code<kSymbols>& code) const {
    std::size_t from = 0;
    for (const Run& run : runs_) {
        write_singles(out, code, from, run.at);
        from = run.at + run.length;
        parts(
            run.length,
            [&](std::size_t length) {
                const MatchLength& match = kMatchLengths[length];
                code.put(out, match.symbol);
                out.put(match.extra, match.extra_bits);
                out.put(0, 1);  // one byte back
                out.flush();
            },
            [&](std::size_t count) { write_singles(out, code, run.at, run.at + count); });
    }
    write_singles(out, code, from, bytes_.size());
    code.put(out, kEnd);
    out.flush();
}

void Block::write(BitWriter& out) const {
    const Code<kSymbols> code = code_for(counts_, kLongestCode);
    const Header header(code);
    std::size_t bits = header.bits() + extra_bits_;
    for (std::size_t symbol = 0; symbol < kSymbols; ++symbol)
        bits += std::size_t{counts_[symbol]} * code.lengths[symbol];
    if (bits / 8 >= bytes_.size()) return write_stored(out);
    header.write(out);
    write_codes(out, code);
}

}  // namespace

void append_runs(std::span<const std::byte> piece, Bytes& out) {
    const std::size_t begin = out.size();
    // No block is longer than a stored one; behind all there is an empty one, and flush() writes eight bytes.
    out.resize(begin + piece.size() + (piece.size() / kBlock + 2) * 6 + 8);
    BitWriter bits(out.data() + begin);
    while (!piece.empty()) {
        const std::size_t size = std::min(piece.size(), kBlock);
        Block(piece.first(size)).write(bits);
        piece = piece.subspan(size);
    }
    bits.put(0, 3);  // an empty stored block ends at a byte's boundary
    bits.align();
    bits.put(0xffff0000U, 32);
    bits.flush();
    out.resize(static_cast<std::size_t>(bits.end() - out.data()));
}

}  // namespace enlarge::pictures::deflate

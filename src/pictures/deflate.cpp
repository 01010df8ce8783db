// SPDX-License-Identifier: Apache-2.0
// Photographs, filtered, repeat nothing but by chance: zlib looks for repetitions at 10 MB/s, and what it finds makes
// the result larger than codes for single bytes do, which take a fiftieth of the time. Drawings and screenshots do
// repeat. So each piece is written in one of two ways, and a sample of it says in which: first whether anything but
// runs comes again at all (a fifth of the time of all this was zlib's, for pieces where nothing does), then both ways.
#include "pictures/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

namespace enlarge::pictures {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kWindow = 32768;  // how far back deflate reaches
constexpr std::size_t kSample = 8192;
constexpr std::size_t kWorth = 20;     // repetitions must save a 20th of the result to be worth ten times the time
constexpr std::size_t kPossible = 48;  // and may do so where a 48th seems to be saved: the guess is low for short ones
constexpr int kLevel = 5;

// What repetitions in the end of a piece save, at most about: eight bytes or more that stood before it as well. Every
// fourth place of the window before is known, so that all of eleven bytes are found and most of those from eight on.
class Repetitions {
public:
    // In bits, for the last `size` bytes.
    std::size_t savings(std::span<const std::byte> bytes, std::size_t size) {
        weigh(bytes.last(size));
        places_.fill(0);
        const std::size_t begin = bytes.size() - size, window = begin > kWindow ? begin - kWindow : 0;
        for (std::size_t i = window; i + kLength <= begin; i += kStep)
            place(bytes, i) = static_cast<std::uint32_t>(i + 1);
        std::size_t saved = 0;
        for (std::size_t i = begin; i + kLength <= bytes.size();) {
            std::uint32_t& known = place(bytes, i);
            const std::size_t before = known;
            known = static_cast<std::uint32_t>(i + 1);
            const std::size_t length = before ? same(bytes, before - 1, i) : 0;
            const std::size_t bits = length >= kLength ? bits_of(bytes.subspan(i, length)) : 0;
            const bool saves = bits > kMatchBits;
            if (saves) saved += bits - kMatchBits;
            i += saves ? length : 1;
        }
        return saved >> kFraction;
    }

private:
    static constexpr std::size_t kLength = 8, kStep = 4, kLongest = 64;
    static constexpr unsigned kFraction = 8;  // bits are counted in parts of 256: whole numbers are the same everywhere
    static constexpr std::size_t kMatchBits = 18U << kFraction;  // length and distance, where they are cheap
    static constexpr unsigned kBits = 13;

    std::uint32_t& place(std::span<const std::byte> bytes, std::size_t at) {
        return places_[word(bytes, at) * 0x9e3779b97f4a7c15U >> (64 - kBits)];
    }
    // The logarithm to base 2, in parts, a chord instead of each piece of the curve.
    static std::size_t log2(std::size_t number) {
        const auto whole = static_cast<unsigned>(std::bit_width(number)) - 1;
        return std::size_t{whole} << kFraction | (((number << kFraction) >> whole) & ((1U << kFraction) - 1));
    }
    // What each byte takes with a code of its own.
    void weigh(std::span<const std::byte> bytes) {
        std::array<std::size_t, 256> counts{};
        for (const std::byte byte : bytes) ++counts[static_cast<std::size_t>(byte)];
        for (std::size_t i = 0; i < 256; ++i) bits_[i] = counts[i] ? log2(bytes.size()) - log2(counts[i]) : 0;
    }
    [[nodiscard]] std::size_t bits_of(std::span<const std::byte> bytes) const {
        std::size_t sum = 0;
        for (const std::byte byte : bytes) sum += bits_[static_cast<std::size_t>(byte)];
        return sum;
    }
    // How many are the same from both places on, kLongest at most: in flat pictures every place would be followed far.
    static std::size_t same(std::span<const std::byte> bytes, std::size_t a, std::size_t b) {
        const std::size_t most = std::min(kLongest, bytes.size() - b);
        std::size_t length = 0;
        while (length + 8 <= most && word(bytes, a + length) == word(bytes, b + length)) length += 8;
        while (length < most && bytes[a + length] == bytes[b + length]) ++length;
        return length;
    }
    static std::uint64_t word(std::span<const std::byte> bytes, std::size_t at) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        return word;
    }
    std::array<std::uint32_t, std::size_t{1} << kBits> places_;
    std::array<std::size_t, 256> bits_;
};

Bytef* zlib_bytes(std::span<const std::byte> bytes) {
    return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

std::span<const std::byte> last(std::span<const std::byte> bytes, std::size_t most) {
    return bytes.last(std::min(bytes.size(), most));
}

}  // namespace

struct Deflater::State {
    z_stream stream = {};
    Bytes sample, other;
    Repetitions repetitions;

    State() {
        if (::deflateInit2(&stream, kLevel, Z_DEFLATED, -15, 8, Z_FILTERED) != Z_OK) throw std::bad_alloc();
    }
    ~State() { ::deflateEnd(&stream); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // zlib's way.
    void append_matches(std::span<const std::byte> before, std::span<const std::byte> piece, Bytes& out) {
        ::deflateReset(&stream);
        before = last(before, kWindow);
        if (!before.empty()) ::deflateSetDictionary(&stream, zlib_bytes(before), static_cast<uInt>(before.size()));
        const std::size_t begin = out.size();
        out.resize(begin + ::deflateBound(&stream, static_cast<uLong>(piece.size())) + 16);
        stream.next_in = zlib_bytes(piece);
        stream.avail_in = static_cast<uInt>(piece.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + begin);
        stream.avail_out = static_cast<uInt>(out.size() - begin);
        ::deflate(&stream, Z_SYNC_FLUSH);
        out.resize(out.size() - stream.avail_out);
    }

    // Whether repetitions are worth looking for.
    bool repeats(std::span<const std::byte> piece) {
        const std::size_t size = std::min(piece.size(), kSample), at = (piece.size() - size) / 2;
        sample.clear(), other.clear();
        deflate::append_runs(piece.subspan(at, size), sample);
        if (repetitions.savings(piece.first(at + size), size) < 8 * sample.size() / kPossible) return false;
        append_matches(piece.first(at), piece.subspan(at, size), other);
        return other.size() + other.size() / kWorth < sample.size();
    }
};

Deflater::Deflater() = default;
Deflater::~Deflater() = default;

void Deflater::append(std::span<const std::byte> before, std::span<const std::byte> piece, Bytes& out) {
    if (!state_) state_ = std::make_unique<State>();
    if (state_->repeats(piece))
        state_->append_matches(before, piece, out);
    else
        deflate::append_runs(piece, out);
}

}  // namespace enlarge::pictures

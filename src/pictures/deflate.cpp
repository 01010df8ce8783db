// SPDX-License-Identifier: Apache-2.0
// Photographs, filtered, repeat nothing but by chance: zlib looks for repetitions at 10 MB/s, and what it finds makes
// the result larger than codes for single bytes do, which take a fiftieth of the time. Drawings and screenshots do
// repeat. So each piece is written in one of two ways, and a sample of it says in which.
#include "pictures/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace enlarge::pictures {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kWindow = 32768;  // how far back deflate reaches
constexpr std::size_t kSample = 8192;
constexpr std::size_t kWorth = 24;  // repetitions must save a 24th of the result to be worth ten times the time
constexpr int kLevel = 5;

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

// SPDX-License-Identifier: Apache-2.0
#include "media/sha256.hpp"

#include <cstdint>
#include <new>

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

namespace enlarge::media {

void Sha256::Free::operator()(AVSHA* state) const { av_free(state); }

Sha256::Sha256() : state_(av_sha_alloc()) {
    if (!state_) throw std::bad_alloc();
    av_sha_init(state_.get(), 256);
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::add(const void* data, std::size_t size) {
    av_sha_update(state_.get(), static_cast<const std::uint8_t*>(data), size);
}

std::string Sha256::hex() {
    std::uint8_t digest[32];
    av_sha_final(state_.get(), digest);
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

}  // namespace enlarge::media

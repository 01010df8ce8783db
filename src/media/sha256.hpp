// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes as they come.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

struct AVSHA;

namespace enlarge::media {

class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();
    void add(const void* data, std::size_t size);
    // Lower-case hex of all that was added; nothing may be added any more.
    std::string hex();

private:
    struct Free {
        void operator()(AVSHA* state) const;
    };
    std::unique_ptr<AVSHA, Free> state_;
};

}  // namespace enlarge::media

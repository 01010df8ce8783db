// SPDX-License-Identifier: Apache-2.0
// Animated WebP, which FFmpeg's libraries of Debian 12 cannot decode: libwebp composes the frames, and a reader of NUT gets
// them as raw RGBA. For .cpp files of this module only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/limits.hpp"
#include "base/result.hpp"

struct AVIOContext;

namespace enlarge::media {

class WebpAnimation {
public:
    // Fails with Errc::format or Errc::limit.
    static Result<std::unique_ptr<WebpAnimation>> open(const std::string& path, const Limits& limits);
    ~WebpAnimation();

    // A NUT stream that is made as it is read, in milliseconds. Belongs to this object.
    [[nodiscard]] AVIOContext* io() const;
    [[nodiscard]] std::int64_t frames() const;
    [[nodiscard]] int plays() const;  // 0 = for ever
    // The display time of the frame that begins at `pts_ms`, which has been read; 0 if there is none. In order of time.
    std::int64_t duration_ms(std::int64_t pts_ms);

private:
    struct State;
    WebpAnimation() = default;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::media

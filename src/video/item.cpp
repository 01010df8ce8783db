// SPDX-License-Identifier: Apache-2.0
#include "video/item.hpp"

#include <algorithm>

namespace enlarge::video {

std::optional<FrameWindow> WindowReader::next() {
    const auto before = static_cast<std::size_t>(reach_.before), after = static_cast<std::size_t>(reach_.after);
    while (!ended_ && items_.size() <= next_ + after) {
        auto item = queue_.pop();
        if (item) items_.push_back(std::move(*item));
        else ended_ = true;
    }
    if (next_ >= items_.size()) {
        items_.clear();
        return std::nullopt;
    }
    // Of the frames from here on, none is earlier than next_ - before.
    if (next_ > before) {
        items_.pop_front();
        --next_;
    }
    const std::size_t end = std::min(items_.size(), next_ + after + 1);
    FrameWindow window({items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(end)}, next_);
    ++next_;
    // A frame that nobody looks at again is not kept while its stage waits for the next.
    if (before == 0) {
        items_.pop_front();
        --next_;
    }
    return window;
}

}  // namespace enlarge::video

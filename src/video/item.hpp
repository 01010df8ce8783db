// SPDX-License-Identifier: Apache-2.0
// What travels between the stages of a video.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/at.hpp"
#include "enlarge/image.hpp"
#include "media/frame.hpp"
#include "media/output.hpp"
#include "run/pipeline.hpp"

namespace enlarge::video {

using media::Frame;
using media::Packet;
// Goes back to its pool when nobody looks at it any more.
using PooledImage = std::shared_ptr<Image>;

// One frame on its way.
struct Item {
    std::int64_t number = 0;  // of the output's frames, from 0
    Frame frame;              // as it was decoded; behind the network the frame to encode
    PooledImage picture;      // RGB before or behind the network, where frames go that way
    bool repeat = false;      // its pixels are those of the frame before, whose result is used again
    [[nodiscard]] double time_s() const { return static_cast<double>(frame.pts) * frame.time_base.value(); }
};

// How many of its neighbours a stage looks at beside each frame.
struct Reach {
    int before = 0, after = 0;
};

// A frame with its neighbours.
class FrameWindow {
public:
    FrameWindow(std::vector<Item> items, std::size_t middle) : items_(std::move(items)), middle_(middle) {}
    [[nodiscard]] const Item& frame() const { return items_[middle_]; }
    [[nodiscard]] Item& frame() { return items_[middle_]; }
    // The neighbour so many frames later, or earlier; null before the first frame, after the last, and beyond the
    // reach.
    [[nodiscard]] const Item* at(int offset) const {
        const auto index = static_cast<std::ptrdiff_t>(middle_) + offset;
        const bool there = index >= 0 && index < static_cast<std::ptrdiff_t>(items_.size());
        return there ? &enlarge::at(items_, index) : nullptr;
    }

private:
    std::vector<Item> items_;
    std::size_t middle_;
};

// Reads a queue of frames with their neighbours: each frame is the middle of one window, in order. Holds at most
// before + 1 + after frames.
class WindowReader {
public:
    WindowReader(Queue<Item>& queue, Reach reach) : queue_(queue), reach_(reach) {}
    // Nothing after the last frame, and when the line was stopped.
    std::optional<FrameWindow> next();

private:
    Queue<Item>& queue_;
    Reach reach_;
    std::deque<Item> items_;
    std::size_t next_ = 0;  // in items_
    bool ended_ = false;
};

// What the encoder's stage tells the one that writes.
struct SegmentBegin {
    std::int64_t first = 0;  // frame
    std::shared_ptr<media::VideoTrack> track;
};
struct SegmentEnd {
    std::int64_t frames = 0, last_duration = 0;
};
struct OtherPacket {
    Packet packet;  // as read from the input
};
using Written = std::variant<SegmentBegin, Packet, SegmentEnd, OtherPacket>;

}  // namespace enlarge::video

// SPDX-License-Identifier: Apache-2.0
// What a demuxer had found out at one moment: streams, chapters, tags. A demuxer goes on changing its own (tags arrive
// in the middle of a live stream, streams appear, parameters grow), so whoever looks from another thread looks here.
// For .cpp files of this module only.
#pragma once

#include "media/ffmpeg.hpp"

namespace enlarge::media {

class Snapshot {
public:
    explicit Snapshot(const AVFormatContext& from);
    ~Snapshot() { avformat_free_context(context_); }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    // Takes tags and chapters once more; the streams stay.
    void renew_tags(const AVFormatContext& from);
    [[nodiscard]] const AVFormatContext* av() const { return context_; }

private:
    AVFormatContext* context_ = nullptr;
};

// Adds a copy of `data` to what a container says of a stream.
void add_side_data(AVStream* stream, int type, const void* data, std::size_t size);
// Adds a chapter, without tags.
AVChapter* add_chapter(AVFormatContext* to, const AVChapter& like);

}  // namespace enlarge::media

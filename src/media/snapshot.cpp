// SPDX-License-Identifier: Apache-2.0
#include "media/snapshot.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace enlarge::media {

namespace {

void copy_stream(AVStream* to, const AVStream& from) {
    to->id = from.id;
    to->time_base = from.time_base;
    to->start_time = from.start_time;
    to->duration = from.duration;
    to->nb_frames = from.nb_frames;
    to->disposition = from.disposition;
    to->sample_aspect_ratio = from.sample_aspect_ratio;
    to->avg_frame_rate = from.avg_frame_rate;
    to->r_frame_rate = from.r_frame_rate;
    if (avcodec_parameters_copy(to->codecpar, from.codecpar) < 0) throw std::bad_alloc();
    for (int i = 0; i < from.nb_side_data; ++i)
        add_side_data(to, from.side_data[i].type, from.side_data[i].data, from.side_data[i].size);
    if (from.attached_pic.data && av_packet_ref(&to->attached_pic, &from.attached_pic) < 0) throw std::bad_alloc();
}

void replace_tags(AVDictionary** to, const AVDictionary* from) {
    av_dict_free(to);
    if (av_dict_copy(to, from, 0) < 0) throw std::bad_alloc();
}

}  // namespace

void add_side_data(AVStream* stream, int type, const void* data, std::size_t size) {
    std::uint8_t* copy = av_stream_new_side_data(stream, static_cast<AVPacketSideDataType>(type), size);
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, data, size);
}

AVChapter* add_chapter(AVFormatContext* to, const AVChapter& like) {
    auto* chapter = static_cast<AVChapter*>(av_mallocz(sizeof(AVChapter)));
    auto** list = static_cast<AVChapter**>(av_realloc_array(to->chapters, to->nb_chapters + 1, sizeof(AVChapter*)));
    if (list) to->chapters = list;
    if (!chapter || !list) {
        av_free(chapter);
        throw std::bad_alloc();
    }
    *chapter = {like.id, like.time_base, like.start, like.end, nullptr};
    return to->chapters[to->nb_chapters++] = chapter;
}

Snapshot::Snapshot(const AVFormatContext& from) : context_(avformat_alloc_context()) {
    if (!context_) throw std::bad_alloc();
    context_->max_streams = std::max(context_->max_streams, static_cast<int>(from.nb_streams));
    for (unsigned i = 0; i < from.nb_streams; ++i) {
        AVStream* stream = avformat_new_stream(context_, nullptr);
        if (!stream) throw std::bad_alloc();
        copy_stream(stream, *from.streams[i]);
    }
    renew_tags(from);
}

void Snapshot::renew_tags(const AVFormatContext& from) {
    replace_tags(&context_->metadata, from.metadata);
    for (unsigned i = 0; i < context_->nb_streams && i < from.nb_streams; ++i)
        replace_tags(&context_->streams[i]->metadata, from.streams[i]->metadata);
    while (context_->nb_chapters > 0) {
        AVChapter*& last = context_->chapters[--context_->nb_chapters];
        av_dict_free(&last->metadata);
        av_freep(&last);
    }
    for (unsigned i = 0; i < from.nb_chapters; ++i)
        replace_tags(&add_chapter(context_, *from.chapters[i])->metadata, from.chapters[i]->metadata);
}

}  // namespace enlarge::media

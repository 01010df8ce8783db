// SPDX-License-Identifier: Apache-2.0
// FFmpeg's libraries for files, codecs and filters, loaded when first wanted: with all they stand on they are some 160
// libraries, and to link them to the program would cost every run, also of a picture or --help, a tenth of a second.
// Within this namespace their functions are called by their usual names. libavutil is linked.
#pragma once

#include <atomic>
#include <cstdint>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
}

#include "base/result.hpp"

namespace enlarge::media {

enum class Library { avcodec, avformat, avfilter };

// Makes the functions below callable. Fails, naming the library and the reason, where one cannot be loaded. Thread-safe;
// quick when it has happened already.
Result<void> load_ffmpeg();

// The address of a function in a library; see Late.
void* find_late(Library library, const char* name);

// A function of a library that may not have been loaded yet; the first call of any loads all. Throws std::runtime_error
// with load_ffmpeg()'s words should that fail.
template <class F>
class Late;
template <class R, class... A>
class Late<R(A...)> {
    using Function = R (*)(A...);

public:
    constexpr Late(Library library, const char* name) : library_(library), name_(name) {}
    R operator()(A... args) const { return get()(args...); }
    operator Function() const { return get(); }

private:
    Function get() const {
        void* address = address_.load(std::memory_order_relaxed);
        if (!address) address_.store(address = find_late(library_, name_), std::memory_order_relaxed);
        return reinterpret_cast<Function>(address);
    }

    Library library_;
    const char* name_;
    mutable std::atomic<void*> address_{nullptr};
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of the declarations: results that must be looked at
#define ENLARGE_LATE(library, name) inline const Late<decltype(::name)> name{Library::library, #name}

ENLARGE_LATE(avcodec, av_get_exact_bits_per_sample);
ENLARGE_LATE(avcodec, av_new_packet);
ENLARGE_LATE(avcodec, av_packet_alloc);
ENLARGE_LATE(avcodec, av_packet_clone);
ENLARGE_LATE(avcodec, av_packet_free);
ENLARGE_LATE(avcodec, av_packet_get_side_data);
ENLARGE_LATE(avcodec, av_packet_new_side_data);
ENLARGE_LATE(avcodec, av_packet_ref);
ENLARGE_LATE(avcodec, av_packet_rescale_ts);
ENLARGE_LATE(avcodec, avcodec_alloc_context3);
ENLARGE_LATE(avcodec, avcodec_decode_subtitle2);
ENLARGE_LATE(avcodec, avcodec_default_get_format);
ENLARGE_LATE(avcodec, avcodec_descriptor_get_by_name);
ENLARGE_LATE(avcodec, avcodec_encode_subtitle);
ENLARGE_LATE(avcodec, avcodec_find_best_pix_fmt_of_list);
ENLARGE_LATE(avcodec, avcodec_find_decoder);
ENLARGE_LATE(avcodec, avcodec_find_decoder_by_name);
ENLARGE_LATE(avcodec, avcodec_find_encoder);
ENLARGE_LATE(avcodec, avcodec_find_encoder_by_name);
ENLARGE_LATE(avcodec, avcodec_free_context);
ENLARGE_LATE(avcodec, avcodec_get_name);
ENLARGE_LATE(avcodec, avcodec_open2);
ENLARGE_LATE(avcodec, avcodec_parameters_copy);
ENLARGE_LATE(avcodec, avcodec_parameters_from_context);
ENLARGE_LATE(avcodec, avcodec_parameters_to_context);
ENLARGE_LATE(avcodec, avcodec_pix_fmt_to_codec_tag);
ENLARGE_LATE(avcodec, avcodec_receive_frame);
ENLARGE_LATE(avcodec, avcodec_receive_packet);
ENLARGE_LATE(avcodec, avcodec_send_frame);
ENLARGE_LATE(avcodec, avcodec_send_packet);
ENLARGE_LATE(avcodec, avcodec_version);
ENLARGE_LATE(avcodec, avsubtitle_free);

ENLARGE_LATE(avformat, av_codec_get_id);
ENLARGE_LATE(avformat, av_codec_get_tag2);
ENLARGE_LATE(avformat, av_find_best_stream);
ENLARGE_LATE(avformat, av_find_input_format);
ENLARGE_LATE(avformat, av_get_frame_filename2);
ENLARGE_LATE(avformat, av_guess_codec);
ENLARGE_LATE(avformat, av_guess_format);
ENLARGE_LATE(avformat, av_guess_frame_rate);
ENLARGE_LATE(avformat, av_interleaved_write_frame);
ENLARGE_LATE(avformat, av_probe_input_format3);
ENLARGE_LATE(avformat, av_read_frame);
ENLARGE_LATE(avformat, av_stream_get_side_data);
ENLARGE_LATE(avformat, av_stream_new_side_data);
ENLARGE_LATE(avformat, av_write_frame);
ENLARGE_LATE(avformat, av_write_trailer);
ENLARGE_LATE(avformat, avformat_alloc_context);
ENLARGE_LATE(avformat, avformat_alloc_output_context2);
ENLARGE_LATE(avformat, avformat_close_input);
ENLARGE_LATE(avformat, avformat_find_stream_info);
ENLARGE_LATE(avformat, avformat_free_context);
ENLARGE_LATE(avformat, avformat_network_init);
ENLARGE_LATE(avformat, avformat_index_get_entries_count);
ENLARGE_LATE(avformat, avformat_index_get_entry);
ENLARGE_LATE(avformat, avformat_new_stream);
ENLARGE_LATE(avformat, avformat_open_input);
ENLARGE_LATE(avformat, avformat_query_codec);
ENLARGE_LATE(avformat, avformat_seek_file);
ENLARGE_LATE(avformat, avformat_version);
ENLARGE_LATE(avformat, avformat_write_header);
ENLARGE_LATE(avformat, avio_alloc_context);
ENLARGE_LATE(avformat, avio_closep);
ENLARGE_LATE(avformat, avio_context_free);
ENLARGE_LATE(avformat, avio_flush);
ENLARGE_LATE(avformat, avio_open2);
ENLARGE_LATE(avformat, avio_seek);
ENLARGE_LATE(avformat, avio_write);

ENLARGE_LATE(avfilter, av_buffersink_get_frame);
ENLARGE_LATE(avfilter, av_buffersink_get_time_base);
ENLARGE_LATE(avfilter, av_buffersrc_add_frame);
ENLARGE_LATE(avfilter, avfilter_get_by_name);
ENLARGE_LATE(avfilter, avfilter_graph_alloc);
ENLARGE_LATE(avfilter, avfilter_graph_config);
ENLARGE_LATE(avfilter, avfilter_graph_create_filter);
ENLARGE_LATE(avfilter, avfilter_graph_free);
ENLARGE_LATE(avfilter, avfilter_graph_parse_ptr);
ENLARGE_LATE(avfilter, avfilter_inout_alloc);
ENLARGE_LATE(avfilter, avfilter_inout_free);
ENLARGE_LATE(avfilter, avfilter_version);

#undef ENLARGE_LATE
#pragma GCC diagnostic pop

}  // namespace enlarge::media

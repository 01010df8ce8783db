// SPDX-License-Identifier: Apache-2.0
#include "media/webp.hpp"

#include <webp/demux.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "media/ffmpeg.hpp"

namespace enlarge::media {

namespace {

constexpr int kBlock = 1 << 16;
constexpr std::int64_t kMostCanvas = std::int64_t{1} << 30;  // bytes of RGBA
constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // of a file; libwebp wants it whole in memory

struct FreeIo {
    void operator()(AVIOContext* io) const {
        av_freep(&io->buffer);
        avio_context_free(&io);
    }
};
struct FreeMuxer {
    void operator()(AVFormatContext* context) const { avformat_free_context(context); }
};
struct FreeAnimation {
    void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

}  // namespace

struct WebpAnimation::State {
    std::string file;
    WebPAnimInfo info{};
    std::unique_ptr<WebPAnimDecoder, FreeAnimation> decoder;
    std::unique_ptr<AVIOContext, FreeIo> reader, writer;
    std::unique_ptr<AVFormatContext, FreeMuxer> muxer;
    std::string made;           // written and not yet read
    std::size_t taken = 0;      // of `made`
    std::int64_t pts = 0;       // of the next frame
    std::deque<std::pair<std::int64_t, std::int64_t>> durations;
    bool ended = false;

    Result<void> set_up();
    bool make_frame();
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    using Written = const std::uint8_t;
#else
    using Written = std::uint8_t;
#endif
    static int write(void* self, Written* data, int size) {
        static_cast<State*>(self)->made.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
        return size;
    }
    static int read(void* self, std::uint8_t* data, int size) {
        State& s = *static_cast<State*>(self);
        while (s.taken == s.made.size()) {
            s.made.clear();
            s.taken = 0;
            if (!s.make_frame()) return AVERROR_EOF;
        }
        const std::size_t n = std::min(static_cast<std::size_t>(size), s.made.size() - s.taken);
        std::memcpy(data, s.made.data() + s.taken, n);
        s.taken += n;
        return static_cast<int>(n);
    }
};

Result<void> WebpAnimation::State::set_up() {
    const auto io = [&](int (*get)(void*, std::uint8_t*, int), int (*put)(void*, Written*, int)) {
        auto* block = static_cast<unsigned char*>(av_malloc(kBlock));
        AVIOContext* made_io = block ? avio_alloc_context(block, kBlock, put ? 1 : 0, this, get, put, nullptr) : nullptr;
        if (!made_io) throw std::bad_alloc();
        return made_io;
    };
    reader.reset(io(&State::read, nullptr));
    writer.reset(io(nullptr, &State::write));
    AVFormatContext* context = nullptr;
    if (const int rc = avformat_alloc_output_context2(&context, nullptr, "nut", nullptr); rc < 0) return av_error(rc, "WebP frames");
    muxer.reset(context);
    context->pb = writer.get();
    context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT | AVFMT_FLAG_FLUSH_PACKETS;
    AVStream* stream = avformat_new_stream(context, nullptr);
    if (!stream) throw std::bad_alloc();
    AVCodecParameters& par = *stream->codecpar;
    par.codec_type = AVMEDIA_TYPE_VIDEO;
    par.codec_id = AV_CODEC_ID_RAWVIDEO;
    par.format = AV_PIX_FMT_RGBA;
    par.codec_tag = avcodec_pix_fmt_to_codec_tag(AV_PIX_FMT_RGBA);
    par.width = static_cast<int>(info.canvas_width);
    par.height = static_cast<int>(info.canvas_height);
    stream->time_base = {1, 1000};
    if (const int rc = avformat_write_header(context, nullptr); rc < 0) return av_error(rc, "WebP frames");
    return {};
}

// False at the end, or where the file is damaged: what came before counts.
bool WebpAnimation::State::make_frame() {
    if (ended) return false;
    std::uint8_t* pixels = nullptr;
    int end_ms = 0;
    if (!WebPAnimDecoderHasMoreFrames(decoder.get()) || !WebPAnimDecoderGetNext(decoder.get(), &pixels, &end_ms)) {
        ended = true;
        return false;
    }
    Av<AVPacket> packet = new_packet();
    const std::int64_t bytes = std::int64_t{info.canvas_width} * info.canvas_height * 4;
    if (av_new_packet(packet.get(), static_cast<int>(bytes)) < 0) throw std::bad_alloc();
    std::memcpy(packet->data, pixels, static_cast<std::size_t>(bytes));
    packet->pts = packet->dts = pts;
    packet->flags |= AV_PKT_FLAG_KEY;
    durations.emplace_back(pts, std::max<std::int64_t>(0, end_ms - pts));
    av_packet_rescale_ts(packet.get(), {1, 1000}, muxer->streams[0]->time_base);
    pts = std::max<std::int64_t>(pts + 1, end_ms);  // a frame shown for no time still has one of its own
    if (av_write_frame(muxer.get(), packet.get()) < 0) {
        ended = true;
        return false;
    }
    avio_flush(writer.get());
    return true;
}

WebpAnimation::~WebpAnimation() = default;
AVIOContext* WebpAnimation::io() const { return state_->reader.get(); }
std::int64_t WebpAnimation::frames() const { return state_->info.frame_count; }
int WebpAnimation::plays() const { return static_cast<int>(state_->info.loop_count); }

std::int64_t WebpAnimation::duration_ms(std::int64_t pts_ms) {
    auto& known = state_->durations;
    while (!known.empty() && known.front().first < pts_ms) known.pop_front();
    return !known.empty() && known.front().first == pts_ms ? known.front().second : 0;
}

Result<std::unique_ptr<WebpAnimation>> WebpAnimation::open(const std::string& path, const Limits& limits) {
    std::unique_ptr<WebpAnimation> animation(new WebpAnimation);
    animation->state_ = std::make_unique<State>();
    State& s = *animation->state_;
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in) return Error{Errc::not_found, "cannot be read"};
    const std::int64_t size = in.tellg();
    if (size > kMostBytes)
        return Error{Errc::limit, "an animated WebP of " + std::to_string(size >> 20) + " MiB; at most " + std::to_string(kMostBytes >> 20)};
    s.file.resize(static_cast<std::size_t>(size));
    in.seekg(0);
    in.read(s.file.data(), size);

    // The canvas comes first in the file: looked at before libwebp allocates it.
    const auto le24 = [&](std::size_t at) {
        return 1 + (static_cast<unsigned char>(s.file[at]) | static_cast<unsigned char>(s.file[at + 1]) << 8 | static_cast<unsigned char>(s.file[at + 2]) << 16);
    };
    if (s.file.size() < 30) return Error{Errc::format, "a WebP file of " + std::to_string(size) + " bytes is cut short"};
    const int width = le24(24), height = le24(27);
    if (width > limits.side || height > limits.side || std::int64_t{width} * height > limits.pixels)
        return Error{Errc::limit, "frames of " + std::to_string(width) + "x" + std::to_string(height) + " pixels are more than allowed"};
    // libwebp composes two canvases; one becomes an FFmpeg packet, whose size is an int.
    if (std::int64_t{width} * height * 4 > kMostCanvas)
        return Error{Errc::limit, "an animated WebP of " + std::to_string(width) + "x" + std::to_string(height) +
                                      " pixels; at most " + std::to_string(kMostCanvas / 4) + " pixels can be read"};
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options)) return Error{Errc::unsupported, "another version of libwebp than this was built for"};
    options.color_mode = MODE_RGBA;
    const WebPData data{reinterpret_cast<const std::uint8_t*>(s.file.data()), s.file.size()};
    s.decoder.reset(WebPAnimDecoderNew(&data, &options));
    if (!s.decoder || !WebPAnimDecoderGetInfo(s.decoder.get(), &s.info)) return Error{Errc::format, "a damaged animated WebP"};
    TRY(s.set_up());
    return animation;
}

}  // namespace enlarge::media

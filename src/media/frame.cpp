// SPDX-License-Identifier: Apache-2.0
#include "media/frame.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/log.hpp"
#include "media/ffmpeg.hpp"

namespace enlarge::media {

namespace {

constexpr int kLineAlign = 64;

bool native_words(const AVPixFmtDescriptor& d) {
    const bool big = (d.flags & AV_PIX_FMT_FLAG_BE) != 0;
    return d.comp[0].depth <= 8 || big == (std::endian::native == std::endian::big);
}

const char* matrix_name(int matrix) {
    switch (matrix) {
        case 0: return "RGB";
        case 1: return "BT.709";
        case 4: return "FCC";
        case 5:
        case 6: return "BT.601";
        case 7: return "SMPTE 240M";
        case 8: return "YCgCo";
        case 9:
        case 10: return "BT.2020";
        default: return "matrix not stated";
    }
}

}  // namespace

bool is_plain(AVPixelFormat format) {
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(format);
    if (!d) return false;
    constexpr unsigned refused = AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
                                 AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;
    if (d->flags & refused) return false;
    const int width = d->comp[0].depth > 8 ? 2 : 1;
    unsigned planes = 0;
    for (int i = 0; i < d->nb_components; ++i) {
        const auto& c = d->comp[i];
        if (c.step != width || c.offset != 0 || c.shift != 0 || c.depth != d->comp[0].depth || c.depth < 8) return false;
        if (planes & (1u << c.plane)) return false;
        planes |= 1u << c.plane;
    }
    if (d->comp[0].depth > 16 || !native_words(*d)) return false;
    if (d->log2_chroma_w > 2 || d->log2_chroma_h > 2) return false;
    return true;
}

AVPixelFormat plain_for(AVPixelFormat format) {
    if (is_plain(format)) return format;
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(format);
    if (!d) return AV_PIX_FMT_NONE;
    int depth = 0;
    for (int i = 0; i < d->nb_components; ++i) depth = d->comp[i].depth > depth ? d->comp[i].depth : depth;
    const bool alpha = (d->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)) != 0;
    const bool rgb = (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BAYER)) != 0;
    if (rgb || alpha) {
        if (depth <= 8) return alpha ? AV_PIX_FMT_GBRAP : AV_PIX_FMT_GBRP;
        if (depth <= 10) return alpha ? AV_PIX_FMT_GBRAP10 : AV_PIX_FMT_GBRP10;
        if (depth <= 12) return alpha ? AV_PIX_FMT_GBRAP12 : AV_PIX_FMT_GBRP12;
        return alpha ? AV_PIX_FMT_GBRAP16 : AV_PIX_FMT_GBRP16;
    }
    if (d->nb_components <= 2)
        return depth <= 8 ? AV_PIX_FMT_GRAY8 : depth <= 10 ? AV_PIX_FMT_GRAY10 : depth <= 12 ? AV_PIX_FMT_GRAY12
                                                                                           : AV_PIX_FMT_GRAY16;
    static constexpr AVPixelFormat yuv[3][4] = {
        {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV420P16},
        {AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV422P16},
        {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV444P16}};
    const int shape = d->log2_chroma_w == 0 ? 2 : d->log2_chroma_h == 0 ? 1 : 0;
    return yuv[shape][depth <= 8 ? 0 : depth <= 10 ? 1 : depth <= 12 ? 2 : 3];
}

Result<VideoFormat> format_of(const AVFrame& frame) {
    const auto pixel_format = static_cast<AVPixelFormat>(frame.format);
    if (!is_plain(pixel_format)) {
        const char* name = av_get_pix_fmt_name(pixel_format);
        return Error{Errc::unsupported, std::string("pixel format ") + (name ? name : "?")};
    }
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(pixel_format);
    VideoFormat out;
    out.size = {frame.width, frame.height};
    FrameFormat& s = out.samples;
    s.family = d->flags & AV_PIX_FMT_FLAG_RGB ? FrameFamily::rgb : d->nb_components <= 2 ? FrameFamily::grey : FrameFamily::yuv;
    s.bits = static_cast<std::uint8_t>(d->comp[0].depth);
    s.sub_x = d->log2_chroma_w;
    s.sub_y = d->log2_chroma_h;
    s.alpha = (d->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    const auto code = [](int value) { return static_cast<std::uint8_t>(value >= 0 && value < 256 ? value : 2); };
    s.tags = {code(frame.colorspace), code(frame.color_primaries), code(frame.color_trc),
              static_cast<Range>(frame.color_range <= 2 ? frame.color_range : 0),
              static_cast<ChromaSiting>(frame.chroma_location <= 6 ? frame.chroma_location : 0)};
    // RGB is RGB whatever a decoder says, and full range unless said otherwise.
    if (s.family == FrameFamily::rgb) s.tags.matrix = 0;
    switch (pixel_format) {  // formats that imply full range
        case AV_PIX_FMT_YUVJ420P:
        case AV_PIX_FMT_YUVJ411P:
        case AV_PIX_FMT_YUVJ422P:
        case AV_PIX_FMT_YUVJ440P:
        case AV_PIX_FMT_YUVJ444P: s.tags.range = Range::full; break;
        default: break;
    }
    out.sar = from_av(frame.sample_aspect_ratio);
    if (out.sar.num <= 0 || out.sar.den <= 0) out.sar = {0, 1};
    return out;
}

std::string describe(const VideoFormat& f) {
    const FrameFormat& s = f.samples;
    std::string text = std::to_string(f.size.width) + "x" + std::to_string(f.size.height) + " ";
    if (s.family == FrameFamily::grey) text += "grey";
    if (s.family == FrameFamily::rgb) text += s.alpha ? "RGBA" : "RGB";
    if (s.family == FrameFamily::yuv) text += s.sub_x == 0 ? "4:4:4" : s.sub_x == 2 ? "4:1:1" : s.sub_y == 0 ? "4:2:2" : "4:2:0";
    text += " " + std::to_string(s.bits) + " bit";
    if (s.family == FrameFamily::yuv) text += std::string(", ") + matrix_name(s.tags.matrix);
    if (s.tags.transfer == AVCOL_TRC_SMPTE2084) text += ", HDR (PQ)";
    if (s.tags.transfer == AVCOL_TRC_ARIB_STD_B67) text += ", HDR (HLG)";
    if (s.tags.range != Range::unspecified) text += s.tags.range == Range::full ? ", full range" : ", limited range";
    return text;
}

namespace {

// NV12 and P010, in host memory or on a GPU: what the plain 4:2:0 formats are, but for the order of their samples.
AVPixelFormat semi_planar(const AVFrame& frame) {
    auto format = static_cast<AVPixelFormat>(frame.format);
    if (format == AV_PIX_FMT_CUDA && frame.hw_frames_ctx)
        format = reinterpret_cast<const AVHWFramesContext*>(frame.hw_frames_ctx->data)->sw_format;
    return format == AV_PIX_FMT_NV12 || format == AV_PIX_FMT_P010LE ? format : AV_PIX_FMT_NONE;
}

}  // namespace

Frame::Frame(std::shared_ptr<AVFrame> frame) : frame_(std::move(frame)) {
    if (const AVPixelFormat there = semi_planar(*frame_); there != AV_PIX_FMT_NONE) {
        AVFrame like = *frame_;  // looked at, not owned
        like.format = there == AV_PIX_FMT_NV12 ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUV420P10;
        if (auto format = format_of(like)) format_ = *format;
        format_.samples.semi_planar = true;
        format_.samples.high_bits = there == AV_PIX_FMT_P010LE;
    } else if (auto format = format_of(*frame_)) {
        format_ = *format;
    }
}

MutableFrameView Frame::view() {
    MutableFrameView view;
    view.format = format_.samples;
    view.size = format_.size;
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame_->format));
    for (std::size_t i = 0; i < d->nb_components; ++i) {  // components are in our order; planar RGB's planes are not
        const int plane = d->comp[i].plane;
        view.plane[i] = reinterpret_cast<std::byte*>(frame_->data[plane]);
        view.stride_bytes[i] = frame_->linesize[plane];
    }
    return view;
}

FrameView Frame::view() const { return const_cast<Frame*>(this)->view(); }

namespace {

// A plane of a frame as rows of bytes; `component` says which of its planes is meant.
struct PlaneRows {
    const std::uint8_t* data = nullptr;
    std::ptrdiff_t stride = 0;
    int height = 0;
    std::size_t bytes = 0;  // of a row
};
PlaneRows rows_of(const AVFrame& frame, const VideoFormat& format, const AVPixFmtDescriptor& d, int component) {
    const int p = d.comp[component].plane;
    const bool chroma = format.samples.family == FrameFamily::yuv && (component == 1 || component == 2);
    const int width = chroma ? AV_CEIL_RSHIFT(format.size.width, d.log2_chroma_w) : format.size.width;
    const int height = chroma ? AV_CEIL_RSHIFT(format.size.height, d.log2_chroma_h) : format.size.height;
    return {frame.data[p], frame.linesize[p], height, static_cast<std::size_t>(width) * (d.comp[0].depth > 8 ? 2 : 1)};
}

const AVPixFmtDescriptor* descriptor_here(const AVFrame& frame) {
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
    return !d || (d->flags & AV_PIX_FMT_FLAG_HWACCEL) ? nullptr : d;  // nobody looks into a GPU's memory for this
}

// Eight bytes at a time: a multiplication and a rotation each, some 4 GB/s on one core.
std::uint64_t mixed(std::uint64_t sum, const std::uint8_t* data, std::size_t bytes) {
    const auto step = [&sum](std::uint64_t word) {
        const std::uint64_t x = sum ^ word;
        sum = ((x << 29) | (x >> 35)) * 0x9E3779B97F4A7C15u;
    };
    std::uint64_t word = 0;
    for (; bytes >= 8; data += 8, bytes -= 8) {
        std::memcpy(&word, data, 8);
        step(word);
    }
    word = bytes;
    std::memcpy(&word, data, bytes);
    step(word);
    return sum;
}

}  // namespace

bool Frame::same_pixels(const Frame& other) const {
    if (!frame_ || !other.frame_ || frame_->format != other.frame_->format || !(format_ == other.format_)) return false;
    const AVPixFmtDescriptor* d = descriptor_here(*frame_);
    if (!d) return false;
    for (int i = 0; i < d->nb_components; ++i) {
        const PlaneRows a = rows_of(*frame_, format_, *d, i), b = rows_of(*other.frame_, format_, *d, i);
        if (a.data == b.data) continue;
        for (int y = 0; y < a.height; ++y)
            if (std::memcmp(a.data + y * a.stride, b.data + y * b.stride, a.bytes) != 0) return false;
    }
    return true;
}

std::uint32_t Frame::pixel_sum() const {
    const AVPixFmtDescriptor* d = frame_ ? descriptor_here(*frame_) : nullptr;
    if (!d) return 0;
    const Size size = format_.size;
    std::uint64_t sum = static_cast<std::uint64_t>(size.width) << 32 | static_cast<std::uint32_t>(size.height);
    for (int i = 0; i < d->nb_components; ++i) {
        const PlaneRows rows = rows_of(*frame_, format_, *d, i);
        for (int y = 0; y < rows.height; ++y) sum = mixed(sum, rows.data + y * rows.stride, rows.bytes);
    }
    const auto folded = static_cast<std::uint32_t>(sum ^ (sum >> 32));
    return folded ? folded : 1;
}

void FramePool::Free::operator()(AVBufferPool* pool) const { av_buffer_pool_uninit(&pool); }
FramePool::FramePool(FramePool&&) noexcept = default;
FramePool& FramePool::operator=(FramePool&&) noexcept = default;
FramePool::~FramePool() = default;

Result<FramePool> FramePool::create(const std::string& pixel_format, Size size) {
    const AVPixelFormat format = av_get_pix_fmt(pixel_format.c_str());
    if (format == AV_PIX_FMT_NONE || !is_plain(format))
        return Error{Errc::unsupported, "frames of pixel format " + pixel_format + " cannot be made here"};
    FramePool pool;
    pool.format_ = format;
    pool.size_ = size;
    const int bytes = av_image_get_buffer_size(format, size.width, size.height, kLineAlign);
    if (bytes < 0)
        return Error{Errc::limit, "a frame of " + std::to_string(size.width) + "x" + std::to_string(size.height) +
                                      " pixels is more than FFmpeg can hold"};
    // Encoders may read a little past the last line.
    pool.bytes_ = std::int64_t{bytes} + 4096;
    pool.pool_.reset(av_buffer_pool_init(static_cast<std::size_t>(pool.bytes_), nullptr));
    if (!pool.pool_) throw std::bad_alloc();
    return pool;
}

Result<Frame> FramePool::get(const VideoFormat& format, const Frame* properties) {
    ENSURE(format.size == size_);
    Av<AVFrame> frame = new_frame();
    if (properties && properties->av()) {
        if (const int rc = av_frame_copy_props(frame.get(), properties->av()); rc < 0) return av_error(rc, "frame", Errc::memory);
    }
    frame->buf[0] = av_buffer_pool_get(pool_.get());
    if (!frame->buf[0]) throw std::bad_alloc();
    frame->format = format_;
    frame->width = size_.width;
    frame->height = size_.height;
    // Buffers of av_malloc are aligned for SIMD already.
    av_image_fill_arrays(frame->data, frame->linesize, frame->buf[0]->data, static_cast<AVPixelFormat>(format_), size_.width,
                         size_.height, kLineAlign);
    frame->extended_data = frame->data;
    frame->pict_type = AV_PICTURE_TYPE_NONE;  // else the encoder would repeat the decoder's choice
    frame->key_frame = 0;
    frame->crop_left = frame->crop_right = frame->crop_top = frame->crop_bottom = 0;
    frame->color_primaries = static_cast<AVColorPrimaries>(format.samples.tags.primaries);
    frame->color_trc = static_cast<AVColorTransferCharacteristic>(format.samples.tags.transfer);
    frame->colorspace = static_cast<AVColorSpace>(format.samples.tags.matrix);
    frame->color_range = static_cast<AVColorRange>(format.samples.tags.range);
    frame->chroma_location = static_cast<AVChromaLocation>(format.samples.tags.siting);
    frame->sample_aspect_ratio = av(format.sar);
    // Of the input's size, or already used by the decoder.
    for (const auto type : {AV_FRAME_DATA_PANSCAN, AV_FRAME_DATA_MOTION_VECTORS, AV_FRAME_DATA_REGIONS_OF_INTEREST,
                            AV_FRAME_DATA_VIDEO_ENC_PARAMS, AV_FRAME_DATA_FILM_GRAIN_PARAMS, AV_FRAME_DATA_DETECTION_BBOXES,
                            AV_FRAME_DATA_DOVI_RPU_BUFFER, AV_FRAME_DATA_DOVI_METADATA, AV_FRAME_DATA_DYNAMIC_HDR_PLUS,
                            AV_FRAME_DATA_DYNAMIC_HDR_VIVID, AV_FRAME_DATA_SEI_UNREGISTERED, AV_FRAME_DATA_DISPLAYMATRIX})
        av_frame_remove_side_data(frame.get(), type);
    Frame out{std::shared_ptr<AVFrame>(frame.release(), FreeAv{})};
    if (properties) {
        out.pts = properties->pts;
        out.duration = properties->duration;
        out.time_base = properties->time_base;
    }
    return out;
}

Result<Frame> with_properties(const Frame& pixels, const Frame& properties) {
    Av<AVFrame> frame = new_frame();
    if (const int rc = av_frame_ref(frame.get(), pixels.av()); rc < 0) return av_error(rc, "frame", Errc::memory);
    frame->pts = properties.pts;
    frame->pkt_duration = properties.duration;
    // Captions and the like belong to the time, not to the pixels.
    for (const auto type : {AV_FRAME_DATA_A53_CC, AV_FRAME_DATA_S12M_TIMECODE, AV_FRAME_DATA_GOP_TIMECODE}) {
        av_frame_remove_side_data(frame.get(), type);
        if (const AVFrameSideData* side = av_frame_get_side_data(properties.av(), type)) {
            AVFrameSideData* copy = av_frame_new_side_data(frame.get(), type, side->size);
            if (!copy) throw std::bad_alloc();
            std::memcpy(copy->data, side->data, side->size);
        }
    }
    Frame out{std::shared_ptr<AVFrame>(frame.release(), FreeAv{})};
    out.pts = properties.pts;
    out.duration = properties.duration;
    out.time_base = properties.time_base;
    return out;
}

std::int64_t repeats_between(std::int64_t last, std::int64_t next, Rational time_base) {
    constexpr double kLongest = 3600;
    if (static_cast<double>(next - last) * time_base.value() <= kLongest) return std::max<std::int64_t>(0, next - last - 1);
    log(LogLevel::warning, {"gap-closed", "a gap of more than an hour in the video is left out"});
    return 0;
}

Rational reduced(std::int64_t num, std::int64_t den) {
    Rational out;
    av_reduce(&out.num, &out.den, num, den, 1 << 30);
    return out;
}

bool is_transparent(const Frame& frame) {
    const FrameFormat& format = frame.format().samples;
    if (!format.alpha) return false;
    const FrameView view = frame.view();
    const std::size_t plane = format.family == FrameFamily::grey ? 1 : 3;
    const unsigned opaque = (1u << format.bits) - 1;
    for (int y = 0; y < view.size.height; ++y) {
        const std::byte* row = view.plane[plane] + std::ptrdiff_t{y} * view.stride_bytes[plane];
        for (int x = 0; x < view.size.width; ++x) {
            std::uint16_t value = 0;
            std::memcpy(&value, row + std::ptrdiff_t{x} * (format.bits > 8 ? 2 : 1), format.bits > 8 ? 2 : 1);
            if (value != opaque) return true;
        }
    }
    return false;
}

std::string dynamic_metadata(const Frame& frame, bool dolby_vision) {
    std::string out = dolby_vision ? "Dolby Vision" : "";
    const auto add = [&](AVFrameSideDataType type, const char* name) {
        if (av_frame_get_side_data(frame.av(), type) && out.find(name) == std::string::npos) out += (out.empty() ? "" : " and ") + std::string(name);
    };
    add(AV_FRAME_DATA_DOVI_RPU_BUFFER, "Dolby Vision");
    add(AV_FRAME_DATA_DOVI_METADATA, "Dolby Vision");
    add(AV_FRAME_DATA_DYNAMIC_HDR_PLUS, "HDR10+");
    add(AV_FRAME_DATA_DYNAMIC_HDR_VIVID, "HDR Vivid");
    return out;
}

int Packet::stream() const { return packet_->stream_index; }
std::size_t Packet::bytes() const { return static_cast<std::size_t>(packet_->size); }
bool Packet::key() const { return (packet_->flags & AV_PKT_FLAG_KEY) != 0; }
std::optional<std::int64_t> Packet::time() const {
    return packet_->pts == AV_NOPTS_VALUE ? std::nullopt : std::optional<std::int64_t>(packet_->pts);
}

}  // namespace enlarge::media

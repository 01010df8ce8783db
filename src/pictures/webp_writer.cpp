// SPDX-License-Identifier: Apache-2.0
#include "pictures/webp_writer.hpp"

#include <webp/encode.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "image/format.hpp"
#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

// How blocks are predicted must fit into 512 KiB. Photographs enlarged to 16000x12000 take 32 bits a block where blocks
// may be predicted in sixteen parts as libwebp likes, 17 with a limit of 60, 6 where all are predicted as a whole, and
// 4.5 with one quantiser for all. libwebp notices at the end of its work, and begins again with a lower limit, up to
// sixteen times: that took 147 s before it gave up (docs/performance.md).
constexpr WebpEffort kEfforts[] = {
    {130e3, 0, 4},   // 33 megapixels
    {230e3, 60, 4},  // 59
    {600e3, 100, 4},  // 154
    {1e9, 100, 1},
};

double blocks_of(Size size) {
    return static_cast<double>((size.width + 15) / 16) * ((size.height + 15) / 16);
}

struct Yuv : WebPPicture {
    Yuv() : WebPPicture{} {
        if (!::WebPPictureInit(this)) throw std::runtime_error("libwebp is of another version than it was built with");
    }
    ~Yuv() { ::WebPPictureFree(this); }
    Yuv(const Yuv&) = delete;
    Yuv& operator=(const Yuv&) = delete;
};

void append_le(Bytes& to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
}

void append_chunk(Bytes& to, std::string_view type, std::span<const std::byte> content) {
    append(to, type);
    append_le(to, content.size(), 4);
    append(to, content);
    if (content.size() % 2) to.push_back({});
}

// The chunks of a file that libwebp has made: all, or those that hold pixels.
std::span<const std::byte> chunks_of(std::span<const std::byte> file, bool extended) {
    constexpr std::size_t kHead = 12, kExtended = 18;
    return file.subspan(extended ? kHead + kExtended : kHead);
}

void copy_plane(const std::uint8_t* from, int from_stride, std::uint8_t* to, int to_stride, int bytes, int rows) {
    for (int y = 0; y < rows; ++y)
        std::memcpy(to + std::ptrdiff_t{y} * to_stride, from + std::ptrdiff_t{y} * from_stride,
                    static_cast<std::size_t>(bytes));
}

class WebpWriter final : public WebpRowWriter, private StripCoder {
public:
    WebpWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads, int quality,
               const WebpDescription& described, std::function<bool()> stopped)
        : file_(file),
          size_(size),
          channels_(pixels.channels),
          alpha_(pixels.channels % 2 == 0),
          row_bytes_(static_cast<std::size_t>(size.width) * pixels.channels),
          quality_(quality),
          described_(described),
          stopped_(std::move(stopped)),
          strips_(*this, size, pixels, threads) {
        whole_.width = size.width;
        whole_.height = size.height;
        whole_.colorspace = alpha_ ? WEBP_YUV420A : WEBP_YUV420;
        if (!::WebPPictureAlloc(&whole_)) throw std::bad_alloc();
    }

    Result<void> write(const std::byte* row) override {
        std::memcpy(strips_.next_row(), row, row_bytes_);
        return strips_.row_is_there();
    }

    Result<void> finish() override {
        TRY(strips_.finish());
        for (const WebpEffort& effort : webp_efforts(size_)) {
            WebPMemoryWriter made;
            ::WebPMemoryWriterInit(&made);
            const std::unique_ptr<WebPMemoryWriter, decltype(&::WebPMemoryWriterClear)> freed(
                &made, ::WebPMemoryWriterClear);
            const WebPEncodingError error = encode(effort, made);
            if (error == VP8_ENC_OK)
                return file_.write(container({reinterpret_cast<const std::byte*>(made.mem), made.size}));
            if (error == VP8_ENC_ERROR_USER_ABORT) return Error{Errc::cancelled, "stopped"};
            if (error == VP8_ENC_ERROR_OUT_OF_MEMORY || error == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY)
                return Error{Errc::memory, file_.path() + ": there is not enough memory to encode the WebP file"};
            if (error != VP8_ENC_ERROR_PARTITION0_OVERFLOW)
                return Error{Errc::io, file_.path() + ": the WebP file cannot be encoded (libwebp's error " +
                                           std::to_string(error) + ")"};
        }
        return Error{Errc::limit, file_.path() + ": a picture of " + std::to_string(size_.width) + "x" +
                                      std::to_string(size_.height) +
                                      " pixels with so much detail does not fit into WebP, which has 512 KiB for how "
                                      "blocks are predicted; choose jpg, png, tif or avif, or a smaller size"};
    }

    Result<void> write_again(RowWriter& to) override {
        constexpr int kRows = 64;
        std::vector<std::byte> row(row_bytes_);
        for (int top = 0; top < size_.height; top += kRows) {
            Yuv part;
            const int count = std::min(kRows, size_.height - top);
            if (!::WebPPictureView(&whole_, 0, top, size_.width, count, &part) || !::WebPPictureYUVAToARGB(&part))
                throw std::bad_alloc();
            for (int y = 0; y < count; ++y) {
                const std::uint32_t* const argb = part.argb + std::ptrdiff_t{y} * part.argb_stride;
                std::byte* pixel = row.data();
                for (int x = 0; x < size_.width; ++x, pixel += channels_) put_pixel(argb[x], pixel);
                TRY(to.write(row.data()));
            }
        }
        return {};
    }

private:
    void put_pixel(std::uint32_t argb, std::byte* to) const {
        const auto byte = [argb](int shift) { return static_cast<std::byte>(argb >> shift & 0xff); };
        if (channels_ >= 3)
            to[0] = byte(16), to[1] = byte(8), to[2] = byte(0);
        else
            to[0] = byte(8);
        if (alpha_) to[channels_ - 1] = byte(24);
    }

    [[nodiscard]] std::size_t row_bytes() const override { return row_bytes_; }
    // Chroma at the edges of strips does not know what is beyond them: there are not to be many.
    [[nodiscard]] int row_multiple() const override { return 64; }

    void prepare(Strip& strip) const override {
        Yuv part;
        part.width = size_.width;
        part.height = strip.count;
        part.use_argb = 1;
        if (!import(strip, part) || !::WebPPictureSharpARGBToYUVA(&part)) throw std::bad_alloc();
        const int top = static_cast<int>(strip.number) * strips_.strip_rows(), half = (size_.width + 1) / 2;
        const auto at = [](std::uint8_t* plane, int stride, int y) { return plane + std::ptrdiff_t{y} * stride; };
        const int y_stride = whole_.y_stride, uv_stride = whole_.uv_stride;
        copy_plane(part.y, part.y_stride, at(whole_.y, y_stride, top), y_stride, size_.width, strip.count);
        for (const auto plane : {&WebPPicture::u, &WebPPicture::v})
            copy_plane(part.*plane, part.uv_stride, at(whole_.*plane, uv_stride, top / 2), uv_stride, half,
                       (strip.count + 1) / 2);
        if (!alpha_) return;
        for (int y = 0; y < strip.count; ++y) {
            const std::byte* const row = strip.row(y);
            std::uint8_t* const to = at(whole_.a, whole_.a_stride, top + y);
            for (int x = 0; x < size_.width; ++x) to[x] = static_cast<std::uint8_t>(row[(x + 1) * channels_ - 1]);
        }
    }

    bool import(Strip& strip, WebPPicture& to) const {
        const auto* const rows = reinterpret_cast<const std::uint8_t*>(strip.row(0));
        const auto pitch = static_cast<int>(strip.pitch);
        if (channels_ == 3) return ::WebPPictureImportRGB(&to, rows, pitch) != 0;
        if (channels_ == 4) return ::WebPPictureImportRGBA(&to, rows, pitch) != 0;
        const auto width = static_cast<std::size_t>(size_.width), step = static_cast<std::size_t>(channels_);
        std::vector<std::uint8_t> rgba(width * 4 * static_cast<std::size_t>(strip.count));
        std::uint8_t* out = rgba.data();
        for (int y = 0; y < strip.count; ++y) {
            const auto* const row = reinterpret_cast<const std::uint8_t*>(strip.row(y));
            for (std::size_t x = 0; x < width; ++x, out += 4) {
                out[0] = out[1] = out[2] = row[x * step];
                out[3] = alpha_ ? row[x * step + 1] : 255;
            }
        }
        return ::WebPPictureImportRGBA(&to, rgba.data(), size_.width * 4) != 0;
    }

    void complete(Strip&, std::span<const std::byte>, Deflater&) const override {}
    Result<void> put(const Strip&) override { return {}; }

    WebPEncodingError encode(const WebpEffort& effort, WebPMemoryWriter& to) {
        WebPConfig config;
        if (!::WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, static_cast<float>(quality_)))
            return VP8_ENC_ERROR_INVALID_CONFIGURATION;
        config.partition_limit = effort.partition_limit;
        config.segments = effort.segments;
        config.thread_level = 1;  // two threads look at the picture before one encodes it
        whole_.use_argb = 0;
        whole_.writer = ::WebPMemoryWrite;
        whole_.custom_ptr = &to;
        whole_.user_data = this;
        whole_.progress_hook = [](int, const WebPPicture* picture) {
            const auto& stopped = static_cast<const WebpWriter*>(picture->user_data)->stopped_;
            return stopped && stopped() ? 0 : 1;
        };
        return ::WebPEncode(&config, &whole_) ? VP8_ENC_OK : whole_.error_code;
    }

    // The file with what is said beside the pixels; what libwebp made, where nothing is.
    [[nodiscard]] Bytes container(std::span<const std::byte> made) const {
        const bool extended = made[15] == std::byte{'X'};  // with alpha, "VP8X"
        Bytes out;
        append(out, std::string_view("RIFF\0\0\0\0WEBP", 12));
        if (extended || !described_.profile.empty() || !described_.exif.empty() || !described_.xmp.empty()) {
            Bytes facts;
            append_le(facts, (described_.profile.empty() ? 0 : 0x20) | (extended ? 0x10 : 0) |
                                 (described_.exif.empty() ? 0 : 0x08) | (described_.xmp.empty() ? 0 : 0x04), 4);
            append_le(facts, static_cast<std::uint64_t>(size_.width - 1), 3);
            append_le(facts, static_cast<std::uint64_t>(size_.height - 1), 3);
            append_chunk(out, "VP8X", facts);
            if (!described_.profile.empty()) append_chunk(out, "ICCP", described_.profile);
        }
        append(out, chunks_of(made, extended));
        if (!described_.exif.empty()) append_chunk(out, "EXIF", described_.exif);
        if (!described_.xmp.empty()) append_chunk(out, "XMP ", described_.xmp);
        for (std::size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<std::byte>((out.size() - 8) >> 8 * i & 0xff);
        return out;
    }

    OutputFile& file_;
    const Size size_;
    const int channels_;
    const bool alpha_;
    const std::size_t row_bytes_;
    const int quality_;
    const WebpDescription described_;
    const std::function<bool()> stopped_;
    Yuv whole_;
    StripWriter strips_;  // the last: its threads use the others
};

}  // namespace

std::span<const WebpEffort> webp_efforts(Size size) {
    const double blocks = blocks_of(size);
    std::span<const WebpEffort> left(kEfforts);
    while (left.size() > 1 && blocks > left[0].most_blocks) left = left.subspan(1);
    return left;
}

bool webp_may_refuse(Size size) {
    // Bits for how a block is predicted as a whole: photographs enlarged by swift-x4 took 4.6 to 4.87 at quality 92,
    // 4.3 at 20, and 4.0 at 0.
    constexpr double kBits = 4.87, kRoom = 8 * 512.0 * 1024;
    return kBits * blocks_of(size) > kRoom;
}

std::unique_ptr<WebpRowWriter> webp_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                           int quality, const WebpDescription& described,
                                           std::function<bool()> stopped) {
    return std::make_unique<WebpWriter>(file, size, pixels, threads, quality, described, std::move(stopped));
}

}  // namespace enlarge::pictures

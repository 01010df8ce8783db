// SPDX-License-Identifier: Apache-2.0
#include "pictures/png_writer.hpp"

#include <zlib.h>

#include <cstring>

#include "image/format.hpp"
#include "pictures/boxes.hpp"
#include "pictures/png_filter.hpp"

namespace enlarge::pictures {
namespace {

std::uint32_t checksum(std::span<const std::byte> bytes) {
    return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// A chunk that begins at the front of `chunk`, whose size and checksum are missing.
void complete_chunk(Bytes& chunk) {
    const auto size = static_cast<std::uint32_t>(chunk.size() - 8);
    for (std::size_t i = 0; i < 4; ++i) chunk[i] = static_cast<std::byte>(size >> (24 - 8 * i) & 0xff);
    append_be(chunk, checksum(std::span(chunk).subspan(4)), 4);
}

// One stream of deflate over all chunks.
class PngWriter final : public RowWriter, private FilteredCoder {
public:
    PngWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads)
        : file_(file),
          pixel_bytes_(pixels.channels * static_cast<std::size_t>(sample_bytes(pixels.sample))),
          row_bytes_(static_cast<std::size_t>(size.width) * pixel_bytes_),
          deep_(pixels.sample == SampleType::u16),
          strips_(*this, size, pixels, threads) {}

    Result<void> write(const std::byte* row) override {
        std::byte* const to = strips_.next_row();
        if (deep_) {  // the format is big-endian
            for (std::size_t i = 0; i < row_bytes_; i += 2) {
                std::uint16_t value;
                std::memcpy(&value, row + i, 2);
                to[i] = static_cast<std::byte>(value >> 8);
                to[i + 1] = static_cast<std::byte>(value & 0xff);
            }
        } else {
            std::memcpy(to, row, row_bytes_);
        }
        return strips_.row_is_there();
    }

    Result<void> finish() override {
        TRY(strips_.finish());
        Bytes end;
        append(end, std::string_view("\0\0\0\0IDAT", 8));
        append(end, kDeflateEnd);
        append_be(end, adler_, 4);
        complete_chunk(end);
        TRY(file_.write(end));
        end.clear();
        append(end, std::string_view("\0\0\0\0IEND", 8));
        complete_chunk(end);
        return file_.write(end);
    }

private:
    [[nodiscard]] std::size_t row_bytes() const override { return row_bytes_ + 1; }

    void filter(const std::byte* row, const std::byte* above, std::byte* to) const override {
        filter_row(row, above, row_bytes_, pixel_bytes_, to);
    }

    void complete(Strip& strip, std::span<const std::byte> before, Deflater& deflater) const override {
        append(strip.file_bytes, std::string_view("\0\0\0\0IDAT", 8));
        if (strip.number == 0) append(strip.file_bytes, kZlibHead);
        deflater.append(before, strip.filtered, strip.file_bytes);
        complete_chunk(strip.file_bytes);
    }

    Result<void> put(const Strip& strip) override {
        adler_ = ::adler32_combine(adler_, strip.filtered_adler, static_cast<z_off_t>(strip.filtered.size()));
        return file_.write(strip.file_bytes);
    }

    OutputFile& file_;
    const std::size_t pixel_bytes_, row_bytes_;
    const bool deep_;  // 16 bits
    uLong adler_ = ::adler32(0, nullptr, 0);
    StripWriter strips_;  // the last: its threads use the others
};

}  // namespace

std::unique_ptr<RowWriter> png_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads) {
    return std::make_unique<PngWriter>(file, size, pixels, threads);
}

}  // namespace enlarge::pictures

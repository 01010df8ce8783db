// SPDX-License-Identifier: Apache-2.0
#include "pictures/tiff_writer.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "image/format.hpp"
#include "pictures/tiff_directory.hpp"

namespace enlarge::pictures {
namespace {

using namespace ifd;

constexpr double kMostPlainBytes = 3.9e9;  // of pixels; offsets of the plain kind end at 4 GiB

template <class T>
void put_le(std::byte* to, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) to[i] = static_cast<std::byte>(value >> 8 * i & 0xff);
}

template <class T>
T number_at(const std::byte* row, std::size_t i) {
    T value;
    std::memcpy(&value, row + i * sizeof value, sizeof value);
    return value;
}

// Predictor 2: the difference from the sample of the pixel before it.
template <class T>
void differences(const std::byte* row, std::size_t samples, std::size_t channels, std::byte* to) {
    for (std::size_t i = 0; i < channels; ++i) put_le(to + i * sizeof(T), number_at<T>(row, i));
    for (std::size_t i = channels; i < samples; ++i)
        put_le(to + i * sizeof(T), static_cast<T>(number_at<T>(row, i) - number_at<T>(row, i - channels)));
}

// Predictor 3, of floats: all their first bytes (sign and most of the exponent), then all the second ones and so on;
// of all these, the difference from the byte of the pixel before it.
void byte_planes(const std::byte* row, std::size_t samples, std::size_t channels, std::byte* to) {
    for (std::size_t i = 0; i < samples; ++i) {
        const auto bits = number_at<std::uint32_t>(row, i);
        for (std::size_t plane = 0; plane < 4; ++plane)
            to[plane * samples + i] = static_cast<std::byte>(bits >> (24 - 8 * plane) & 0xff);
    }
    for (std::size_t i = 4 * samples; i-- > channels;)
        to[i] = static_cast<std::byte>(static_cast<unsigned>(to[i]) - static_cast<unsigned>(to[i - channels]));
}

// Every strip is a stream of its own. The directory is behind them.
class TiffWriter final : public RowWriter, private FilteredCoder {
public:
    TiffWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads, const TiffDescription& described)
        : file_(file),
          size_(size),
          pixels_(pixels),
          described_(described),
          samples_(static_cast<std::size_t>(size.width) * pixels.channels),
          row_bytes_(samples_ * static_cast<std::size_t>(sample_bytes(pixels.sample))),
          big_(static_cast<double>(row_bytes_) * size.height > kMostPlainBytes),
          strips_(*this, size, pixels, threads) {}

    // The header, whose offset of the directory is zero as yet.
    Result<void> begin() {
        Writer head{0, big_};
        append(head.out, "II");
        head.number(big_ ? 43 : 42, 2);
        if (big_) head.number(8, 4);  // bytes of an offset
        head.number(0, big_ ? 8 : 4);
        end_ = head.out.size();
        return file_.write(head.out);
    }

    Result<void> write(const std::byte* row) override {
        std::memcpy(strips_.next_row(), row, row_bytes_);
        return strips_.row_is_there();
    }

    Result<void> finish() override {
        TRY(strips_.finish());
        Writer writer{end_, big_};
        if (end_ % 2) writer.out.push_back({});
        Directory first = structure();
        if (!described_.xmp.empty()) first[0x02bc] = blob_of(kByte, described_.xmp);
        if (!described_.iptc.empty()) first[0x83bb] = blob_of(kUndefined, described_.iptc);
        if (!described_.photoshop.empty()) first[0x8649] = blob_of(kByte, described_.photoshop);
        if (!described_.profile.empty()) first[0x8773] = blob_of(kUndefined, described_.profile);
        if (described_.resolution) first.merge(resolution_entries(described_.resolution));
        describe_tiff(first, writer, described_.exif);
        const std::uint64_t start = writer.directory(first);
        TRY(file_.write(writer.out));
        Writer offset{0};
        offset.number(start, big_ ? 8 : 4);
        TRY(file_.seek(big_ ? 8 : 4, SEEK_SET));
        return file_.write(offset.out);
    }

private:
    // How the pixels are stored.
    [[nodiscard]] Directory structure() const {
        const auto of_all = [&](std::uint64_t value) {
            return numbers(kShort, std::vector<std::uint64_t>(pixels_.channels, value));
        };
        const auto side = [](int pixels) {
            return numbers(pixels > 0xffff ? kLong : kShort, {static_cast<std::uint64_t>(pixels)});
        };
        const bool floats = pixels_.sample == SampleType::f32, grey = pixels_.channels <= 2;
        const Type word = big_ ? kLong8 : kLong;
        Directory out = {
            {0x0100, side(size_.width)},
            {0x0101, side(size_.height)},
            {0x0102, of_all(8 * static_cast<std::uint64_t>(sample_bytes(pixels_.sample)))},
            {0x0103, numbers(kShort, {8})},              // deflate
            {0x0106, numbers(kShort, {grey ? 1U : 2U})},  // 0 is black; RGB
            {0x0111, numbers(word, offsets_)},
            {0x0112, numbers(kShort, {1})},  // upright
            {0x0115, numbers(kShort, {pixels_.channels})},
            {0x0116, numbers(kLong, {static_cast<std::uint64_t>(strips_.strip_rows())})},
            {0x0117, numbers(word, sizes_)},
            {0x011c, numbers(kShort, {1})},  // samples of a pixel beside each other
            {0x013d, numbers(kShort, {floats ? 3U : 2U})},
            {0x0153, of_all(floats ? 3 : 1)},  // IEEE floats; whole numbers without sign
        };
        if (pixels_.channels % 2 == 0) out[0x0152] = numbers(kShort, {2});  // alpha, not multiplied
        return out;
    }

    [[nodiscard]] std::size_t row_bytes() const override { return row_bytes_; }

    void filter(const std::byte* row, const std::byte*, std::byte* to) const override {
        switch (pixels_.sample) {
            case SampleType::u8: return differences<std::uint8_t>(row, samples_, pixels_.channels, to);
            case SampleType::u16: return differences<std::uint16_t>(row, samples_, pixels_.channels, to);
            default: return byte_planes(row, samples_, pixels_.channels, to);
        }
    }

    void complete(Strip& strip, std::span<const std::byte>, Deflater& deflater) const override {
        append(strip.file_bytes, kZlibHead);
        deflater.append({}, strip.filtered, strip.file_bytes);
        append(strip.file_bytes, kDeflateEnd);
        append_be(strip.file_bytes, strip.filtered_adler, 4);
    }

    Result<void> put(const Strip& strip) override {
        offsets_.push_back(end_);
        sizes_.push_back(strip.file_bytes.size());
        end_ += strip.file_bytes.size();
        return file_.write(strip.file_bytes);
    }

    OutputFile& file_;
    const Size size_;
    const PixelFormat pixels_;
    const TiffDescription described_;
    const std::size_t samples_, row_bytes_;
    const bool big_;
    std::uint64_t end_ = 0;  // of the file
    std::vector<std::uint64_t> offsets_, sizes_;  // of strips
    StripWriter strips_;  // the last: its threads use the others
};

}  // namespace

Result<std::unique_ptr<RowWriter>> tiff_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                               const TiffDescription& described) {
    auto writer = std::make_unique<TiffWriter>(file, size, pixels, threads, described);
    TRY(writer->begin());
    return std::unique_ptr<RowWriter>(std::move(writer));
}

}  // namespace enlarge::pictures

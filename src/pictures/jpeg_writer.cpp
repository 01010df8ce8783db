// SPDX-License-Identifier: Apache-2.0
#include "pictures/jpeg_writer.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include <jpeglib.h>

#include "image/format.hpp"

namespace enlarge::pictures {
namespace {

constexpr int kFullChroma = 90;  // from this quality on, as libvips decides
constexpr std::uint8_t kStartOfFrame = 0xc0, kIptc = 0xed;
constexpr std::size_t kEndBytes = 2;  // of the marker at the end

// How pixels are encoded, the same in all strips.
struct Coding {
    int width = 0, channels = 3, quality = 95;
    unsigned restart_interval = 0;  // in blocks of pixels ("MCUs"); 0: none

    [[nodiscard]] bool full_chroma() const { return channels == 1 || quality >= kFullChroma; }
};

// One run of libjpeg, into `out`. libjpeg leaves by longjmp() where it fails, so nothing here has a destructor.
struct Encoder {
    jpeg_compress_struct info;
    jpeg_error_mgr errors;
    jpeg_destination_mgr destination;
    std::jmp_buf failed;
    char message[JMSG_LENGTH_MAX];
    Bytes* out;

    static Encoder& of(j_common_ptr info) { return *static_cast<Encoder*>(info->client_data); }
    static Encoder& of(j_compress_ptr info) { return *static_cast<Encoder*>(info->client_data); }

    static void fail(j_common_ptr info) {
        info->err->format_message(info, of(info).message);
        std::longjmp(of(info).failed, 1);
    }
    static void say_nothing(j_common_ptr) {}
    [[noreturn]] static void run_out(Encoder& self) {
        std::strcpy(self.message, "there is no memory for more");
        std::longjmp(self.failed, 1);
    }

    // Room for more behind the `used` bytes there are.
    bool make_room(std::size_t used) {
        try {
            out->resize(std::max<std::size_t>(2 * used, 65536));
        } catch (const std::exception&) {
            return false;
        }
        destination.next_output_byte = reinterpret_cast<JOCTET*>(out->data() + used);
        destination.free_in_buffer = out->size() - used;
        return true;
    }
    static void begin(j_compress_ptr info) {
        if (!of(info).make_room(0)) run_out(of(info));
    }
    static boolean full(j_compress_ptr info) {
        if (!of(info).make_room(of(info).out->size())) run_out(of(info));
        return TRUE;
    }
    static void end(j_compress_ptr info) {
        Encoder& self = of(info);
        self.out->resize(self.out->size() - self.destination.free_in_buffer);
    }

    void set_up(const Coding& coding, int rows) {
        info.image_width = static_cast<JDIMENSION>(coding.width);
        info.image_height = static_cast<JDIMENSION>(rows);
        info.input_components = coding.channels;
        info.in_color_space = coding.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        jpeg_set_defaults(&info);
        jpeg_set_quality(&info, coding.quality, TRUE);
        if (coding.full_chroma()) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
        info.restart_interval = coding.restart_interval;
        info.write_JFIF_header = FALSE;
    }

    // False when it failed; then `message` says why.
    bool run(const Coding& coding, const std::byte* row, std::size_t pitch, int rows, bool with_tables) {
        info.err = jpeg_std_error(&errors);
        errors.error_exit = fail;
        errors.output_message = say_nothing;
        info.client_data = this;
        if (setjmp(failed) != 0) {
            jpeg_destroy_compress(&info);
            return false;
        }
        jpeg_create_compress(&info);
        destination.init_destination = begin;
        destination.empty_output_buffer = full;
        destination.term_destination = end;
        info.dest = &destination;
        set_up(coding, rows);
        if (!with_tables) jpeg_suppress_tables(&info, TRUE);
        jpeg_start_compress(&info, with_tables ? TRUE : FALSE);
        for (int y = 0; y < rows; ++y) {
            const std::byte* const at = row + pitch * static_cast<std::size_t>(y);
            auto* line = const_cast<JSAMPLE*>(reinterpret_cast<const JSAMPLE*>(at));
            jpeg_write_scanlines(&info, &line, 1);
        }
        jpeg_finish_compress(&info);
        jpeg_destroy_compress(&info);
        return true;
    }
};

// A whole JPEG file of these rows, the first at `row`.
void encode(const Coding& coding, const std::byte* row, std::size_t pitch, int rows, bool with_tables, Bytes& out) {
    Encoder encoder{};
    encoder.out = &out;
    if (!encoder.run(coding, row, pitch, rows, with_tables)) throw std::runtime_error(encoder.message);
}

// Where the entropy-coded pixels of a file begin, and its segments before.
std::size_t find_pixels(const Bytes& file, std::vector<JpegSegment>& segments) {
    const ReadBytes read = [&](std::int64_t at, std::size_t count) {
        const auto begin = std::min(static_cast<std::size_t>(at), file.size());
        const auto some = std::span(file).subspan(begin, std::min(count, file.size() - begin));
        return Bytes(some.begin(), some.end());
    };
    const auto scan = static_cast<std::size_t>(read_jpeg_segments(read, segments));
    return scan + 2 + (static_cast<std::size_t>(file[scan + 2]) << 8 | static_cast<std::size_t>(file[scan + 3]));
}

class JpegWriter final : public RowWriter, private StripCoder {
public:
    JpegWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads, int quality)
        : file_(file),
          size_(size),
          coding_{size.width, pixels.channels, quality, 0},
          row_bytes_(static_cast<std::size_t>(size.width) * pixels.channels),
          strips_(*this, size, pixels, threads) {
        const int side = coding_.full_chroma() ? 8 : 16, rows = strips_.strip_rows();
        if (rows < size.height)
            coding_.restart_interval =
                static_cast<unsigned>((size.width + side - 1) / side) * static_cast<unsigned>(rows / side);
    }

    // All before the pixels: that of a picture of one row, whose size is put right.
    Result<void> begin(const JpegDescription& described) {
        Bytes example;
        const Bytes black(row_bytes_);
        encode(coding_, black.data(), 0, 1, true, example);
        std::vector<JpegSegment> own, segments;
        const std::size_t pixels = find_pixels(example, own);
        if (!described.iptc.empty()) segments.emplace_back(kIptc, Bytes(described.iptc.begin(), described.iptc.end()));
        append_jpeg_profile(segments, described.profile);
        std::size_t scan = 2;
        for (auto& [marker, content] : own) {
            scan += 4 + content.size();
            if (marker == kStartOfFrame) {
                content[1] = static_cast<std::byte>(size_.height >> 8);
                content[2] = static_cast<std::byte>(size_.height & 0xff);
            }
            segments.emplace_back(marker, std::move(content));
        }
        Bytes head = jpeg_head(segments, described.blocks, described.resolution);
        append(head, std::span(example).subspan(scan, pixels - scan));
        return file_.write(head);
    }

    Result<void> write(const std::byte* row) override {
        std::memcpy(strips_.next_row(), row, row_bytes_);
        return strips_.row_is_there();
    }

    Result<void> finish() override {
        TRY(strips_.finish());
        Bytes end;
        append_be(end, 0xffd9, kEndBytes);
        return file_.write(end);
    }

private:
    [[nodiscard]] std::size_t row_bytes() const override { return row_bytes_; }
    [[nodiscard]] int row_multiple() const override { return 16; }

    void prepare(Strip& strip) const override {
        Coding coding = coding_;
        coding.restart_interval = 0;  // between strips only
        encode(coding, strip.row(0), strip.pitch, strip.count, false, strip.file_bytes);
        std::vector<JpegSegment> segments;
        std::size_t begin = find_pixels(strip.file_bytes, segments);
        Bytes& bytes = strip.file_bytes;
        if (strip.number > 0) {  // a restart marker, in the last two bytes of what is dropped
            begin -= 2;
            bytes[begin] = std::byte{0xff};
            bytes[begin + 1] = static_cast<std::byte>(0xd0 + (strip.number - 1) % 8);
        }
        bytes.resize(bytes.size() - kEndBytes);
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    void complete(Strip&, std::span<const std::byte>, Deflater&) const override {}

    Result<void> put(const Strip& strip) override { return file_.write(strip.file_bytes); }

    OutputFile& file_;
    const Size size_;
    Coding coding_;
    const std::size_t row_bytes_;
    StripWriter strips_;  // the last: its threads use the others
};

}  // namespace

Result<std::unique_ptr<RowWriter>> jpeg_writer(OutputFile& file, Size size, const PixelFormat& pixels, int threads,
                                               int quality, const JpegDescription& described) {
    ENSURE(pixels.sample == SampleType::u8 && (pixels.channels == 1 || pixels.channels == 3));
    auto writer = std::make_unique<JpegWriter>(file, size, pixels, threads, quality);
    TRY(writer->begin(described));
    return std::unique_ptr<RowWriter>(std::move(writer));
}

}  // namespace enlarge::pictures

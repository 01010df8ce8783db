// SPDX-License-Identifier: Apache-2.0
// Picture files: JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, PNM/PFM, and still GIF and BMP as input.
//
//     auto picture = enlarge::Picture::open("photo.jpg");
//     auto writer = enlarge::PictureWriter::create("big.png", out_size, out_format, *picture, {});
//     upscaler->upscale(picture->rows(), *writer, out_size, out_format);
//     writer->finish();                       // only now does big.png appear, whole
//
// What happens to the pixels on the way in:
//   depth        8 and 16 bit and float stay what they are; palettes and fewer bits become 8 bit
//   channels     grey stays grey, alpha stays, straight (not premultiplied)
//   orientation  applied; the metadata then says "upright"
//   colour       RGB and grey keep their numbers and their ICC profile, wide gamut included: the profile is written to
//                the output, so nothing is clipped to sRGB. CMYK (through its profile, or a generic one) and Lab become
//                sRGB, whose profile replaces theirs.
//                Colours that a file signals otherwise (nclx of AVIF and HEIC; cICP, gAMA, cHRM and sRGB of PNG) are signalled
//                again in the same way, or, where the output has no such place, by a profile that says the same. PQ and HLG
//                have no such profile: they go to AVIF and PNG, and PictureWriter::create() refuses the others.
// Metadata (ICC, EXIF, XMP, IPTC, comments, texts, resolution) goes with the picture; sizes in it are corrected, thumbnails
// and what it says of gain maps and films beside the picture dropped. What has no place is named by notices().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "enlarge/cancel.hpp"
#include "enlarge/image.hpp"
#include "enlarge/notice.hpp"
#include "enlarge/result.hpp"

namespace enlarge {

enum class PictureFormat { jpeg, png, webp, tiff, avif, heic, jxl, pnm, pfm, gif, bmp };

// What a format can hold as output. `writable` is false for gif and bmp, which are input only.
struct PictureFormatInfo {
    PictureFormat format;
    const char* name;            // "JPEG"
    const char* extension;       // "jpg"; what output names get
    bool writable;
    bool alpha, grey;            // can hold them
    bool u8, u16, f32;           // sample types it can hold
    int max_bits;                // of integers: 8, 10, 12 or 16
    std::int64_t max_side;       // largest width and height
    bool lossless, lossy;        // kinds of compression
    int default_quality;         // where lossy
    const char* extensions;      // all that mean it: "jpg jpeg jpe jfif"
};
const PictureFormatInfo& format_info(PictureFormat format);
const std::vector<PictureFormatInfo>& picture_formats();

// By name or extension, any case: "jpg", "PNG", "tif". Fails with Errc::argument, listing what there is.
Result<PictureFormat> parse_picture_format(std::string_view name);
// By the extension of a path. Fails with Errc::argument when there is none or it is unknown.
Result<PictureFormat> format_of_path(const std::string& path);
// By content (the first 64 bytes are enough); nothing when it is no picture we know.
std::optional<PictureFormat> sniff_picture(std::span<const std::byte> head);

struct ReadOptions {
    int page = -1;                  // of a multi-page TIFF, HEIF; -1: the first, and Picture::notices() says if there are more
    bool allow_damaged = false;     // decode what there is of a truncated or damaged file, with a notice; false: refuse it
    std::int64_t max_pixels = std::int64_t{1} << 36;  // width * height; more is refused before decoding
    std::int64_t memory_bytes = 0;  // what decoding may hold in memory (formats that cannot be streamed); 0: half of what is free
    // Reading rows then fails with Errc::cancelled, soon. What is decoded whole (WebP, AVIF, HEIC, JPEG XL, BMP,
    // interlaced PNG) goes on in a thread of its own, as PictureWriter's encoders do.
    Cancellation cancel;
};

struct PictureInfo {
    PictureFormat file_format = PictureFormat::png;
    Size size;                  // upright
    PixelFormat format;         // of rows()
    int pages = 1;
    int orientation = 1;        // as in the file, EXIF numbering; 1 is upright
    std::string colour;         // for people: "RGB", "grey + alpha", "CMYK"
    std::string profile;        // description of the ICC profile; empty when there is none
    double dpi = 0;             // 0 when not known
    bool exif = false, xmp = false, iptc = false, icc = false;
    bool lossless = false;      // a WebP whose pixels are stored without loss
};

// One opened picture file. Its header has been checked; pixels are decoded as rows() is read, in bounded memory where
// the format allows. Moves; one thread at a time.
class Picture {
public:
    // Fails with Errc::not_found, io, format (damaged or no picture), unsupported (with the reason; an animation says
    // that it is one), limit or memory. Messages begin with the path.
    static Result<Picture> open(const std::string& path, const ReadOptions& options = {});
    // From memory; `name` is used in messages. The bytes are copied.
    static Result<Picture> read(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options = {});

    Picture(Picture&&) noexcept;
    Picture& operator=(Picture&&) noexcept;
    ~Picture();

    [[nodiscard]] const PictureInfo& info() const;
    // Remarks for the user, in sentences: "3 pages; the first is used".
    [[nodiscard]] const std::vector<Notice>& notices() const;
    // The pixels from top to bottom, once. Damage found on the way fails with Errc::format (see allow_damaged).
    RowSource& rows();
    // Whether nothing of it is transparent. Decodes until something is, so ask only where it matters, and before rows().
    Result<bool> opaque();
    // All rows at once; a convenience for small pictures.
    Result<Image> load();

    struct State;  // internal
    [[nodiscard]] const State& state() const { return *state_; }

private:
    struct Release {
        void operator()(State* state) const;
    };
    using StatePtr = std::unique_ptr<State, Release>;
    explicit Picture(StatePtr state);
    StatePtr state_;
};

// A colour to put behind transparent pixels, encoded 0..255.
struct Background {
    std::uint8_t r = 255, g = 255, b = 255;
};

struct WriteOptions {
    std::optional<PictureFormat> format;  // none: by the path's extension
    int quality = 0;               // 1..100 for lossy formats; 0: PictureFormatInfo::default_quality
    bool lossless = false;         // WebP, JPEG XL (PNG, TIFF, PNM, PFM always are); a WebP made from a lossless one is
                                   // lossless too unless a quality is given
    bool overwrite = false;
    std::string provenance_model;  // not empty: XMP records that this network enlarged the picture
    Cancellation cancel;           // write() and finish() then fail with Errc::cancelled (see PictureWriter)
};

// Whether `path` could be created with this size and format, before any work: extension, size limits, alpha, existing
// file, folder that is not there or not writable. Returns the format of the file.
Result<PictureFormat> check_output(const std::string& path, Size size, const PixelFormat& pixels, const WriteOptions& options);

// The pixel format in which a result for a file of `format` should be computed: the input's, with samples that the file
// can hold (16 bit becomes 8 for JPEG and WebP; float becomes 16 bit where there is no float). `notice` says what is
// lost, or has an empty text.
PixelFormat output_pixels(const PixelFormat& input, PictureFormat format, Notice* notice = nullptr);

// Writes one picture file from rows. The file gets its name in finish(), complete and on disk (written beside it, synced,
// renamed); until then, and when the writer is destroyed without finish(), there is nothing under that name and no
// temporary file stays. Path "-" is stdout.
// WriteOptions::cancel is obeyed within a quarter of a second, until the file has its name. Some encoders cannot be
// stopped (AVIF, HEIC, JPEG XL): theirs goes on in a thread of its own, writes to a file without a name, and keeps its
// memory until it ends; a program that ends meanwhile is not held up, but should end by std::_Exit().
class PictureWriter final : public RowSink {
public:
    // Metadata comes from `source` (which may be closed afterwards); nullptr for none. Fails as check_output() does, and
    // with Errc::unsupported where the source's colours cannot be signalled in this format.
    static Result<PictureWriter> create(const std::string& path, Size size, const PixelFormat& pixels,
                                        const Picture* source, const WriteOptions& options);
    PictureWriter(PictureWriter&&) noexcept;
    PictureWriter& operator=(PictureWriter&&) noexcept;
    ~PictureWriter() override;

    // What of the source's metadata has no place in this format, in sentences for the user. Known from the beginning.
    [[nodiscard]] const std::vector<Notice>& notices() const;

    // After a failure of write() or finish() nothing is left to do but to destroy the writer.
    Result<void> write(const ImageView& rows) override;
    // After the last row. Errc::io with "no space left on device" when the disk is full. Errc::limit where a WebP does
    // not fit into the format, which only its pixels decide: they are kept in another file, which the message names
    // (`path` and ".png"), unless that is there already and may not be replaced.
    Result<void> finish();

private:
    struct State;
    struct Release {
        void operator()(State* state) const;
    };
    using StatePtr = std::unique_ptr<State, Release>;
    explicit PictureWriter(StatePtr state);
    StatePtr state_;
};

// A whole image in memory to a file.
Result<void> save_picture(const std::string& path, const ImageView& image, const Picture* source, const WriteOptions& options);

// "white", "black" or "#rrggbb". Fails with Errc::argument.
Result<Background> parse_background(const std::string& text);

// Rows with alpha put over a background; the result has no alpha. `from` must outlive it.
std::unique_ptr<RowSource> flatten(RowSource& from, const Background& background);

// How alike two pictures are. Values are compared as encoded; where either has alpha, both are put over mid-grey.
struct Comparison {
    Size size;
    double psnr_rgb = 0;        // dB over all colour samples; infinite when equal
    double psnr_y = 0;          // of BT.601 luma in studio range, as the super-resolution papers measure
    double ssim = 0;            // mean SSIM of that luma: 11x11 Gaussian window of sigma 1.5, whole windows only; NaN
                                // for pictures smaller than a window
    double largest = 0;         // difference of one sample, in 1/255
    int largest_x = 0, largest_y = 0;
};
// Both must have the same size, in pixels, not in format; fails with Errc::argument otherwise.
Result<Comparison> compare(const ImageView& a, const ImageView& b);

// A picture of both, RGB in 8 bit: side by side (a left, b right), or split: a left of the middle, b right of it.
Result<Image> compare_picture(const ImageView& a, const ImageView& b, bool split);

}  // namespace enlarge

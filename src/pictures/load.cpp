// SPDX-License-Identifier: Apache-2.0
// Opens picture files and brings them into one of our pixel formats.
#include "pictures/load.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/cpu.hpp"
#include "base/log.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "pictures/boxes.hpp"
#include "pictures/metadata.hpp"
#include "pictures/modules.hpp"
#include "pictures/rgb_rows.hpp"
#include "pictures/tiff_samples.hpp"

namespace enlarge {
namespace {

using namespace pictures;
using enum PictureFormat;

// The loader for a format, called by name: nothing else ever looks at the file.
int load(PictureFormat format, const Input& input, VipsSource* source, VipsImage** out, VipsAccess access, VipsFailOn fail_on, int page) {
    switch (format) {
        case jpeg: return vips_jpegload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case png: return vips_pngload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case webp: return vips_webpload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case tiff: return vips_tiffload_source(source, out, "access", access, "fail_on", fail_on, "page", std::max(page, 0), nullptr);
        case avif:
        case heic:
            if (page > 0) return vips_heifload_source(source, out, "access", access, "fail_on", fail_on, "page", page, nullptr);
            return vips_heifload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case jxl: return vips_jxlload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case pnm:
        case pfm: return vips_ppmload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case gif: return vips_gifload_source(source, out, "access", access, "fail_on", fail_on, nullptr);
        case bmp:
            // ImageMagick, told which of its decoders to take. In memory it looks for itself, and "BM" is the first it knows.
            if (input.path().empty())
                return vips_magickload_buffer(const_cast<std::byte*>(input.bytes().data()), input.bytes().size(), out, "access", access, "fail_on", fail_on, nullptr);
            return vips_magickload(("bmp:" + input.path()).c_str(), out, "access", access, "fail_on", fail_on, nullptr);
    }
    vips_error("enlarge", "no loader");
    return -1;
}

int integer(VipsImage* image, const char* name, int otherwise) {
    int value = otherwise;
    if (vips_image_get_typeof(image, name) && vips_image_get_int(image, name, &value) != 0) {
        vips_error_clear();
        return otherwise;
    }
    return value;
}

Result<ImagePtr> open_image(const Picture::State& state, VipsAccess access) {
    TiffSamples samples;
    if (state.info.file_format == tiff) {
        TRY(samples, find_tiff_samples(state.input, std::max(state.options.page, 0)));
    }
    const SourcePtr source = samples.kind == TiffSamples::usual ? state.input.source() : samples.source(state.input);
    VipsImage* image = nullptr;
    if (!source || load(state.info.file_format, state.input, source.get(), &image, access, state.fail_on, state.options.page) != 0) {
        if (image) g_object_unref(image);
        const std::string reason = vips_message();
        const bool unsupported = reason.find("nsupported") != std::string::npos || reason.find("not supported") != std::string::npos;
        return Error{unsupported ? Errc::unsupported : Errc::format,
                     std::string("this ") + format_info(state.info.file_format).name + " file cannot be decoded (" + reason + ")"};
    }
    ImagePtr opened(image);
    if (samples.kind == TiffSamples::usual) return opened;
    VipsImage* restored = nullptr;
    if (samples.restore(opened.get(), &restored) != 0)
        return Error{Errc::format, "this TIFF file cannot be decoded (" + vips_message() + ")"};
    return ImagePtr(restored);
}

// Applies one libvips operation; a failure is named by `what`.
template <class Operation>
Result<void> apply(ImagePtr& image, const char* what, const Operation& operation) {
    VipsImage* out = nullptr;
    if (operation(image.get(), &out) != 0) {
        if (out) g_object_unref(out);
        return Error{Errc::format, std::string(what) + " failed (" + vips_message() + ")"};
    }
    image.reset(out);
    return {};
}

Result<void> to_rgb(ImagePtr& image, std::string& colour) {
    const bool deep = image->BandFmt != VIPS_FORMAT_UCHAR;
    switch (image->Type) {
        case VIPS_INTERPRETATION_CMYK:
            colour = vips_image_get_typeof(image.get(), VIPS_META_ICC_NAME) ? "CMYK" : "CMYK without profile";
            return apply(image, "converting CMYK to sRGB", [&](VipsImage* in, VipsImage** out) {
                return vips_icc_transform(in, out, "srgb", "embedded", TRUE, "input_profile", "cmyk", "depth", deep ? 16 : 8,
                                          "intent", VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE, nullptr);
            });
        case VIPS_INTERPRETATION_LAB:
        case VIPS_INTERPRETATION_LABQ:
        case VIPS_INTERPRETATION_LABS:
        case VIPS_INTERPRETATION_LCH:
        case VIPS_INTERPRETATION_XYZ:
        case VIPS_INTERPRETATION_YXY:
        case VIPS_INTERPRETATION_HSV:
            colour = "Lab";
            vips_image_remove(image.get(), VIPS_META_ICC_NAME);
            return apply(image, "converting Lab to sRGB", [&](VipsImage* in, VipsImage** out) {
                return vips_colourspace(in, out, deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB, nullptr);
            });
        default: return {};
    }
}

Result<PixelFormat> pixel_format(const VipsImage& image) {
    PixelFormat format;
    format.channels = static_cast<std::uint8_t>(std::min(image.Bands, 255));
    if (image.Bands < 1 || image.Bands > 4)
        return Error{Errc::unsupported, "has " + std::to_string(image.Bands) + " channels; grey, grey + alpha, RGB and RGBA are understood"};
    switch (image.BandFmt) {
        case VIPS_FORMAT_UCHAR: format.sample = SampleType::u8, format.bits = 8; break;
        case VIPS_FORMAT_USHORT: format.sample = SampleType::u16, format.bits = 16; break;
        case VIPS_FORMAT_FLOAT: format.sample = SampleType::f32, format.bits = 32; break;
        default:
            return Error{Errc::unsupported, std::string("has samples of type ") + vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image.BandFmt) +
                                                "; unsigned 8 and 16 bit and float are understood"};
    }
    return format;
}

const char* colour_name(int channels) {
    constexpr const char* names[] = {"grey", "grey + alpha", "RGB", "RGB + alpha"};
    return names[std::clamp(channels, 1, 4) - 1];
}

// An animation is refused here and enlarged as a video elsewhere.
Error animation(const char* what, const std::string& frames) {
    return {Errc::unsupported, std::string("is an animated ") + what + frames + ", and a picture has one; enlarge it as a video: give the "
                                   "output a name that ends in .gif, .webp, .mp4 or .mkv, and no --format of pictures"};
}

// Refuses animations, and chooses the page.
Result<void> check_pages(Picture::State& state, VipsImage* image) {
    const PictureFormat format = state.info.file_format;
    state.info.pages = std::max(integer(image, VIPS_META_N_PAGES, 1), 1);
    const int pages = state.info.pages;
    const auto frames = [](std::int64_t count) { return " of " + std::to_string(count) + " frames"; };
    if (format == png && apng_frames(state.input) > 1) return animation("PNG", frames(apng_frames(state.input)));
    if ((format == gif || format == webp) && pages > 1) return animation(format_info(format).name, frames(pages));
    if (format == avif || format == heic) {
        const auto brand = state.input.read_at(8, 4);
        for (const char* sequence : {"avis", "hevc", "hevx", "msf1"})
            if (brand.size() == 4 && std::memcmp(brand.data(), sequence, 4) == 0)
                return animation(format_info(format).name, " (an image sequence)");
    }
    if (state.options.page >= pages)
        return Error{Errc::argument, "has " + std::to_string(pages) + (pages == 1 ? " page" : " pages") + ", so there is no page " + std::to_string(state.options.page + 1)};
    if (pages > 1 && state.options.page < 0)
        state.notices.push_back({"first-page-only", "has " + std::to_string(pages) + " pages; the first is used (choose another with --page)"});
    return {};
}

// Refuses what is larger than allowed, before any pixel is decoded.
Result<void> check_size(Picture::State& state, VipsImage* image) {
    const std::int64_t width = image->Xsize, height = image->Ysize;
    if (width <= 0 || height <= 0) return Error{Errc::format, "has no pixels"};
    if (width > state.options.max_pixels / height)
        return Error{Errc::limit, "is " + std::to_string(width) + "x" + std::to_string(height) + " pixels; the limit is " +
                                      std::to_string(state.options.max_pixels) + " pixels in all"};
    const PictureFormat format = state.info.file_format;
    const bool interlaced = integer(image, "interlaced", 0) || integer(image, "jpeg-multiscan", 0);
    const bool whole = format == bmp || format == webp || format == avif || format == heic || format == jxl || interlaced;
    state.decoded_whole = whole && format != jpeg;  // whose warnings are weighed strip by strip
    if (!whole) return {};
    const std::int64_t memory = state.options.memory_bytes ? state.options.memory_bytes : free_memory_bytes() / 2;
    const double needed = static_cast<double>(width) * static_cast<double>(height) * image->Bands *
                          static_cast<double>(vips_format_sizeof(image->BandFmt)) * (format == bmp ? 4 : format == png ? 1 : 2);
    if (needed > static_cast<double>(memory))
        return Error{Errc::limit, "is " + std::to_string(width) + "x" + std::to_string(height) + " pixels in a form that must be decoded whole (" +
                                      (interlaced ? "interlaced " : "") + format_info(format).name + "), which takes " +
                                      std::to_string(static_cast<std::int64_t>(needed / (1 << 20))) + " MiB; " +
                                      std::to_string(memory >> 20) + " MiB may be used"};
    return {};
}

// The largest sample value that a PNM header states; 0 for those without (PBM, PFM, PAM).
int pnm_max_value(const Input& input) {
    const auto head = input.read_at(0, 65536);
    if (head.size() < 3 || head[1] == std::byte{'1'} || head[1] == std::byte{'4'} || head[1] > std::byte{'6'}) return 0;
    std::size_t at = 2;
    int number = 0;
    for (int field = 0; field < 3; ++field) {  // width, height, maximum
        for (bool comment = false; at < head.size(); ++at) {
            const char c = static_cast<char>(head[at]);
            if (c == '#') comment = true;
            if (c == '\n' || c == '\r') comment = false;
            if (!comment && c >= '0' && c <= '9') break;
        }
        for (number = 0; at < head.size() && head[at] >= std::byte{'0'} && head[at] <= std::byte{'9'}; ++at)
            number = std::min(number * 10 + (static_cast<int>(head[at]) - '0'),
                              1 << 20);  // sides may be larger; the maximum is not
    }
    return number;
}

// libvips takes PNM samples as they are, whatever the header says is white, and PFM rows from the wrong end.
Result<void> correct_pnm(Picture::State& state) {
    PictureInfo& info = state.info;
    if (info.file_format == pfm) {
        TRY(state.image, open_image(state, VIPS_ACCESS_RANDOM));
        return apply(state.image, "reading", [](VipsImage* in, VipsImage** out) { return vips_flip(in, out, VIPS_DIRECTION_VERTICAL, nullptr); });
    }
    const int max = pnm_max_value(state.input);
    const VipsBandFormat format = state.image->BandFmt;
    const int full = format == VIPS_FORMAT_UCHAR ? 255 : 65535;
    if (max == 0 || max == full || (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)) return {};
    return apply(state.image, "reading", [&](VipsImage* in, VipsImage** out) {
        VipsImage* scaled = nullptr;
        VipsImage* rounded = nullptr;
        const int status = vips_linear1(in, &scaled, static_cast<double>(full) / max, 0, nullptr) ||
                           vips_rint(scaled, &rounded, nullptr) || vips_cast(rounded, out, format, nullptr);
        if (scaled) g_object_unref(scaled);
        if (rounded) g_object_unref(rounded);
        return status;
    });
}

// Reads what libvips does not, and takes what it does where it is right.
Result<void> take_blocks(Picture::State& state) {
    Blocks& blocks = state.blocks;
    const PictureFormat format = state.info.file_format;
    TRY(apply(state.image, "reading", [](VipsImage* in, VipsImage** out) { return vips_copy(in, out, nullptr); }));
    VipsImage* image = state.image.get();
    blocks = format == jpeg                     ? read_jpeg_blocks(state.input)
             : format == png                    ? read_png_blocks(state.input)
             : format == webp                   ? read_webp_blocks(state.input)
             : format == jxl                    ? read_jxl_blocks(state.input)
             : format == avif || format == heic ? read_heif_blocks(state.input)
                                                : Blocks();
    if (format == tiff) blocks.exif = read_tiff_exif(state.input), blocks.iptc = read_tiff_iptc(state.input);
    const auto take = [&](const char* name, Bytes& to) {
        const auto from = blob(image, name);
        if (to.empty() && static_cast<std::int64_t>(from.size()) <= kMostMetadata) to.assign(from.begin(), from.end());
        blocks.too_large = blocks.too_large || static_cast<std::int64_t>(from.size()) > kMostMetadata;
    };
    const bool read = !blocks.exif.empty();  // libvips does not know of it yet
    if (format != tiff && format != jxl) take(VIPS_META_EXIF_NAME, blocks.exif);
    if (format != jpeg && format != png) take(VIPS_META_XMP_NAME, blocks.xmp);
    while (begins(blocks.exif, std::string_view("Exif\0\0", 6)))
        blocks.exif.erase(blocks.exif.begin(), blocks.exif.begin() + 6);
    if (read) attach_exif(image, blocks.exif);
    // libvips has defaults of its own where a file states no resolution: 1 pixel per millimetre, or 72 per inch.
    state.resolution = exif_resolution(blocks.exif);
    if (!state.resolution) state.resolution = blocks.resolution;
    if (format == tiff && image->Xres != 1.0) state.resolution = {image->Xres, image->Yres};
    if (const Bytes stated = format == bmp ? state.input.read_at(38, 8) : Bytes(); stated.size() == 8)
        state.resolution = {u32_le(stated, 0) / 1000.0, u32_le(stated, 4) / 1000.0};
    if (!blocks.iptc.empty())
        vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, blocks.iptc.data(), blocks.iptc.size());
    const XmpClaims claims = xmp_claims(text_of(blocks.xmp));
    if (claims.gain_map || blocks.gain_map)
        state.notices.push_back(
            {"gain-map-dropped", "holds a gain map for HDR screens beside the picture, which is left out"});
    else if (blocks.more_pictures)
        state.notices.push_back(
            {"pictures-dropped", "holds further pictures beside the first (MPF), which are left out"});
    if (claims.film || blocks.film)
        state.notices.push_back(
            {"film-dropped", "holds a short film beside the picture (a motion photo), which is left out"});
    if (blocks.too_large)
        state.notices.push_back(
            {"metadata-dropped",
             "holds metadata that is too large or in a form that cannot be kept, which is left out"});
    return {};
}

// A profile for other colours than the picture's says nothing true; one that is there counts more than gAMA and cHRM.
Result<void> settle_colours(Picture::State& state) {
    VipsImage* image = state.image.get();
    const auto profile = blob(image, VIPS_META_ICC_NAME);
    if (profile.empty()) return {};
    const bool grey = state.info.format.channels <= 2;
    if (!grey && !icc_is_rgb(profile)) {
        const bool for_grey = icc_is_grey(profile);
        TRY(apply(state.image, "reading", [](VipsImage* in, VipsImage** out) { return vips_copy(in, out, nullptr); }));
        vips_image_remove(state.image.get(), VIPS_META_ICC_NAME);
        state.notices.push_back({"profile-dropped", std::string("is an RGB picture with a profile for ") +
                                                        (for_grey ? "grey" : "other") +
                                                        " pictures, which is left out"});
    }
    return {};
}

// Opens the file as `fail_on` says and builds the pipeline that rows() reads.
Result<void> prepare(Picture::State& state) {
    const int page = std::exchange(state.options.page, -1);
    state.notices.clear();
    TRY(state.image, open_image(state, VIPS_ACCESS_SEQUENTIAL));
    state.options.page = page;
    TRY(check_pages(state, state.image.get()));
    if (page > 0) {
        TRY(state.image, open_image(state, VIPS_ACCESS_SEQUENTIAL));
    }
    TRY(check_size(state, state.image.get()));
    if (state.info.file_format == pnm || state.info.file_format == pfm) TRY(correct_pnm(state));
    const int orientation = std::clamp(vips_image_get_orientation(state.image.get()), 1, 8);
    state.info.orientation = orientation;
    if (orientation > 2) {
        // Rows are needed in another order: libvips then decodes to memory, or to a temporary file above 100 MB.
        TRY(state.image, open_image(state, VIPS_ACCESS_RANDOM));
    }
    if (orientation > 1)
        TRY(apply(state.image, "turning upright", [](VipsImage* in, VipsImage** out) { return vips_autorot(in, out, nullptr); }));

    TRY(take_blocks(state));

    PictureInfo& info = state.info;
    info.colour.clear();
    TRY(to_rgb(state.image, info.colour));
    if (state.image->BandFmt == VIPS_FORMAT_DOUBLE)
        TRY(apply(state.image, "reading", [](VipsImage* in, VipsImage** out) { return vips_cast(in, out, VIPS_FORMAT_FLOAT, nullptr); }));
    TRY(info.format, pixel_format(*state.image));
    info.size = {state.image->Xsize, state.image->Ysize};
    if (info.colour.empty()) info.colour = colour_name(info.format.channels);
    const int bits = integer(state.image.get(), "heif-bitdepth", 0);
    if (info.format.sample == SampleType::u16 && (info.file_format == avif || info.file_format == heic) && bits > 8 && bits < 16) {
        info.format.bits = static_cast<std::uint8_t>(bits);
        state.shift = 16 - bits;
    }
    TRY(settle_colours(state));
    VipsImage* image = state.image.get();
    info.icc = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
    info.exif = !state.blocks.exif.empty();
    info.xmp = !state.blocks.xmp.empty();
    info.lossless = state.blocks.lossless;
    info.iptc = vips_image_get_typeof(image, VIPS_META_IPTC_NAME) != 0;
    info.profile = icc_description(blob(image, VIPS_META_ICC_NAME));
    if (info.profile.empty() && !state.blocks.signal.usual()) info.profile = state.blocks.signal.name();
    info.dpi = state.resolution ? state.resolution.x * 25.4 : 0;
    return {};
}

// Warnings of libjpeg about files that are odd but lose nothing.
bool harmless(const std::string& message) {
    for (const char* text : {"extraneous bytes", "Invalid SOS parameters", "Inconsistent progression", "Adobe color transform", "JFIF revision", "thumbnail"})
        if (message.find(text) != std::string::npos) return true;
    return false;
}

Result<Picture::State*> start(Picture::State& state) {
    TRY(start_vips());
    const auto head = state.input.read_at(0, 64);
    if (head.empty()) return Error{Errc::format, "is empty"};
    const auto format = sniff_picture(head);
    if (!format) {
        const char* known = unread_picture(head);
        if (known) return Error{Errc::unsupported, std::string("is ") + known + ", which is not read; convert it to PNG or TIFF"};
        return Error{Errc::format, "is not a picture in a format that is known here"};
    }
    load_module_of(*format);
    state.info.file_format = *format;
    // JPEG: libjpeg calls damaged data a warning. Harmless ones are sorted out in PictureRows.
    state.fail_on = state.options.allow_damaged ? VIPS_FAIL_ON_NONE : *format == jpeg ? VIPS_FAIL_ON_WARNING : VIPS_FAIL_ON_ERROR;
    TRY(prepare(state));
    return &state;
}

}  // namespace

class PictureRows final : public RowSource {
public:
    explicit PictureRows(Picture::State& state) : state_(state) {}
    [[nodiscard]] Size size() const override { return state_.info.size; }
    [[nodiscard]] PixelFormat format() const override { return state_.info.format; }

    Result<void> read(const MutableImageView& rows) override {
        ENSURE(rows.format == format() && rows.size.width == size().width && rows.size.height <= size().height - next_);
        if (next_ == 0) TRY(begin());
        for (int y = 0; y < rows.size.height;) {
            TRY(state_.options.cancel.check());
            const int count = std::min(rows.size.height - y, kStrip);
            if (!strip(rows, y, count)) TRY(recover(vips_message(), rows, y, count));
            y += count;
            next_ += count;
        }
        return {};
    }

    Result<bool> colourless() override;

private:
    static constexpr int kStrip = 16;

    // What is decoded whole is so with its first row, by a call that nothing stops: it is made aside. The rows come from
    // memory then.
    Result<void> begin() {
        const Cancellation& cancel = state_.options.cancel;
        if (!state_.decoded_whole || !cancel.possible()) return {};
        TRY(cancel.check());
        const bool started = state_.first_row.start([image = state_.image.get()]() -> Result<void> {
            RegionPtr region(vips_region_new(image));
            const VipsRect row{0, 0, image->Xsize, 1};
            const bool good = vips_region_prepare(region.get(), &row) == 0;
            const std::string message = good ? "" : vips_message();
            region.reset();
            vips_thread_shutdown();
            return good ? Result<void>() : Error{Errc::format, message};
        });
        if (!started) return {};
        auto decoded = state_.first_row.wait([&cancel] { return cancel.requested(); });
        if (decoded) return {};
        TRY(cancel.check());
        return undecodable(decoded.error().message);
    }

    [[nodiscard]] Error undecodable(const std::string& message) const {
        const std::string what = state_.name + ": this " + format_info(state_.info.file_format).name + " file ";
        if (state_.options.allow_damaged) return {Errc::format, what + "cannot be decoded (" + message + ")"};
        return {Errc::format, what + "is damaged or truncated (" + message + "); --allow-damaged takes what there is"};
    }

    // Decodes rows next_ ... next_ + count into rows y ... of `rows`.
    bool strip(const MutableImageView& rows, int y, int count) {
        const RegionPtr region(vips_region_new(state_.image.get()));
        const VipsRect area{0, next_, size().width, count};
        if (vips_region_prepare(region.get(), &area) != 0) return false;
        const std::size_t samples = static_cast<std::size_t>(size().width) * format().channels;
        const std::size_t bytes = samples * static_cast<std::size_t>(sample_bytes(format().sample));
        for (int i = 0; i < count; ++i) {
            std::byte* to = rows.row(0, y + i);
            std::memcpy(to, VIPS_REGION_ADDR(region.get(), 0, next_ + i), bytes);
            if (state_.shift == 0) continue;
            for (std::size_t s = 0; s < samples; ++s) {
                std::uint16_t value;
                std::memcpy(&value, to + 2 * s, 2);
                value = static_cast<std::uint16_t>(value >> state_.shift);
                std::memcpy(to + 2 * s, &value, 2);
            }
        }
        return true;
    }

    // After a failed strip: a harmless oddity is decoded again more leniently; damage is an error.
    Result<void> recover(const std::string& message, const MutableImageView& rows, int y, int count) {
        const Error damage = undecodable(message);
        if (state_.options.allow_damaged) return damage;
        if (state_.info.file_format != PictureFormat::jpeg || state_.fail_on != VIPS_FAIL_ON_WARNING || !harmless(message)) return damage;
        state_.fail_on = VIPS_FAIL_ON_ERROR;
        log(LogLevel::debug, state_.name + ": " + message);
        if (auto again = prepare(state_); !again) return std::move(again).error().within(state_.name);
        const int reached = next_;
        Image skipped({size().width, kStrip}, format());
        for (next_ = 0; next_ < reached; next_ += kStrip)
            if (!strip(skipped.view(), 0, std::min(kStrip, reached - next_))) return damage;
        next_ = reached;
        if (!strip(rows, y, count)) return damage;
        return {};
    }

    Picture::State& state_;
    int next_ = 0;
    std::optional<bool> colourless_;
};

namespace {

// Whether `holds` says so of every strip of a picture whose rows nobody has read yet; then it begins anew.
template <class Holds>
Result<bool> all_strips(Picture::State& state, Holds holds) {
    constexpr int kRows = 16;
    const Size size = state.info.size;
    Image strip({size.width, kRows}, state.info.format);
    bool all = true;
    PictureRows rows(state);
    for (int y = 0; all && y < size.height; y += kRows) {
        MutableImageView part = strip.view();
        part.size.height = std::min(kRows, size.height - y);
        TRY(rows.read(part));
        all = holds(ImageView(part));
    }
    if (auto again = prepare(state); !again) return std::move(again).error().within(state.name);
    return all;
}

}  // namespace

void Picture::Release::operator()(State* state) const {
    std::shared_ptr<State> owned(state);
    pictures::SideWork& work = owned->first_row;
    work.leave(std::move(owned));
}

Picture::Picture(StatePtr state) : state_(std::move(state)) {}
Picture::Picture(Picture&&) noexcept = default;
Picture& Picture::operator=(Picture&&) noexcept = default;
Picture::~Picture() = default;

Result<Picture> Picture::open(const std::string& path, const ReadOptions& options) {
    auto input = Input::file(path);
    if (!input) return std::move(input).error().within(path);
    StatePtr state(new State(path, std::move(*input), options));
    if (auto started = start(*state); !started) return std::move(started).error().within(path);
    return Picture(std::move(state));
}

Result<Picture> Picture::read(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options) {
    StatePtr state(new State(name, Input::memory(bytes), options));
    if (auto started = start(*state); !started) return std::move(started).error().within(name);
    return Picture(std::move(state));
}

const PictureInfo& Picture::info() const { return state_->info; }
const std::vector<Notice>& Picture::notices() const { return state_->notices; }

RowSource& Picture::rows() {
    if (!state_->rows) state_->rows = std::make_unique<PictureRows>(*state_);
    return *state_->rows;
}

Result<bool> Picture::opaque() {
    State& state = *state_;
    const PixelFormat& format = state.info.format;
    if (format.channels % 2) return true;
    if (state.rows) return Error{Errc::argument, state.name + ": its rows are being read already"};
    return all_strips(state, [&format](const ImageView& strip) {
        const std::size_t samples = static_cast<std::size_t>(strip.size.width) * format.channels;
        bool all = true;
        for (int row = 0; row < strip.size.height; ++row)
            for (std::size_t i = format.channels - 1U; i < samples; i += format.channels)
                all = all && sample_at(strip, strip.row(0, row), i) >= 1.0F;
        return all;
    });
}

// The rows are decoded once more for it, up to the first that has colour.
Result<bool> PictureRows::colourless() {
    ENSURE(next_ == 0);
    if (format().channels < 3) return false;
    if (!colourless_) {
        TRY(colourless_, all_strips(state_, enlarge::colourless));
    }
    return *colourless_;
}

Result<Image> Picture::load() {
    Image image(state_->info.size, state_->info.format);
    TRY(rows().read(image.view()));
    return image;
}

}  // namespace enlarge
